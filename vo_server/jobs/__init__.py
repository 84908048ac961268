"""Jobs that outlive the request that asked for them, and the processes that run them (UWS 1.1)."""

"""Asynchronous jobs and the worker processes that run them (UWS 1.1)."""

"""XML documents other than tables: VOSI, UWS, OAI-PMH and registry records."""

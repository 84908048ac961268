"""The publishing registry: OAI-PMH 2.0 and the VOResource records that it serves."""

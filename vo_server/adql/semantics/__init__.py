"""Resolve a syntax tree into a typed query: names looked up, every value with its type, unit and UCD."""

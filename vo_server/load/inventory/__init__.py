"""The inventory of an image collection, from a walk over its files that reads only their headers."""

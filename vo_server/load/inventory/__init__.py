"""The inventory of an image collection: a walk over its files that reads their headers alone."""

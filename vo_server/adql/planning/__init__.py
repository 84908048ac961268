"""Rewrite a query into one with index ranges and HEALPix cells, so that spatial conditions need no full scan."""

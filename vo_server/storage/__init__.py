"""A file somewhere: on a local disk or at any URL that fsspec supports; byte ranges, listings, gzip, tar."""

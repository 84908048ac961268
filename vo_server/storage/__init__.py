"""Files on a local disk or at any URL that fsspec supports: byte ranges, listings, atomic writes, gzip, tar; one recipe
for ETags and one mapping of errors."""

"""TAP 1.1: queries in ADQL, synchronous or as jobs, and the examples."""

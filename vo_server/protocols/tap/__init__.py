"""TAP 1.1: queries in ADQL, answered at once or as jobs, and the examples."""

"""XML that is not a table: VOSI and its kin."""

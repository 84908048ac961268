"""The published catalogue: read from catalogue files, searched by the rules of ADQL for names, listed in TAP_SCHEMA."""

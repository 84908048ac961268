"""A Virtual Observatory protocol server: TAP, ADQL, cone search and VOSI over described catalogues."""

__version__ = "0.1.0"

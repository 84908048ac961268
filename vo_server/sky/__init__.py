"""Spherical geometry: shapes and their exact tests, HEALPix covers, MOCs, reference frames and units."""

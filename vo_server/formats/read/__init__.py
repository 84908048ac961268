"""Uploads in VOTable, FITS, Parquet, Arrow, CSV and TSV, read into columns and Arrow tables."""

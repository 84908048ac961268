"""Read uploads: VOTable, FITS, Parquet, Arrow, CSV and TSV into columns and Arrow tables."""

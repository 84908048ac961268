"""Writers of results: VOTable, FITS, CSV, JSON, Parquet, Arrow, HTML and plain text."""

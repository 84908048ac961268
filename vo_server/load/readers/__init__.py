"""Readers of table files: the metadata of a file, and its rows in chunks."""

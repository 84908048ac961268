"""Drafts of catalogue files from table files: metadata of the file is kept, missing metadata is guessed and marked."""

"""Bulk data in, and a synthetic sky."""

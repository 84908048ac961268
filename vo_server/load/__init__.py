"""Bulk loading of tables and image inventories."""

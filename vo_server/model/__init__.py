"""The data model of the server: frozen records without input or output."""

"""The nouns of the server: frozen records, no input and no output."""

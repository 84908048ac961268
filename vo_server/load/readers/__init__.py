"""Files of tables: what each says of its columns, and its rows piece by piece."""

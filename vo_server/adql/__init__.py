"""ADQL 2.1: text to syntax tree, tree to typed query, query to SQLAlchemy, without knowledge of a database engine."""

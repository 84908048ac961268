"""ADQL 2.1: text to tree, tree to a typed query, query to SQLAlchemy. Knows no engine."""

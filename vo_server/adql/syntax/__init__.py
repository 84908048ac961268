"""The parser of ADQL 2.1: text to syntax tree, and every message about syntax."""

"""Names in queries: delimited where ADQL requires it (ADQL 2.1 sections 2.1.4 and 2.1.5)."""

from __future__ import annotations

import re

from vo_server.model.column import Table
from vo_server.model.reserved_words import RESERVED

_REGULAR = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def quote_identifier(name: str) -> str:
    """Return a name between double quotes, as an identifier of SQL and of ADQL, whatever its characters."""
    return '"' + name.replace('"', '""') + '"'


def is_regular(name: str) -> bool:
    """Tell whether a name is a regular identifier, which needs no quotes in a query."""
    return _REGULAR.fullmatch(name) is not None and name.upper() not in RESERVED


def quote_name(name: str) -> str:
    """Return a name as written in a query: in double quotes if it is reserved or not a regular identifier."""
    return name if is_regular(name) else quote_identifier(name)


def quote_table_name(table: Table) -> str:
    """Return the name of a table with its schema as written in a query."""
    return f"{quote_name(table.schema)}.{quote_name(table.name)}"

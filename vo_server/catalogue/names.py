"""How a name is written in a query: delimited where ADQL asks for it (ADQL 2.1 sections 2.1.4 and 2.1.5)."""

from __future__ import annotations

import re

from vo_server.model.column import Table
from vo_server.model.words import RESERVED

_REGULAR = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def regular(name: str) -> bool:
    """Can the name stand in a query as it is?"""
    return _REGULAR.fullmatch(name) is not None and name.upper() not in RESERVED


def quoted(name: str) -> str:
    """The name as it is written in a query: between double quotes where it is reserved or not a regular identifier."""
    return name if regular(name) else '"' + name.replace('"', '""') + '"'


def qualified(table: Table) -> str:
    """The name of a table as it is written after FROM."""
    return f"{quoted(table.schema)}.{quoted(table.name)}"

"""What a service says of its tables, by /tables and by TAP_SCHEMA, in one form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lxml import etree

from vo_server.check.votable import Table

Element: TypeAlias = etree._Element
Schemas: TypeAlias = Any
"""etree.XMLSchema, of which lxml tells no type."""

SCHEMA_TABLES = ("schemas", "tables", "columns", "keys", "key_columns")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is told, empty texts for what is not."""

    name: str
    datatype: str = ""
    arraysize: str = ""
    xtype: str = ""
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    description: str = ""

    def meaning(self) -> dict[str, str]:
        """What must be the same wherever it is told."""
        names = ("datatype", "arraysize", "xtype", "unit", "ucd", "utype")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Said:
    """A table as it is told; `rows` is None where that is not."""

    name: str
    schema: str
    columns: tuple[Column, ...]
    description: str = ""
    rows: int | None = None
    keys: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()

    @property
    def own(self) -> bool:
        """Is it of TAP_SCHEMA itself?"""
        return self.schema.lower() == "tap_schema"

    def column(self, name: str) -> Column | None:
        """The column of this name, whatever its case and quotes."""
        return next((c for c in self.columns if bare(c.name) == bare(name)), None)


@dataclass(frozen=True, slots=True)
class Keys:
    """The rows of TAP_SCHEMA.keys as (id, from, target) and of key_columns as (id, from, target)."""

    tables: tuple[tuple[str, str, str], ...]
    columns: tuple[tuple[str, str, str], ...]

    @classmethod
    def read(cls, rows: Callable[[str], Table]) -> Keys:
        """As the service tells them."""
        keys = rows("SELECT key_id, from_table, target_table FROM TAP_SCHEMA.keys").rows
        columns = rows("SELECT key_id, from_column, target_column FROM TAP_SCHEMA.key_columns").rows
        return cls(tuple(_texts(row) for row in keys), tuple(_texts(row) for row in columns))


def bare(name: str) -> str:
    """A name for comparisons: without quotes and case."""
    return name.replace('"', "").lower()


def _texts(row: tuple[Any, ...]) -> tuple[str, str, str]:
    a, b, c = (text(value) for value in row)
    return a, b, c


def text(value: Any) -> str:
    """A cell as a text, empty for null."""
    return "" if value is None else str(value).strip()


def tables_of(root: Element) -> tuple[Said, ...]:
    """The tables of a document of VOSI."""
    return tuple(
        _table(table, schema.findtext("name") or "") for schema in root.iter("schema") for table in schema.iter("table")
    )


def _table(table: Element, schema: str) -> Said:
    rows = (table.findtext("nrows") or "").strip()
    keys = tuple(
        (
            (key.findtext("targetTable") or "").strip(),
            tuple((c.findtext("fromColumn") or "", c.findtext("targetColumn") or "") for c in key.iter("fkColumn")),
        )
        for key in table.iter("foreignKey")
    )
    columns = tuple(column_of(column) for column in table.findall("column"))
    name, description = (" ".join((table.findtext(n) or "").split()) for n in ("name", "description"))
    return Said(name, schema.strip(), columns, description, int(rows) if rows.isdigit() else None, keys)


def column_of(column: Element) -> Column:
    """A column of a document of VOSI."""
    kind = column.find("dataType")
    given = {} if kind is None else {"arraysize": kind.get("arraysize", ""), "xtype": kind.get("extendedType", "")}
    texts = {n: " ".join((column.findtext(n) or "").split()) for n in ("name", "unit", "ucd", "utype", "description")}
    return Column(datatype="" if kind is None else (kind.text or "").strip(), **given, **texts)


def tap_schema_of(rows: Callable[[str], Table]) -> tuple[Said, ...]:
    """The tables that TAP_SCHEMA tells.

    Raises NoAnswer where it cannot be read.
    """
    tables = rows("SELECT schema_name, table_name, description FROM TAP_SCHEMA.tables").dicts()
    columns = rows(
        "SELECT table_name, column_name, datatype, arraysize, xtype, unit, ucd, utype, description"
        " FROM TAP_SCHEMA.columns"
    ).dicts()
    by_table: dict[str, list[Column]] = {}
    for each in columns:
        told = {name: text(value) for name, value in each.items()}
        table, name = told.pop("table_name"), told.pop("column_name")
        by_table.setdefault(bare(table), []).append(Column(name, **told))
    return tuple(
        Said(
            text(each["table_name"]),
            text(each["schema_name"]),
            tuple(by_table.get(bare(text(each["table_name"])), ())),
            text(each["description"]),
        )
        for each in tables
    )

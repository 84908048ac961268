"""The tables that a service declares, by /tables and by TAP_SCHEMA, in one form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lxml import etree

from vo_server.check.votable import VOTable

Element: TypeAlias = etree._Element
Schemas: TypeAlias = Any
"""etree.XMLSchema, for which lxml has no type."""

SCHEMA_TABLES = ("schemas", "tables", "columns", "keys", "key_columns")


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A column as declared; missing texts are empty."""

    name: str
    datatype: str = ""
    arraysize: str = ""
    xtype: str = ""
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    description: str = ""

    def metadata(self) -> dict[str, str]:
        """Return the metadata that must agree wherever the column is declared."""
        names = ("datatype", "arraysize", "xtype", "unit", "ucd", "utype")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class DeclaredTable:
    """A table as declared; `rows` is None where it is not declared."""

    name: str
    schema: str
    columns: tuple[DeclaredColumn, ...]
    description: str = ""
    rows: int | None = None
    keys: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()

    def find_column(self, name: str) -> DeclaredColumn | None:
        """Return the column with a name, ignoring case and quotes."""
        return next((c for c in self.columns if normalise_name(c.name) == normalise_name(name)), None)


@dataclass(frozen=True, slots=True)
class ForeignKeys:
    """The rows of TAP_SCHEMA.keys as (id, from, target) and of key_columns as (id, from, target)."""

    tables: tuple[tuple[str, str, str], ...]
    columns: tuple[tuple[str, str, str], ...]

    @classmethod
    def read(cls, rows: Callable[[str], VOTable]) -> ForeignKeys:
        """Query the keys of a service."""
        keys = rows("SELECT key_id, from_table, target_table FROM TAP_SCHEMA.keys").rows
        columns = rows("SELECT key_id, from_column, target_column FROM TAP_SCHEMA.key_columns").rows
        return cls(tuple(_to_texts(row) for row in keys), tuple(_to_texts(row) for row in columns))


def normalise_name(name: str) -> str:
    """Return a name for comparisons: without quotes, in lower case."""
    return name.replace('"', "").lower()


def _to_texts(row: tuple[Any, ...]) -> tuple[str, str, str]:
    a, b, c = (to_text(value) for value in row)
    return a, b, c


def to_text(value: Any) -> str:
    """Return a cell as text, empty for null."""
    return "" if value is None else str(value).strip()


def read_tables(root: Element) -> tuple[DeclaredTable, ...]:
    """Return the tables of a VOSI document."""
    return tuple(
        _read_table(table, schema.findtext("name") or "")
        for schema in root.iter("schema")
        for table in schema.iter("table")
    )


def _read_table(table: Element, schema: str) -> DeclaredTable:
    rows = (table.findtext("nrows") or "").strip()
    keys = tuple(
        (
            (key.findtext("targetTable") or "").strip(),
            tuple((c.findtext("fromColumn") or "", c.findtext("targetColumn") or "") for c in key.iter("fkColumn")),
        )
        for key in table.iter("foreignKey")
    )
    columns = tuple(read_column(column) for column in table.findall("column"))
    name, description = (" ".join((table.findtext(n) or "").split()) for n in ("name", "description"))
    return DeclaredTable(name, schema.strip(), columns, description, int(rows) if rows.isdigit() else None, keys)


def read_column(column: Element) -> DeclaredColumn:
    """Return a column of a VOSI document."""
    kind = column.find("dataType")
    extras = {} if kind is None else {"arraysize": kind.get("arraysize", ""), "xtype": kind.get("extendedType", "")}
    texts = {n: " ".join((column.findtext(n) or "").split()) for n in ("name", "unit", "ucd", "utype", "description")}
    return DeclaredColumn(datatype="" if kind is None else (kind.text or "").strip(), **extras, **texts)


def read_tap_schema(rows: Callable[[str], VOTable]) -> tuple[DeclaredTable, ...]:
    """Return the tables of TAP_SCHEMA.

    Raises NoResponse where it cannot be read.
    """
    tables = rows("SELECT schema_name, table_name, description FROM TAP_SCHEMA.tables").dicts()
    columns = rows(
        "SELECT table_name, column_name, datatype, arraysize, xtype, unit, ucd, utype, description"
        " FROM TAP_SCHEMA.columns"
    ).dicts()
    by_table: dict[str, list[DeclaredColumn]] = {}
    for each in columns:
        texts = {name: to_text(value) for name, value in each.items()}
        table, name = texts.pop("table_name"), texts.pop("column_name")
        by_table.setdefault(normalise_name(table), []).append(DeclaredColumn(name, **texts))
    return tuple(
        DeclaredTable(
            to_text(each["table_name"]),
            to_text(each["schema_name"]),
            tuple(by_table.get(normalise_name(to_text(each["table_name"])), ())),
            to_text(each["description"]),
        )
        for each in tables
    )

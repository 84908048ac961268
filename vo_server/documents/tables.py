"""Tables as VODataService 1.2 describes them (section 3.3), for VOSI and for registry records.

Names are written as they are typed in a query, as in TAP_SCHEMA (TAP 1.1 section 4).
"""

from __future__ import annotations

from collections.abc import Iterable

from vo_server.catalogue.catalogue import Catalogue, Schema
from vo_server.catalogue.names import quote_name, quote_table_name
from vo_server.documents.elements import Element, add, add_known
from vo_server.model.column import Column, Key, Table

TABLE_TYPES = {"table": "base_table", "view": "view"}
"""The type of a table in VODataService by its kind in TAP_SCHEMA."""


def add_schemas(tableset: Element, catalogue: Catalogue, columns: bool = True) -> None:
    """Add the schemas that hold tables; without `columns`, only the names and descriptions of tables."""
    for name, schema in {s.name: s for s in catalogue.schemas}.items():
        tables = [t for t in catalogue.tables if t.schema == name]
        if tables:
            _add_schema(tableset, schema, tables, catalogue, columns)


def _add_schema(tableset: Element, schema: Schema, tables: list[Table], catalogue: Catalogue, columns: bool) -> None:
    entry = add(tableset, "schema")
    add_known(
        entry, name=quote_name(schema.name), title=schema.title, description=schema.description, utype=schema.utype
    )
    for table in tables:
        fill_table(add(entry, "table"), table, catalogue, columns)


def fill_table(element: Element, table: Table, catalogue: Catalogue, columns: bool = True) -> None:
    """Fill a table element."""
    element.set("type", TABLE_TYPES[table.kind])
    add_known(
        element,
        name=quote_table_name(table),
        title=table.title,
        description=table.description,
        utype=table.utype,
        nrows=table.nrows,
    )
    if columns:
        for column in table.columns:
            _add_column(element, column, column.name == table.identifier)
        _add_keys(element, table.keys, {t.qualified_name: quote_table_name(t) for t in catalogue.tables})


def _add_column(table: Element, column: Column, primary: bool) -> None:
    entry = add(table, "column", std=column.std)
    add_known(entry, name=quote_name(column.name), description=column.description)
    add_known(entry, unit=column.unit, ucd=column.ucd, utype=column.utype)
    add(
        entry,
        "dataType",
        column.datatype,
        type="vs:VOTableType",
        arraysize=column.arraysize,
        extendedType=column.xtype,
    )
    flags = {"indexed": column.indexed, "primary": primary, "nullable": column.nullable}
    for flag, holds in flags.items():
        if holds:
            add(entry, "flag", flag)


def _add_keys(table: Element, keys: Iterable[Key], published: dict[str, str]) -> None:
    """Add the foreign keys to published tables."""
    for key in keys:
        if key.target in published:
            entry = add(table, "foreignKey")
            add(entry, "targetTable", published[key.target])
            for from_column, target_column in key.columns:
                add_known(
                    add(entry, "fkColumn"), fromColumn=quote_name(from_column), targetColumn=quote_name(target_column)
                )
            add_known(entry, description=key.description, utype=key.utype)

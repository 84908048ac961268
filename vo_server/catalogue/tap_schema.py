"""The tables of TAP_SCHEMA, which describe the catalogue and themselves (TAP 1.1 section 4).

Names in them are written as in a query: `twomass.psc`, `"date"`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa

from vo_server.catalogue.catalogue import Catalogue, Schema
from vo_server.catalogue.load import find_builtin_schemas, load_standard
from vo_server.catalogue.names import quote_name, quote_table_name
from vo_server.model.column import Column, Key, Table

Row = dict[str, Any]


@cache
def load_tap_schema() -> tuple[Schema, tuple[Table, ...]]:
    """Return the schema tap_schema and its five tables."""
    return load_standard(find_builtin_schemas() / "standard" / "tap_schema.toml")


def add_tap_schema(catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with the tables of TAP_SCHEMA as its last tables; itself if it has them already."""
    schema, tables = load_tap_schema()
    names = {table.qualified_name for table in catalogue.tables}
    return catalogue if tables[0].qualified_name in names else catalogue.with_tables(tables, schema)


def build_rows(catalogue: Catalogue) -> dict[str, pa.Table]:
    """Return the rows of each table of TAP_SCHEMA, by the name of the table without its schema."""
    complete = add_tap_schema(catalogue)
    rows = {
        "schemas": _list_schemas(complete),
        "tables": _list_tables(complete),
        "columns": (row for table in complete.tables for row in _list_columns(table)),
        "keys": (row for row, _ in _keys(complete)),
        "key_columns": (pair for row, key in _keys(complete) for pair in _pairs(row["key_id"], key)),
    }
    return {table.name: _to_arrow(table, rows[table.name]) for table in load_tap_schema()[1]}


def _to_arrow(table: Table, rows: Iterator[Row]) -> pa.Table:
    fields = [pa.field(c.name, c.type.arrow, c.nullable) for c in table.columns]
    return pa.Table.from_pylist(list(rows), schema=pa.schema(fields))


def _list_schemas(catalogue: Catalogue) -> Iterator[Row]:
    """Yield the schemas that have tables, each once."""
    used = {table.schema for table in catalogue.tables}
    schemas = {schema.name: schema for schema in catalogue.schemas if schema.name in used}
    for index, schema in enumerate(schemas.values(), 1):
        yield {
            "schema_name": quote_name(schema.name),
            "utype": schema.utype,
            "description": schema.description,
            "schema_index": index,
        }


def _list_tables(catalogue: Catalogue) -> Iterator[Row]:
    for index, table in enumerate(catalogue.tables, 1):
        yield {
            "schema_name": quote_name(table.schema),
            "table_name": quote_table_name(table),
            "table_type": table.kind,
            "utype": table.utype,
            "description": table.description,
            "table_index": index,
        }


def _list_columns(table: Table) -> Iterator[Row]:
    for index, column in enumerate(table.columns, 1):
        yield {"table_name": quote_table_name(table), "column_index": index} | _describe_column(column)


def _describe_column(column: Column) -> Row:
    return {
        "column_name": quote_name(column.name),
        "datatype": column.datatype,
        "arraysize": column.arraysize,
        "xtype": column.xtype,
        "size": column.size,
        "description": column.description,
        "utype": column.utype,
        "unit": column.unit,
        "ucd": column.ucd,
        "indexed": int(column.indexed),
        "principal": int(column.principal),
        "std": int(column.std),
    }


def _keys(catalogue: Catalogue) -> Iterator[tuple[Row, Key]]:
    """Yield every key between tables of the catalogue; views have no keys."""
    quoted_names = {table.qualified_name: quote_table_name(table) for table in catalogue.tables}
    for table in catalogue.tables:
        for number, key in enumerate(table.keys, 1):
            if key.target in quoted_names:
                yield (
                    {
                        "key_id": f"{table.qualified_name}.key{number}",
                        "from_table": quote_table_name(table),
                        "target_table": quoted_names[key.target],
                        "description": key.description,
                        "utype": key.utype,
                    },
                    key,
                )


def _pairs(key_id: str, key: Key) -> Iterator[Row]:
    for here, there in key.columns:
        yield {"key_id": key_id, "from_column": quote_name(here), "target_column": quote_name(there)}

"""The catalogue told as the tables of TAP_SCHEMA, which tell of themselves too (TAP 1.1 section 4).

Names stand there as they are typed in a query: `twomass.psc`, `"date"`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa

from vo_server.catalogue.catalogue import Catalogue, Schema
from vo_server.catalogue.load import builtin_schemas, load_standard
from vo_server.catalogue.names import qualified, quoted
from vo_server.model.column import Column, Key, Table

Row = dict[str, Any]


@cache
def tap_schema() -> tuple[Schema, tuple[Table, ...]]:
    """The schema tap_schema and its five tables."""
    return load_standard(builtin_schemas() / "standard" / "tap_schema.toml")


def with_tap_schema(catalogue: Catalogue) -> Catalogue:
    """The catalogue with the tables of TAP_SCHEMA, after all others; itself when it has them."""
    schema, tables = tap_schema()
    held = {table.qualified for table in catalogue.tables}
    return catalogue if tables[0].qualified in held else catalogue.with_tables(tables, schema)


def describe(catalogue: Catalogue) -> dict[str, pa.Table]:
    """The rows of each table of TAP_SCHEMA, under the table's name without its schema."""
    whole = with_tap_schema(catalogue)
    rows = {
        "schemas": _schemas(whole),
        "tables": _tables(whole),
        "columns": (row for table in whole.tables for row in _columns(table)),
        "keys": (row for row, _ in _keys(whole)),
        "key_columns": (pair for row, key in _keys(whole) for pair in _pairs(row["key_id"], key)),
    }
    return {table.name: _arrow(table, rows[table.name]) for table in tap_schema()[1]}


def _arrow(table: Table, rows: Iterator[Row]) -> pa.Table:
    fields = [pa.field(c.name, c.type.arrow, c.nullable) for c in table.columns]
    return pa.Table.from_pylist(list(rows), schema=pa.schema(fields))


def _schemas(catalogue: Catalogue) -> Iterator[Row]:
    """The schemas that hold tables, each once."""
    filled = {table.schema for table in catalogue.tables}
    shown = {schema.name: schema for schema in catalogue.schemas if schema.name in filled}
    for index, schema in enumerate(shown.values(), 1):
        yield {
            "schema_name": quoted(schema.name),
            "utype": schema.utype,
            "description": schema.description,
            "schema_index": index,
        }


def _tables(catalogue: Catalogue) -> Iterator[Row]:
    for index, table in enumerate(catalogue.tables, 1):
        yield {
            "schema_name": quoted(table.schema),
            "table_name": qualified(table),
            "table_type": table.kind,
            "utype": table.utype,
            "description": table.description,
            "table_index": index,
        }


def _columns(table: Table) -> Iterator[Row]:
    for index, column in enumerate(table.columns, 1):
        yield {"table_name": qualified(table), "column_index": index} | _column(column)


def _column(column: Column) -> Row:
    return {
        "column_name": quoted(column.name),
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
    """Every key between tables of the catalogue; a view has none of its own."""
    typed = {table.qualified: qualified(table) for table in catalogue.tables}
    for table in catalogue.tables:
        for number, key in enumerate(table.keys, 1):
            if key.target in typed:
                yield (
                    {
                        "key_id": f"{table.qualified}.key{number}",
                        "from_table": qualified(table),
                        "target_table": typed[key.target],
                        "description": key.description,
                        "utype": key.utype,
                    },
                    key,
                )


def _pairs(key_id: str, key: Key) -> Iterator[Row]:
    for here, there in key.columns:
        yield {"key_id": key_id, "from_column": quoted(here), "target_column": quoted(there)}

"""TAP_SCHEMA, compared with its standard, with /tables, and with the results of queries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import NoResponse
from vo_server.check.tables import SCHEMA_TABLES, DeclaredColumn, DeclaredTable, normalise_name, to_text

REQUIRED = {
    "schemas": "schema_name utype description schema_index",
    "tables": "schema_name table_name table_type utype description table_index",
    "columns": "table_name column_name datatype arraysize xtype size description utype unit ucd indexed principal std"
    " column_index",
    "keys": "key_id from_table target_table description utype",
    "key_columns": "key_id from_column target_column",
}
"""The columns of TAP 1.1, section 4."""

MAX_PROBLEMS = 5
"""Columns of a table that are reported at most."""

MAX_COUNTED_ROWS = 50_000_000
"""Rows of the largest table whose rows are counted: some databases scan a table to count it."""


def check_standard_columns(probe: Probe) -> Iterator[Problem]:
    """Require that TAP_SCHEMA describes itself with all columns."""
    declared = {normalise_name(table.name): table for table in probe.tap_schema}
    for name, columns in REQUIRED.items():
        table = declared.get(f"tap_schema.{name}")
        if table is None:
            yield f"TAP_SCHEMA.{name}", "the table is not in TAP_SCHEMA.tables"
            continue
        for missing in (c for c in columns.split() if table.find_column(c) is None):
            yield f"TAP_SCHEMA.{name}", f"the column {missing} is not in TAP_SCHEMA.columns"


def check_values(probe: Probe) -> Iterator[Problem]:
    """Require that flags are 0 or 1, and sizes match arraysizes."""
    rows = probe.query_table(
        'SELECT table_name, column_name, arraysize, "size", indexed, principal, std FROM TAP_SCHEMA.columns'
    ).dicts()
    for row in rows:
        where = f"{row['table_name']}.{row['column_name']}"
        for flag in ("indexed", "principal", "std"):
            if row[flag] not in (0, 1):
                yield where, f"expected {flag} 0 or 1, got {to_text(row[flag]) or 'null'}"
        length = re.fullmatch(r"(\d+)\*?", to_text(row["arraysize"]))
        expected = length[1] if length else ""
        if (size := to_text(row["size"])) != expected:
            yield (
                where,
                f'expected "size" {expected or "null"}, as arraysize is {row["arraysize"]}, got {size or "null"}',
            )


def check_references(probe: Probe) -> Iterator[Problem]:
    """Require that tables have columns and schemas, columns have tables."""
    schemas = {
        normalise_name(to_text(row[0])) for row in probe.query_table("SELECT schema_name FROM TAP_SCHEMA.schemas").rows
    }
    tables = {normalise_name(table.name) for table in probe.tap_schema}
    for table in probe.tap_schema:
        if not table.columns:
            yield table.name, "the table has no columns"
        if normalise_name(table.schema) not in schemas:
            yield table.name, f"the schema {table.schema} is not in TAP_SCHEMA.schemas"
    used = {normalise_name(table.schema) for table in probe.tap_schema}
    for schema in sorted(schemas - used):
        yield schema, "the schema has no tables"
    owners = {
        normalise_name(to_text(row[0]))
        for row in probe.query_table("SELECT DISTINCT table_name FROM TAP_SCHEMA.columns").rows
    }
    for owner in sorted(owners - tables):
        yield owner, "the table has columns in TAP_SCHEMA.columns, but is not in TAP_SCHEMA.tables"


def check_keys(probe: Probe) -> Iterator[Problem]:
    """Require that foreign keys refer to existing columns."""
    tables = {normalise_name(table.name): table for table in probe.tap_schema}
    ids = {}
    for id, source, target in probe.keys.tables:
        ids[id] = (source, target)
        for name in (source, target):
            if normalise_name(name) not in tables:
                yield f"key {id}", f"the table {name} does not exist"
    for id, *pair in probe.keys.columns:
        if id not in ids:
            yield f"key {id}", "the key is in TAP_SCHEMA.key_columns, but not in TAP_SCHEMA.keys"
            continue
        for name, owner in zip(pair, ids[id], strict=True):
            table = tables.get(normalise_name(owner))
            if table is not None and table.find_column(name) is None:
                yield f"key {id}", f"the column {owner}.{name} does not exist"
    for id in sorted(ids.keys() - {row[0] for row in probe.keys.columns}):
        yield f"key {id}", "the key has no columns in TAP_SCHEMA.key_columns"


def check_same_names(probe: Probe) -> Iterator[Problem]:
    """Require that /tables and TAP_SCHEMA list the same tables and columns."""
    vosi, schema = ({normalise_name(t.name): t for t in tables} for tables in (probe.tables, probe.tap_schema))
    for name in sorted(vosi.keys() ^ schema.keys()):
        yield (vosi.get(name) or schema[name]).name, _missing_in("the table", name in vosi)
    for name in sorted(vosi.keys() & schema.keys()):
        in_vosi, in_schema = ({normalise_name(c.name) for c in tables[name].columns} for tables in (vosi, schema))
        for column in sorted(in_vosi ^ in_schema):
            yield f"{name}.{column}", _missing_in("the column", column in in_vosi)


def _missing_in(what: str, in_vosi: bool) -> str:
    present, absent = ("/tables", "TAP_SCHEMA") if in_vosi else ("TAP_SCHEMA", "/tables")
    return f"{what} is in {present}, but not in {absent}"


def check_same_metadata(probe: Probe) -> Iterator[Problem]:
    """Require that /tables and TAP_SCHEMA describe columns alike."""
    schema = {normalise_name(t.name): t for t in probe.tap_schema}
    for table in probe.tables:
        for column in table.columns:
            other = (
                schema[normalise_name(table.name)].find_column(column.name)
                if normalise_name(table.name) in schema
                else None
            )
            if other is not None:
                yield from _list_differences(
                    f"{table.name}.{column.name}", column.metadata(), other.metadata(), "/tables"
                )


def _list_differences(where: str, actual: dict[str, str], declared: dict[str, str], source: str) -> Iterator[Problem]:
    for name, value in actual.items():
        if value != declared[name]:
            yield where, f"{name} is {value!r} in {source}, but {declared[name]!r} in TAP_SCHEMA"


def check_selectable(probe: Probe) -> Iterator[Problem]:
    """Select all columns of each table by name; on failure, find the columns that fail."""
    for table in (t for t in probe.queryable_tables if t.columns):
        try:
            _select(probe, table, table.columns)
        except NoResponse as error:
            problems = _find_failing(probe, table, table.columns) if _is_queryable(probe, table) else iter(())
            yield from list(islice(problems, MAX_PROBLEMS)) or [(table.name, _selection_error(error))]


def _selection_error(error: NoResponse) -> str:
    return f"the selection fails: {error.what}"


def _select(probe: Probe, table: DeclaredTable, columns: Sequence[DeclaredColumn]) -> None:
    probe.query_table(f"SELECT TOP 1 {', '.join(c.name for c in columns)} FROM {table.name}")


def _is_queryable(probe: Probe, table: DeclaredTable) -> bool:
    """Tell whether a table can be queried at all."""
    return probe.query(f"SELECT COUNT(*) AS n FROM {table.name}").status == 200


def _find_failing(probe: Probe, table: DeclaredTable, columns: Sequence[DeclaredColumn]) -> Iterator[Problem]:
    """Yield the columns that cannot be selected, by bisection."""
    try:
        _select(probe, table, columns)
    except NoResponse as error:
        if len(columns) == 1:
            yield f"{table.name}.{columns[0].name}", _selection_error(error)
            return
        half = len(columns) // 2
        yield from _find_failing(probe, table, columns[:half])
        yield from _find_failing(probe, table, columns[half:])


def check_select_all(probe: Probe) -> Iterator[Problem]:
    """Compare the columns of SELECT * with TAP_SCHEMA."""
    for table in (t for t in probe.queryable_tables if t.columns):
        try:
            fields = probe.query_table(f"SELECT TOP 1 * FROM {table.name}").fields
        except NoResponse:
            continue  # TS-SELECT-1 reports it
        declared = {normalise_name(c.name): c for c in table.columns}
        returned = {normalise_name(f["name"]): f for f in fields}
        for name in sorted(declared.keys() ^ returned.keys()):
            present, absent = ("TAP_SCHEMA", "the result") if name in declared else ("the result", "TAP_SCHEMA")
            yield f"{table.name}.{name}", f"the column is in {present}, but not in {absent}"
        for name in sorted(declared.keys() & returned.keys()):
            expected = declared[name].metadata()
            actual = {key: returned[name].get(key, "") for key in expected}
            if _are_texts(actual, expected):
                expected["arraysize"] = actual["arraysize"]
            yield from _list_differences(f"{table.name}.{name}", actual, expected, "the result")


def _are_texts(actual: dict[str, str], expected: dict[str, str]) -> bool:
    """Tell whether both are texts of some length: a result may be less specific (TAP 1.1 section 3.2)."""
    return actual["datatype"] in ("char", "unicodeChar") and bool(actual["arraysize"]) and bool(expected["arraysize"])


def check_row_counts(probe: Probe) -> Iterator[Problem]:
    """Count the rows of a vo_server exactly; others may declare estimates."""
    limit, tolerance = (MAX_COUNTED_ROWS, 0.0) if probe.is_vo_server else (MAX_COUNTED_ROWS // 50, 0.5)
    for table in probe.tables[: probe.limits.tables]:
        if table.rows is None or table.rows > limit or table.name in probe.unloaded_tables:
            continue
        count = probe.query_table(f"SELECT COUNT(*) AS n FROM {table.name}").rows[0][0]
        if abs(count - table.rows) > tolerance * max(count, table.rows):
            yield table.name, f"/tables declares {table.rows:,} rows, but the table has {count:,}"


def check_tables_have_rows(probe: Probe) -> Iterator[Problem]:
    """Require that tables have rows."""
    empty = [t.name for t in probe.tables if t.rows == 0 and not _is_tap_schema(t)]
    yield from ((name, "the table has no rows") for name in empty)


def _is_tap_schema(table: DeclaredTable) -> bool:
    return normalise_name(table.name) in {f"tap_schema.{name}" for name in SCHEMA_TABLES}


def _section_name(number: str) -> str:
    return f"TAP 1.1 section {number}"


CHECKS: Sequence[Check] = (
    Check(
        "TS-SELF-1", "error", "TAP_SCHEMA describes itself with all columns", _section_name("4"), check_standard_columns
    ),
    Check("TS-VALUE-1", "error", "flags are 0 or 1, and sizes match arraysizes", _section_name("4.3"), check_values),
    Check(
        "TS-WHOLE-1",
        "error",
        "tables have columns and schemas, columns have tables",
        _section_name("4"),
        check_references,
    ),
    Check("TS-KEY-1", "error", "foreign keys refer to existing columns", _section_name("4.4"), check_keys),
    Check(
        "TS-TABLES-1",
        "error",
        "/tables and TAP_SCHEMA list the same tables and columns",
        _section_name("2.5"),
        check_same_names,
    ),
    Check(
        "TS-TABLES-2",
        "error",
        "/tables and TAP_SCHEMA describe columns alike",
        _section_name("2.5"),
        check_same_metadata,
    ),
    Check("TS-SELECT-1", "error", "every table and column can be selected", _section_name("4"), check_selectable),
    Check("TS-SELECT-2", "error", "SELECT * returns the columns of TAP_SCHEMA", _section_name("3.2"), check_select_all),
    Check(
        "TS-ROWS-1", "error", "row counts match the declared numbers", "VODataService 1.2 section 3.4", check_row_counts
    ),
    Check("TS-ROWS-2", "warning", "tables have rows", "VODataService 1.2 section 3.4", check_tables_have_rows),
)

"""TAP_SCHEMA: against its standard, against /tables, and against what can be selected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import NoAnswer
from vo_server.check.tables import SCHEMA_TABLES, Column, bare, text
from vo_server.check.tables import Said as TableSaid

REQUIRED = {
    "schemas": "schema_name utype description schema_index",
    "tables": "schema_name table_name table_type utype description table_index",
    "columns": "table_name column_name datatype arraysize xtype size description utype unit ucd indexed principal std"
    " column_index",
    "keys": "key_id from_table target_table description utype",
    "key_columns": "key_id from_column target_column",
}
"""The columns of TAP 1.1, section 4."""

FEW = 5
"""Columns of a table that are told to fail, at the most."""

COUNTED = 50_000_000
"""Rows of a table above which they are not counted: not every database knows their number."""


def standard_columns(probe: Probe) -> Iterator[Said]:
    told = {bare(table.name): table for table in probe.tap_schema}
    for name, columns in REQUIRED.items():
        table = told.get(f"tap_schema.{name}")
        if table is None:
            yield f"TAP_SCHEMA.{name}", "TAP_SCHEMA does not tell of this table of its own"
            continue
        for missing in (c for c in columns.split() if table.column(c) is None):
            yield f"TAP_SCHEMA.{name}", f"TAP_SCHEMA does not tell of the column {missing}"


def values(probe: Probe) -> Iterator[Said]:
    rows = probe.rows(
        'SELECT table_name, column_name, arraysize, "size", indexed, principal, std FROM TAP_SCHEMA.columns'
    ).dicts()
    for row in rows:
        where = f"{row['table_name']}.{row['column_name']}"
        for flag in ("indexed", "principal", "std"):
            if row[flag] not in (0, 1):
                yield where, f"{flag} is {text(row[flag]) or 'null'}, not 0 or 1"
        length = re.fullmatch(r"(\d+)\*?", text(row["arraysize"]))
        if text(row["size"]) != (length[1] if length else ""):
            yield (
                where,
                f'"size" is {text(row["size"]) or "null"} where arraysize is {text(row["arraysize"]) or "null"}',
            )


def whole(probe: Probe) -> Iterator[Said]:
    schemas = {bare(text(row[0])) for row in probe.rows("SELECT schema_name FROM TAP_SCHEMA.schemas").rows}
    tables = {bare(table.name) for table in probe.tap_schema}
    for table in probe.tap_schema:
        if not table.columns:
            yield table.name, "the table has no columns"
        if bare(table.schema) not in schemas:
            yield table.name, f"its schema {table.schema} is not among the schemas"
    used = {bare(table.schema) for table in probe.tap_schema}
    for schema in sorted(schemas - used):
        yield schema, "the schema has no tables"
    owners = {bare(text(row[0])) for row in probe.rows("SELECT DISTINCT table_name FROM TAP_SCHEMA.columns").rows}
    for owner in sorted(owners - tables):
        yield owner, "there are columns of it in TAP_SCHEMA.columns, but it is not among the tables"


def keys(probe: Probe) -> Iterator[Said]:
    told = {bare(table.name): table for table in probe.tap_schema}
    ids = {}
    for id, source, target in probe.keys.tables:
        ids[id] = (source, target)
        for name in (source, target):
            if bare(name) not in told:
                yield f"key {id}", f"there is no table {name}"
    for id, *pair in probe.keys.columns:
        if id not in ids:
            yield f"key {id}", "it is in key_columns and not in keys"
            continue
        for name, owner in zip(pair, ids[id], strict=True):
            table = told.get(bare(owner))
            if table is not None and table.column(name) is None:
                yield f"key {id}", f"{owner} has no column {name}"
    for id in sorted(ids.keys() - {row[0] for row in probe.keys.columns}):
        yield f"key {id}", "it has no columns"


def same_names(probe: Probe) -> Iterator[Said]:
    vosi, schema = ({bare(t.name): t for t in said} for said in (probe.tables, probe.tap_schema))
    for name in sorted(vosi.keys() ^ schema.keys()):
        where = "/tables alone" if name in vosi else "TAP_SCHEMA alone"
        yield (vosi.get(name) or schema[name]).name, f"it is in {where}"
    for name in sorted(vosi.keys() & schema.keys()):
        ours, theirs = ({bare(c.name) for c in said[name].columns} for said in (vosi, schema))
        for column in sorted(ours ^ theirs):
            yield f"{name}.{column}", f"it is in {'/tables' if column in ours else 'TAP_SCHEMA'} alone"


def same_meaning(probe: Probe) -> Iterator[Said]:
    schema = {bare(t.name): t for t in probe.tap_schema}
    for table in probe.tables:
        for column in table.columns:
            other = schema[bare(table.name)].column(column.name) if bare(table.name) in schema else None
            if other is not None:
                yield from _differences(f"{table.name}.{column.name}", column.meaning(), other.meaning(), "/tables")


def _differences(where: str, here: dict[str, str], there: dict[str, str], who: str) -> Iterator[Said]:
    for name, value in here.items():
        if value != there[name]:
            yield where, f"{name} is {value or 'nothing'!r} in {who} and {there[name] or 'nothing'!r} in TAP_SCHEMA"


def selectable(probe: Probe) -> Iterator[Said]:
    """Each table with all its columns by name; where that fails, the columns that it fails by."""
    for table in (t for t in probe.filled if t.columns):
        try:
            _select(probe, table, table.columns)
        except NoAnswer as fault:
            found = list(islice(_failing(probe, table, table.columns), FEW)) if _alone(probe, table) else []
            yield from found or [(table.name, f"it cannot be selected: {fault.what}")]


def _select(probe: Probe, table: TableSaid, columns: Sequence[Column]) -> None:
    probe.rows(f"SELECT TOP 1 {', '.join(c.name for c in columns)} FROM {table.name}")


def _alone(probe: Probe, table: TableSaid) -> bool:
    """Can the table be queried at all?"""
    return probe.query(f"SELECT COUNT(*) AS n FROM {table.name}").status == 200


def _failing(probe: Probe, table: TableSaid, columns: Sequence[Column]) -> Iterator[Said]:
    """The columns that cannot be selected, by halves."""
    try:
        _select(probe, table, columns)
    except NoAnswer as fault:
        if len(columns) == 1:
            yield f"{table.name}.{columns[0].name}", f"it cannot be selected: {fault.what}"
            return
        half = len(columns) // 2
        yield from _failing(probe, table, columns[:half])
        yield from _failing(probe, table, columns[half:])


def delivered(probe: Probe) -> Iterator[Said]:
    """SELECT * gives the columns that are told, and says the same of them."""
    for table in (t for t in probe.filled if t.columns):
        try:
            fields = probe.rows(f"SELECT TOP 1 * FROM {table.name}").fields
        except NoAnswer:
            continue  # TS-SELECT-1 tells
        told = {bare(c.name): c for c in table.columns}
        given = {bare(f["name"]): f for f in fields}
        for name in sorted(told.keys() ^ given.keys()):
            yield f"{table.name}.{name}", f"it is in {'TAP_SCHEMA' if name in told else 'the answer'} alone"
        for name in sorted(told.keys() & given.keys()):
            here = {key: given[name].get(key, "") for key in told[name].meaning()}
            there = told[name].meaning() | ({"arraysize": here["arraysize"]} if _alike(here, told[name]) else {})
            yield from _differences(f"{table.name}.{name}", here, there, "the answer")


def _alike(given: dict[str, str], told: Column) -> bool:
    """Both are texts of some length: a result may say so more loosely (TAP 1.1 section 3.2)."""
    return given["datatype"] in ("char", "unicodeChar") and bool(given["arraysize"]) and bool(told.arraysize)


def counts(probe: Probe) -> Iterator[Said]:
    """Ours are counted; what others say may be about right."""
    most, slack = (COUNTED, 0.0) if probe.ours else (COUNTED // 50, 0.5)
    for table in probe.tables[: probe.bounds.tables]:
        if table.rows is None or table.rows > most or table.name in probe.unloaded:
            continue
        found = probe.rows(f"SELECT COUNT(*) AS n FROM {table.name}").rows[0][0]
        if abs(found - table.rows) > slack * max(found, table.rows):
            yield table.name, f"/tables says {table.rows:,} rows, and there are {found:,}"


def rows_there(probe: Probe) -> Iterator[Said]:
    empty = [t.name for t in probe.tables if t.rows == 0 and not _own(t)]
    yield from ((name, "the table has no rows") for name in empty)


def _own(table: TableSaid) -> bool:
    return bare(table.name) in {f"tap_schema.{name}" for name in SCHEMA_TABLES}


def _section(number: str) -> str:
    return f"TAP 1.1 section {number}"


CHECKS: Sequence[Check] = (
    Check("TS-SELF-1", "error", "TAP_SCHEMA describes itself with all columns", _section("4"), standard_columns),
    Check("TS-VALUE-1", "error", "flags are 0 or 1, and sizes go with arraysizes", _section("4.3"), values),
    Check("TS-WHOLE-1", "error", "tables have columns and schemas, columns have tables", _section("4"), whole),
    Check("TS-KEY-1", "error", "foreign keys lead to columns that are there", _section("4.4"), keys),
    Check("TS-TABLES-1", "error", "/tables and TAP_SCHEMA name the same", _section("2.5"), same_names),
    Check("TS-TABLES-2", "error", "/tables and TAP_SCHEMA say the same of columns", _section("2.5"), same_meaning),
    Check("TS-SELECT-1", "error", "every table and column can be selected", _section("4"), selectable),
    Check("TS-SELECT-2", "error", "SELECT * gives what TAP_SCHEMA tells", _section("3.2"), delivered),
    Check("TS-ROWS-1", "error", "tables have as many rows as is told", "VODataService 1.2 section 3.4", counts),
    Check("TS-ROWS-2", "warning", "tables have rows", "VODataService 1.2 section 3.4", rows_there),
)

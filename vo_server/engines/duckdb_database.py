"""The in-memory database of DuckDB, with the served files of all collections attached read-only.

It has two lanes, each a database of its own over the same files. Short queries use the lane with a single thread,
whose scans start sooner and which no long query occupies; all others use the lane with all threads.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.names import quote_identifier
from vo_server.engines import sky_duckdb
from vo_server.engines.data_directory import META, ROWS
from vo_server.engines.engine import EngineLimits, TableFacts, parse_facts, to_literal
from vo_server.errors import Code, UsageError
from vo_server.model.column import Table
from vo_server.processes import is_alive


@dataclass(frozen=True, slots=True)
class AttachedDatabase:
    """Both lanes over a set of files, with the number of rows and the facts of each file, by collection id."""

    files: Mapping[str, Path]
    short: duckdb.DuckDBPyConnection
    long: duckdb.DuckDBPyConnection
    rows: Mapping[str, int]
    facts: Mapping[str, TableFacts]

    def cursor(self, brief: bool) -> duckdb.DuckDBPyConnection:
        """Return a new connection to the short or the long lane; in the long lane it reports progress."""
        if brief:
            return self.short.cursor()
        cursor = self.long.cursor()
        with suppress(duckdb.Error):  # releases without allowed_configs
            cursor.execute("".join(f"SET {name} = {value};" for name, value in _PROGRESS_SETTINGS.items()))
        return cursor

    def close(self) -> None:
        """Close both lanes and their files."""
        self.short.close()
        self.long.close()


_MIN_INDEX_BYTES = 512 << 20
"""Memory in bytes below which a lane scans columns instead of using indexes: index pages stay in memory once they are
read, 200 MB after all images of the survey have been looked up by name."""

_PROGRESS_SETTINGS = {"enable_progress_bar": "true", "enable_progress_bar_print": "false", "progress_bar_time": "0"}
"""Settings with which a connection counts the progress of its query from the start, without printing it."""


def attach(
    files: Mapping[str, Path], catalogue: Catalogue, static: Mapping[str, pa.Table], limits: EngineLimits
) -> AttachedDatabase:
    """Open a database over files by collection id; `static` are tables held in memory, by qualified name.

    Raises duckdb.IOException if a file does not exist any more.
    """
    if limits.spill is not None:
        limits.spill.mkdir(parents=True, exist_ok=True)  # DuckDB creates only the last folder of a path
    memory = _parse_bytes(limits.memory)
    short = _open_lane(files, catalogue, static, _build_lane_config(memory // 4, 1, limits.spill))
    long = _open_lane(files, catalogue, static, _build_lane_config(memory - memory // 4, limits.threads, limits.spill))
    rows = {id: _count_rows(short, id) for id in files}
    return AttachedDatabase(dict(files), short, long, rows, {id: _read_facts(short, id) for id in files})


def _build_lane_config(memory: int, threads: int | None, spill: Path | None) -> dict[str, Any]:
    config: dict[str, Any] = {
        "memory_limit": f"{memory}B",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
        "error_on_division_by_zero": False,
    }
    if memory < _MIN_INDEX_BYTES:
        config |= {"index_scan_max_count": 0, "index_scan_percentage": 0.0}
    if spill is not None:
        config["temp_directory"] = str(spill / f"{os.getpid()}-{secrets.token_hex(4)}")
    if threads is not None:
        config["threads"] = threads
    return config


def _open_lane(
    files: Mapping[str, Path], catalogue: Catalogue, static: Mapping[str, pa.Table], config: dict[str, Any]
) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=config)
    sky_duckdb.install_functions(connection)
    for id, path in files.items():
        connection.execute(f"ATTACH {to_literal(str(path))} AS {quote_identifier(make_file_alias(id))} (READ_ONLY)")
    for schema in {t.schema for t in catalogue.tables}:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(schema)}")
    for name, rows in static.items():
        _create_static_table(connection, name, rows)
    for collection in catalogue.collections:
        for view in collection.views if collection.id in files else ():
            _create_view(connection, view, collection.id)
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    with suppress(duckdb.Error):
        connection.execute(f"SET allowed_configs = {list(_PROGRESS_SETTINGS)}")
    connection.execute("SET lock_configuration = true")
    return connection


def _count_rows(connection: duckdb.DuckDBPyConnection, id: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {quote_identifier(make_file_alias(id))}.{ROWS}").fetchone()
    return int(row[0]) if row else 0


def _read_facts(connection: duckdb.DuckDBPyConnection, id: str) -> TableFacts:
    cursor = connection.execute(f"SELECT * FROM {quote_identifier(make_file_alias(id))}.{META}")
    names = [column[0] for column in cursor.description]
    return parse_facts(dict(zip(names, cursor.fetchone() or (), strict=True)))


def _create_static_table(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    schema, _, table = name.partition(".")
    connection.register("_static", rows)
    connection.execute(f"CREATE TABLE {quote_identifier(schema)}.{quote_identifier(table)} AS SELECT * FROM _static")
    connection.unregister("_static")


def _create_view(connection: duckdb.DuckDBPyConnection, view: Table, id: str) -> None:
    columns = [f"{quote_identifier(view.source[c.name])} AS {quote_identifier(c.name)}" for c in view.columns]
    if view.position is not None:
        columns.append(quote_identifier(view.position.healpix))
    connection.execute(
        f"CREATE VIEW {quote_identifier(view.schema)}.{quote_identifier(view.name)} AS"
        f" SELECT {', '.join(columns)} FROM {quote_identifier(make_file_alias(id))}.{ROWS}"
    )


def clean_spill(spill: Path) -> None:
    """Remove the spill files of processes that have exited."""
    for folder in spill.glob("*-*") if spill.is_dir() else ():
        pid = folder.name.partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


_UNIT_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _parse_bytes(text: str) -> int:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?\s*", text.upper())
    if match is None:
        raise UsageError(f"setting memory: {text!r} is not a size such as 4GB", code=Code.SETTINGS_INVALID)
    return int(float(match[1]) * _UNIT_BYTES[match[2]])


def make_file_alias(id: str) -> str:
    """Return the name under which the file of a collection is attached."""
    return f"file_{id}"

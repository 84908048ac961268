"""The database in memory that DuckDB serves from: the current generation of every catalogue, attached read-only.

It has two lanes, each a database of its own over the same files. A short answer takes the one with a single thread,
whose scans begin sooner and which no long query keeps busy; all else takes the one with all threads.
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
from vo_server.engines import sky_duckdb
from vo_server.engines.engine import Facts, facts_of
from vo_server.engines.store import META, ROWS
from vo_server.errors import UsageError
from vo_server.model.column import Table
from vo_server.processes import alive


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use: memory ("4GB"), a folder to spill to, threads (None: as many as processors)."""

    memory: str = "4GB"
    spill: Path | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Database:
    """Both lanes over certain files, how many rows each file has, and what is known of them."""

    files: Mapping[str, Path]
    short: duckdb.DuckDBPyConnection
    long: duckdb.DuckDBPyConnection
    rows: Mapping[str, int]
    facts: Mapping[str, Facts]

    def cursor(self, brief: bool) -> duckdb.DuckDBPyConnection:
        """A connection of one's own to the lane for such an answer; that of a long one can say how far it has come."""
        if brief:
            return self.short.cursor()
        cursor = self.long.cursor()
        with suppress(duckdb.Error):  # releases that know no exception to the lock
            cursor.execute("".join(f"SET {name} = {value};" for name, value in _PROGRESS.items()))
        return cursor

    def close(self) -> None:
        """Let go of the files."""
        self.short.close()
        self.long.close()


_INDEXED = 512 << 20
"""Bytes of memory that a lane must have to look rows up in an index, whose pages stay there once they have been read:
200 MB where all images of the survey have been asked for by name. One with less reads the column."""

_PROGRESS = {"enable_progress_bar": "true", "enable_progress_bar_print": "false", "progress_bar_time": "0"}
"""What makes a connection count how far its query has come, from its beginning and without showing it."""


def attach(files: Mapping[str, Path], catalogue: Catalogue, static: Mapping[str, pa.Table], limits: Limits) -> Database:
    """A database over the files, each under the id of its publication; `static` are tables by qualified name.

    Raises duckdb.IOException when a file is not there any more.
    """
    if limits.spill is not None:
        limits.spill.mkdir(parents=True, exist_ok=True)  # DuckDB makes the last folder of a path only
    memory = _bytes(limits.memory)
    short = _lane(files, catalogue, static, _config(memory // 4, 1, limits.spill))
    long = _lane(files, catalogue, static, _config(memory - memory // 4, limits.threads, limits.spill))
    rows = {id: _count(short, id) for id in files}
    return Database(dict(files), short, long, rows, {id: _facts(short, id) for id in files})


def _config(memory: int, threads: int | None, spill: Path | None) -> dict[str, Any]:
    config: dict[str, Any] = {
        "memory_limit": f"{memory}B",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
        "error_on_division_by_zero": False,
    }
    if memory < _INDEXED:
        config |= {"index_scan_max_count": 0, "index_scan_percentage": 0.0}
    if spill is not None:
        config["temp_directory"] = str(spill / f"{os.getpid()}-{secrets.token_hex(4)}")
    if threads is not None:
        config["threads"] = threads
    return config


def _lane(
    files: Mapping[str, Path], catalogue: Catalogue, static: Mapping[str, pa.Table], config: dict[str, Any]
) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=config)
    sky_duckdb.teach(connection)
    for id, path in files.items():
        connection.execute(f"ATTACH {_literal(str(path))} AS {quote(alias(id))} (READ_ONLY)")
    for schema in {t.schema for t in catalogue.tables}:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    for name, rows in static.items():
        _fill(connection, name, rows)
    for publication in catalogue.collections:
        for view in publication.views if publication.id in files else ():
            _view(connection, view, publication.id)
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    with suppress(duckdb.Error):
        connection.execute(f"SET allowed_configs = {list(_PROGRESS)}")
    connection.execute("SET lock_configuration = true")
    return connection


def _count(connection: duckdb.DuckDBPyConnection, id: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {quote(alias(id))}.{ROWS}").fetchone()
    return int(found[0]) if found else 0


def _facts(connection: duckdb.DuckDBPyConnection, id: str) -> Facts:
    found = connection.execute(f"SELECT * FROM {quote(alias(id))}.{META}")
    names = [column[0] for column in found.description]
    return facts_of(dict(zip(names, found.fetchone() or (), strict=True)))


def _fill(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    schema, _, table = name.partition(".")
    connection.register("_static", rows)
    connection.execute(f"CREATE TABLE {quote(schema)}.{quote(table)} AS SELECT * FROM _static")
    connection.unregister("_static")


def _view(connection: duckdb.DuckDBPyConnection, view: Table, id: str) -> None:
    columns = [f"{quote(view.source[c.name])} AS {quote(c.name)}" for c in view.columns]
    if view.position is not None:
        columns.append(quote(view.position.healpix))
    connection.execute(
        f"CREATE VIEW {quote(view.schema)}.{quote(view.name)} AS"
        f" SELECT {', '.join(columns)} FROM {quote(alias(id))}.{ROWS}"
    )


def sweep(spill: Path) -> None:
    """Remove what processes that are gone have left in the folder to spill to."""
    for folder in spill.glob("*-*") if spill.is_dir() else ():
        pid = folder.name.partition("-")[0]
        if pid.isdigit() and not alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _bytes(text: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?\s*", text.upper())
    if found is None:
        raise UsageError(f"memory is {text!r}, where a size such as 4GB is needed")
    return int(float(found[1]) * _UNITS[found[2]])


def alias(id: str) -> str:
    """The name under which a publication's file is attached."""
    return f"file_{id}"


def quote(name: str) -> str:
    """A name as DuckDB reads it whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

"""Where rows are stored in PostgreSQL, and how a load replaces the one before.

    vo_server.generations      one row a collection: its served schema, number of rows and source files
    vo_<id>_<generation>       its table and views under their published names, and `meta` with the facts of its rows
    vo_sky_<digest>            the functions of sky_postgres.sql
    vo_tap_<digest>            the tables of TAP_SCHEMA for a catalogue

A generation is loaded beside the others and becomes the served one when one row is updated, so no reader waits for a
load and no load for a reader. The next load drops what a killed load has left. Functions and TAP_SCHEMA are stored
under a digest of their contents, so servers of several versions and catalogues can share a database.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vo_server.catalogue.names import quote_identifier
from vo_server.engines import sky_postgres
from vo_server.engines.postgres_connections import Connection, Error, build_column_definitions, get_sqlstate

HOME_SCHEMA = "vo_server"
_LOCK = 0x766F5F736572766572 & (2**63 - 1)
FACT_TYPES = {
    "rejected": "bigint",
    "loaded_at": "text",
    "files": "text[]",
    "version": "text",
    "ra_min": "double precision",
    "ra_max": "double precision",
    "dec_min": "double precision",
    "dec_max": "double precision",
}
"""The facts of a generation beside its rows, and their column types."""

_UNDEFINED_STATES = ("42P01", "3F000", "42703")
WRITER_SETTINGS = {"client_min_messages": "error", "jit": "off", "TimeZone": "UTC", "DateStyle": "ISO"}
"""Settings of a session that writes."""


@dataclass(frozen=True, slots=True)
class ServedGeneration:
    """The schema that holds the served rows of a collection, and their number."""

    schema: str
    rows: int


def read_served(connection: Connection) -> dict[str, ServedGeneration]:
    """Return the served generations by collection id."""
    try:
        table = connection.query(f"SELECT id, schema, rows FROM {HOME_SCHEMA}.generations")
    except Error as error:
        if get_sqlstate(error) not in _UNDEFINED_STATES:
            raise
        return {}
    columns = (column.to_pylist() for column in table)
    return {id: ServedGeneration(schema, rows) for id, schema, rows in zip(*columns, strict=True)}


def read_meta(connection: Connection, schema: str) -> dict[str, Any] | None:
    """Return the row of a generation's `meta` table, which its load has written; None if it has been dropped."""
    try:
        table = connection.query(f"SELECT row_to_json(m)::text FROM {quote_identifier(schema)}.meta AS m")
    except Error as error:
        if get_sqlstate(error) not in _UNDEFINED_STATES:
            raise
        return None
    return dict(json.loads(table.column(0)[0].as_py()))


def create_home(connection: Connection) -> None:
    """Create the table of generations if it does not exist."""
    facts = ", ".join(f"{name} {type}" for name, type in FACT_TYPES.items())
    with connection.transaction():
        connection.query(f"SELECT pg_advisory_xact_lock({_LOCK})::text")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {HOME_SCHEMA}")
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {HOME_SCHEMA}.generations"
            f" (id text PRIMARY KEY, schema text NOT NULL, rows bigint NOT NULL, {facts})"
        )
        connection.execute(f"GRANT USAGE ON SCHEMA {HOME_SCHEMA} TO PUBLIC")
        connection.execute(f"GRANT SELECT ON {HOME_SCHEMA}.generations TO PUBLIC")


def make_schema_name(id: str) -> str:
    """Return a schema name for a new generation, within PostgreSQL's limit of 63 bytes."""
    return f"{get_schema_prefix(id)}{time.strftime('%Y%m%dt%H%M%S', time.gmtime())}_{secrets.token_hex(3)}"


def get_schema_prefix(id: str) -> str:
    """Return the prefix of the schema names of a collection's generations."""
    return f"vo_{id[:36]}_"


def ensure_functions(connection: Connection) -> tuple[str, bool]:
    """Return the schema of the functions, created if it does not exist, and whether pgSphere is installed."""
    extension = _find_pgsphere(connection)
    texts = sky_postgres.build_function_statements(extension and quote_identifier(extension))
    name = f"vo_sky_{sky_postgres.compute_digest(texts)}"
    if not _schema_exists(connection, name):
        with connection.transaction():
            if _create_schema(connection, name):
                connection.execute(f"SET LOCAL search_path = {name}, pg_catalog")
                for text in texts:
                    connection.execute(text)
    return name, extension is not None


def ensure_tap_schema(connection: Connection, tables: Mapping[str, pa.Table]) -> str:
    """Return the schema of the TAP_SCHEMA tables, created if it does not exist."""
    texts = [f"{name} {rows.schema} {rows.to_pylist()}" for name, rows in tables.items()]
    name = f"vo_tap_{sky_postgres.compute_digest(texts)}"
    if not _schema_exists(connection, name):
        with connection.transaction():
            if _create_schema(connection, name):
                for table, rows in tables.items():
                    columns = build_column_definitions(rows.schema)
                    connection.execute(f"CREATE TABLE {name}.{quote_identifier(table)} ({columns})")
                    connection.ingest(rows, table, name)
                connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO PUBLIC")
    return name


def _find_pgsphere(connection: Connection) -> str | None:
    """Return the schema of pgSphere, installed as an extension or by its script; None without it."""
    table = connection.query(
        "SELECT n.nspname FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.typname = 'spoly'"
    )
    return None if table.num_rows == 0 else str(table.column(0)[0])


def is_superuser(connection: Connection) -> bool:
    """Return whether the role is a superuser, who can read and write files of the machine."""
    return bool(connection.query("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").column(0)[0].as_py())


def _schema_exists(connection: Connection, schema: str) -> bool:
    return bool(connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1::text", (schema,)).num_rows)


def _create_schema(connection: Connection, schema: str) -> bool:
    """Create a schema, one process at a time; return False if it exists."""
    connection.query(f"SELECT pg_advisory_xact_lock({_LOCK})::text")
    if _schema_exists(connection, schema):
        return False
    connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC")
    return True

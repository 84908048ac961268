"""Where rows lie in PostgreSQL, and how a load takes the place of the one before.

    vo_server.generations      one row a catalogue: the schema that serves it, how many rows it has and where from
    vo_<id>_<generation>       its table and its views under their published names, and in `meta` where its rows lie
    vo_sky_<digest>            the functions of sky_postgres.sql
    vo_tap_<digest>            the tables of TAP_SCHEMA as a catalogue has them

A generation is loaded beside the others and becomes the current one when one row is changed, so no reader waits for a
load and no load for a reader. What a load that died has left is dropped by the next one. Functions and TAP_SCHEMA are
kept under a digest of what they are, so servers of several versions and catalogues may share a database.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vo_server.engines import sky_postgres
from vo_server.engines.links import Error, Link, definition, quoted, state

HOME = "vo_server"
_LOCK = 0x766F5F736572766572 & (2**63 - 1)
FACTS = {
    "rejected": "bigint",
    "loaded_at": "text",
    "files": "text[]",
    "version": "text",
    "ra_min": "double precision",
    "ra_max": "double precision",
    "dec_min": "double precision",
    "dec_max": "double precision",
}
"""What is known of a generation beside its rows, and its types."""

_UNDEFINED = ("42P01", "3F000", "42703")
LOADER = {"client_min_messages": "error", "jit": "off", "TimeZone": "UTC", "DateStyle": "ISO"}
"""Settings of a session that writes."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The schema that serves a catalogue, and how many rows it holds."""

    schema: str
    rows: int


def current(link: Link) -> dict[str, Generation]:
    """The generations that serve, by the id of their catalogue."""
    try:
        found = link.ask(f"SELECT id, schema, rows FROM {HOME}.generations")
    except Error as error:
        if state(error) not in _UNDEFINED:
            raise
        return {}
    return {id: Generation(schema, rows) for id, schema, rows in zip(*(c.to_pylist() for c in found), strict=True)}


def meta(link: Link, schema: str) -> dict[str, Any] | None:
    """What is known of the rows of a generation, as its load wrote it down; None where it has been dropped."""
    try:
        found = link.ask(f"SELECT row_to_json(m)::text FROM {quoted(schema)}.meta AS m")
    except Error as error:
        if state(error) not in _UNDEFINED:
            raise
        return None
    return dict(json.loads(found.column(0)[0].as_py()))


def found_home(link: Link) -> None:
    """Make the table of generations, if it is not there."""
    facts = ", ".join(f"{name} {type}" for name, type in FACTS.items())
    with link.transaction():
        link.ask(f"SELECT pg_advisory_xact_lock({_LOCK})::text")
        link.tell(f"CREATE SCHEMA IF NOT EXISTS {HOME}")
        link.tell(
            f"CREATE TABLE IF NOT EXISTS {HOME}.generations"
            f" (id text PRIMARY KEY, schema text NOT NULL, rows bigint NOT NULL, {facts})"
        )
        link.tell(f"GRANT USAGE ON SCHEMA {HOME} TO PUBLIC")
        link.tell(f"GRANT SELECT ON {HOME}.generations TO PUBLIC")


def new_name(id: str) -> str:
    """A schema for a new generation; in 63 bytes, PostgreSQL's limit of names."""
    return f"{stem(id)}{time.strftime('%Y%m%dt%H%M%S', time.gmtime())}_{secrets.token_hex(3)}"


def stem(id: str) -> str:
    """How the names of all generations of a catalogue begin."""
    return f"vo_{id[:36]}_"


def sky(link: Link) -> tuple[str, bool]:
    """The schema of the functions, made if it is not there, and whether pgSphere is."""
    extension = _pgsphere(link)
    texts = sky_postgres.functions(extension and quoted(extension))
    name = f"vo_sky_{sky_postgres.digest(texts)}"
    if not _exists(link, name):
        with link.transaction():
            if _made(link, name):
                link.tell(f"SET LOCAL search_path = {name}, pg_catalog")
                for text in texts:
                    link.tell(text)
    return name, extension is not None


def tap_schema(link: Link, tables: Mapping[str, pa.Table]) -> str:
    """The schema of these tables, made if it is not there."""
    said = [f"{name} {rows.schema} {rows.to_pylist()}" for name, rows in tables.items()]
    name = f"vo_tap_{sky_postgres.digest(said)}"
    if not _exists(link, name):
        with link.transaction():
            if _made(link, name):
                for table, rows in tables.items():
                    link.tell(f"CREATE TABLE {name}.{quoted(table)} ({definition(rows.schema)})")
                    link.put(rows, table, name)
                link.tell(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO PUBLIC")
    return name


def _pgsphere(link: Link) -> str | None:
    """The schema in which pgSphere lies, whether it came as an extension or by its script."""
    found = link.ask(
        "SELECT n.nspname FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.typname = 'spoly'"
    )
    return None if found.num_rows == 0 else str(found.column(0)[0])


def is_superuser(link: Link) -> bool:
    """May this role do anything, reading and writing files of the machine among it?"""
    return bool(link.ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").column(0)[0].as_py())


def _exists(link: Link, schema: str) -> bool:
    return bool(link.ask("SELECT 1 FROM pg_namespace WHERE nspname = $1::text", (schema,)).num_rows)


def _made(link: Link, schema: str) -> bool:
    """Make a schema, one process at a time; False if another was quicker."""
    link.ask(f"SELECT pg_advisory_xact_lock({_LOCK})::text")
    if _exists(link, schema):
        return False
    link.tell(f"CREATE SCHEMA {schema}")
    link.tell(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC")
    return True

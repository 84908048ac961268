"""Writes sorted rows into PostgreSQL: by COPY into a new schema, which is then indexed and published.

The rows are copied in the order of the hidden index, so that its btree finds a region of the sky in few pages.
See postgres_generations.py for the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from typing_extensions import override

from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.names import quote_identifier
from vo_server.engines import postgres_generations
from vo_server.engines.data_directory import NewGeneration
from vo_server.engines.postgres_connections import Connection, Error, build_column_definitions, get_sqlstate
from vo_server.engines.postgres_generations import FACT_TYPES, HOME_SCHEMA, WRITER_SETTINGS
from vo_server.engines.sink import SAMPLE, ExistingRows, Keys, LoadTarget, Sink, TableWriter, make_mismatch_error
from vo_server.errors import LoadError
from vo_server.model.column import Position, Table


def create_postgres_sink(url: str) -> Sink:
    """Return the sink of a database under a URL of libpq."""

    @contextmanager
    def target(collection: Collection, generation: NewGeneration) -> Iterator[LoadTarget]:
        with _translate_errors():
            connection = Connection(url, WRITER_SETTINGS | {"lock_timeout": "1s"})
            try:
                _lock_collection(connection, collection.id)
                _drop_unserved(connection, collection.id)
                try:
                    schema = postgres_generations.make_schema_name(collection.id)
                    yield PostgresTarget(url, connection, collection, schema)
                finally:
                    with suppress(Error):
                        _drop_unserved(connection, collection.id)
            finally:
                connection.close()

    return target


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise LoadError(f"PostgreSQL: {str(error).strip()}") from error


def _lock_collection(connection: Connection, id: str) -> None:
    """Lock a collection against other loads from any machine, until the connection closes."""
    postgres_generations.create_home(connection)
    held = connection.query("SELECT pg_try_advisory_lock(hashtext('vo_server'), hashtext($1::text))", (id,))
    if not held.column(0)[0].as_py():
        raise LoadError(f"another load of {id} is running in this database", hint="wait until it has ended")


def _drop_unserved(connection: Connection, id: str) -> None:
    """Drop the generations that are not served; one that a query still reads is left to the next load."""
    served = postgres_generations.read_served(connection)
    keep = served[id].schema if id in served else ""
    prefix = postgres_generations.get_schema_prefix(id)
    schemas = connection.query("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1::text)", (prefix,))
    for schema in schemas.column(0).to_pylist():
        if schema != keep and _is_generation(schema, id):
            try:
                connection.execute(f"DROP SCHEMA {quote_identifier(schema)} CASCADE")
            except Error as error:
                if get_sqlstate(error) != "55P03":
                    raise


def _is_generation(schema: str, id: str) -> bool:
    """Return whether a schema is a generation of this collection, and not of one whose id starts with this id."""
    rest = schema.removeprefix(postgres_generations.get_schema_prefix(id))
    return len(rest) == len("20000101t000000_abcdef") and rest[8] == "t" and rest[15] == "_"


@dataclass(frozen=True, slots=True)
class PostgresTarget(LoadTarget):
    """A generation as a schema."""

    url: str
    connection: Connection
    collection: Collection
    schema: str

    @override
    def open_existing(self, schema: pa.Schema, key: str | None) -> AbstractContextManager[ExistingRows | None]:
        served = postgres_generations.read_served(self.connection).get(self.collection.id)
        if served is None:
            return nullcontext()
        return self._open(f"{quote_identifier(served.schema)}.{self._table}", schema, key)

    @contextmanager
    def _open(self, table: str, schema: pa.Schema, key: str | None) -> Iterator[ExistingRows]:
        """Open rows on their own connection, for they are read while the new generation is written."""
        connection = Connection(self.url, WRITER_SETTINGS)
        try:
            yield PostgresExistingRows(connection, table, schema, key)
        finally:
            connection.close()

    @property
    def _table(self) -> str:
        return quote_identifier(self.collection.table.name)

    @override
    @contextmanager
    def open_writer(self, threads: int, memory: int) -> Iterator[TableWriter]:
        self.connection.execute(f"CREATE SCHEMA {self.schema}")
        yield PostgresWriter(self.connection, self.collection, self.schema)

    @override
    def publish(self) -> None:
        names = ("schema", "rows", *FACT_TYPES)
        self.connection.execute(
            f"INSERT INTO {HOME_SCHEMA}.generations (id, {', '.join(names)})"
            f" SELECT $1::text, $2::text, {', '.join(names[1:])} FROM {self.schema}.meta"
            f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names)}",
            (self.collection.id, self.schema),
        )


@dataclass(frozen=True, slots=True)
class PostgresWriter(TableWriter):
    """A writer of the tables of a generation into its schema."""

    connection: Connection
    collection: Collection
    schema: str

    @override
    def write_rows(self, schema: pa.Schema, tables: Iterable[pa.Table], written: Callable[[int], None]) -> None:
        table = self.collection.table
        self.connection.execute(f"CREATE TABLE {self._qualify(table)} ({build_column_definitions(schema)})")
        for rows in tables:
            self.connection.ingest(_to_storable(rows), table.name, self.schema)
            written(rows.num_rows)
        for column in find_indexed_columns(table):
            self.connection.execute(f"CREATE INDEX ON {self._qualify(table)} ({quote_identifier(column)})")
        for view in self.collection.views:
            self._create_view(view)
        self.connection.execute(f"ANALYZE {self._qualify(table)}")

    @override
    def write_meta(self, facts: Mapping[str, object], position: Position | None) -> None:
        bounds = ["NULL::double precision"] * 4
        if position is not None:
            names = map(quote_identifier, (position.ra, position.dec))
            bounds = [f"{function}({name})" for name in names for function in ("min", "max")]
        files = facts["files"]
        assert isinstance(files, list)
        values = (
            facts["rows"],
            facts["rejected"],
            facts["loaded_at"],
            "\n".join(files),
            facts["version"],
            facts["coverage"],
            facts["extent"],
            facts["statistics"],
        )
        columns = ", ".join(f"{name} {type}" for name, type in FACT_TYPES.items())
        texts = "coverage text, extent text, statistics text"
        self.connection.execute(f"CREATE TABLE {self.schema}.meta (rows bigint, {columns}, {texts})")
        self.connection.execute(
            f"INSERT INTO {self.schema}.meta"
            " SELECT $1::bigint, $2::bigint, $3::text, string_to_array($4::text, chr(10)), $5::text,"
            f" {', '.join(bounds)}, $6::text, $7::text, $8::text"
            f" FROM {self._qualify(self.collection.table)} LIMIT 1",
            values,
        )
        self.connection.execute(f"GRANT USAGE ON SCHEMA {self.schema} TO PUBLIC")
        self.connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {self.schema} TO PUBLIC")

    def _qualify(self, table: Table) -> str:
        return f"{self.schema}.{quote_identifier(table.name)}"

    def _create_view(self, view: Table) -> None:
        columns = [f"{quote_identifier(view.source[c.name])} AS {quote_identifier(c.name)}" for c in view.columns]
        if view.position is not None:
            columns.append(quote_identifier(view.position.healpix))
        self.connection.execute(
            f"CREATE VIEW {self._qualify(view)} AS SELECT {', '.join(columns)}"
            f" FROM {self._qualify(self.collection.table)}"
        )


def find_indexed_columns(table: Table) -> list[str]:
    """Return the columns to index: the hidden index, and those that TAP_SCHEMA calls indexed except the position."""
    position = table.position
    hidden = [] if position is None else [position.healpix]
    position_names = () if position is None else (position.ra, position.dec)

    return hidden + [c.name for c in table.columns if c.indexed and c.name not in position_names]


def _to_storable(rows: pa.Table) -> pa.Table:
    """Convert 1-byte integers to 2-byte integers, for PostgreSQL has none of one byte."""
    fields = [pa.field(f.name, pa.int16() if pa.types.is_uint8(f.type) else f.type) for f in rows.schema]
    return rows.cast(pa.schema(fields))


class PostgresExistingRows:
    """The rows of a served generation, to be merged with new ones."""

    def __init__(self, connection: Connection, table: str, schema: pa.Schema, key: str | None) -> None:
        self._connection, self._table, self._schema = connection, table, schema
        self._key = "NULL" if key is None else quote_identifier(key)
        self._check_columns()
        self.rows = int(connection.query(f"SELECT count(*) FROM {table}").column(0)[0].as_py())
        meta = table.rpartition(".")[0] + ".meta"
        files = connection.query(f"SELECT array_to_string(files, chr(10)) FROM {meta}").column(0)[0].as_py()
        self.files = files.split("\n")
        self.sample: Keys = np.empty(0, dtype=np.int64) if key is None else self._read_sample()

    def read_range(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with low <= key < high, in order."""
        return self._select(f"WHERE {self._key} >= {low} AND {self._key} < {high} ORDER BY {self._key}, ctid")

    def read_all(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows, in order."""
        return self._select("ORDER BY ctid")

    def _select(self, rest: str) -> Iterator[pa.RecordBatch]:
        for batch in self._connection.stream(f"SELECT {self._columns} FROM {self._table} {rest}"):
            yield pa.RecordBatch.from_arrays(
                [c.cast(f.type) for c, f in zip(batch.columns, self._schema, strict=True)], schema=self._schema
            )

    @property
    def _columns(self) -> str:
        return ", ".join(quote_identifier(f.name) for f in self._schema)

    def _read_sample(self) -> Keys:
        text = (
            f"SELECT key FROM (SELECT {self._key} AS key, row_number() OVER (ORDER BY {self._key}) AS n"
            f" FROM {self._table}) AS q WHERE n % {SAMPLE} = 1 ORDER BY 1"
        )
        return np.asarray(self._connection.query(text).column(0).to_numpy(), dtype=np.int64)

    def _check_columns(self) -> None:
        existing = self._connection.query(f"SELECT * FROM {self._table} LIMIT 0").schema
        expected = _to_storable(self._schema.empty_table()).schema
        if [(f.name, f.type) for f in existing] != [(f.name, f.type) for f in expected]:
            raise make_mismatch_error()

"""The sorted rows on their way into PostgreSQL: by COPY into a schema of their own, then indexed, then made to serve.

Rows lie in the order of the hidden index as they are copied, so its btree finds a region of sky in few pages.
See engines/generations.py for what lies where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from typing_extensions import override

from vo_server.catalogue.catalogue import Collection
from vo_server.engines import generations
from vo_server.engines.generations import FACTS, HOME, LOADER
from vo_server.engines.links import Error, Link, definition, quoted, state
from vo_server.engines.store import Generation
from vo_server.errors import LoadError
from vo_server.load.runs import SAMPLE, Keys
from vo_server.load.sink import Earlier, Filling, Sink, Target
from vo_server.model.column import Column, Position, Table


def database(url: str) -> Sink:
    """The sink of a database under a URL of libpq."""

    @contextmanager
    def target(publication: Collection, generation: Generation) -> Iterator[Target]:
        with _told():
            link = Link(url, LOADER | {"lock_timeout": "1s"})
            try:
                _lock(link, publication.id)
                _sweep(link, publication.id)
                try:
                    yield _Schema(url, link, publication, generations.new_name(publication.id))
                finally:
                    with suppress(Error):
                        _sweep(link, publication.id)
            finally:
                link.close()

    return target


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise LoadError(f"PostgreSQL: {str(error).strip()}") from error


def _lock(link: Link, id: str) -> None:
    """One load of a catalogue at a time, from whatever machine; the lock ends with the connection."""
    generations.found_home(link)
    held = link.ask("SELECT pg_try_advisory_lock(hashtext('vo_server'), hashtext($1::text))", (id,))
    if not held.column(0)[0].as_py():
        raise LoadError(f"another load of {id} is under way in this database")


def _sweep(link: Link, id: str) -> None:
    """Drop the generations that do not serve; one that a query still reads is left to the next load."""
    serving = generations.current(link)
    keep = serving[id].schema if id in serving else ""
    found = link.ask("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1::text)", (generations.stem(id),))
    for schema in found.column(0).to_pylist():
        if schema != keep and _is_generation(schema, id):
            try:
                link.tell(f"DROP SCHEMA {quoted(schema)} CASCADE")
            except Error as error:
                if state(error) != "55P03":
                    raise


def _is_generation(schema: str, id: str) -> bool:
    """The id of one catalogue may begin as that of another: what follows is a time and six letters."""
    rest = schema.removeprefix(generations.stem(id))
    return len(rest) == len("20000101t000000_abcdef") and rest[8] == "t" and rest[15] == "_"


@dataclass(frozen=True, slots=True)
class _Schema(Target):
    """A generation as a schema of its own."""

    url: str
    link: Link
    publication: Collection
    schema: str

    @override
    def earlier(self, schema: pa.Schema, key: str | None) -> AbstractContextManager[Earlier | None]:
        serving = generations.current(self.link).get(self.publication.id)
        if serving is None:
            return nullcontext()
        return self._open(f"{quoted(serving.schema)}.{self._table}", schema, key)

    @contextmanager
    def _open(self, table: str, schema: pa.Schema, key: str | None) -> Iterator[Earlier]:
        """On a connection of its own: it is read while the new generation is written."""
        link = Link(self.url, LOADER)
        try:
            yield _Earlier(link, table, schema, key)
        finally:
            link.close()

    @property
    def _table(self) -> str:
        return quoted(self.publication.table.name)

    @override
    @contextmanager
    def filling(self, threads: int, memory: int) -> Iterator[Filling]:
        self.link.tell(f"CREATE SCHEMA {self.schema}")
        yield _Filling(self.link, self.publication, self.schema)

    @override
    def publish(self) -> None:
        names = ("schema", "rows", *FACTS)
        self.link.tell(
            f"INSERT INTO {HOME}.generations (id, {', '.join(names)})"
            f" SELECT $1::text, $2::text, {', '.join(names[1:])} FROM {self.schema}.meta"
            f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names)}",
            (self.publication.id, self.schema),
        )


@dataclass(frozen=True, slots=True)
class _Filling(Filling):
    link: Link
    publication: Collection
    schema: str

    @override
    def write_rows(self, schema: pa.Schema, tables: Iterable[pa.Table], written: Callable[[int], None]) -> None:
        table = self.publication.table
        self.link.tell(f"CREATE TABLE {self._qualified(table)} ({definition(schema)})")
        for rows in tables:
            self.link.put(_storable(rows), table.name, self.schema)
            written(rows.num_rows)
        for column in _indexed(table):
            self.link.tell(f"CREATE INDEX ON {self._qualified(table)} ({quoted(column)})")
        for view in self.publication.views:
            self._view(view)
        self.link.tell(f"ANALYZE {self._qualified(table)}")

    @override
    def write_meta(self, facts: Mapping[str, object], position: Position | None) -> None:
        bounds = ["NULL::double precision"] * 4
        if position is not None:
            bounds = [f"{end}({quoted(name)})" for name in (position.ra, position.dec) for end in ("min", "max")]
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
        columns = ", ".join(f"{name} {type}" for name, type in FACTS.items())
        texts = "coverage text, extent text, statistics text"
        self.link.tell(f"CREATE TABLE {self.schema}.meta (rows bigint, {columns}, {texts})")
        self.link.tell(
            f"INSERT INTO {self.schema}.meta"
            " SELECT $1::bigint, $2::bigint, $3::text, string_to_array($4::text, chr(10)), $5::text,"
            f" {', '.join(bounds)}, $6::text, $7::text, $8::text"
            f" FROM {self._qualified(self.publication.table)} LIMIT 1",
            values,
        )
        self.link.tell(f"GRANT USAGE ON SCHEMA {self.schema} TO PUBLIC")
        self.link.tell(f"GRANT SELECT ON ALL TABLES IN SCHEMA {self.schema} TO PUBLIC")

    def _qualified(self, table: Table) -> str:
        return f"{self.schema}.{quoted(table.name)}"

    def _view(self, view: Table) -> None:
        columns = [f"{quoted(view.source[c.name])} AS {quoted(c.name)}" for c in view.columns]
        if view.position is not None:
            columns.append(quoted(view.position.healpix))
        self.link.tell(
            f"CREATE VIEW {self._qualified(view)} AS SELECT {', '.join(columns)}"
            f" FROM {self._qualified(self.publication.table)}"
        )


def _indexed(table: Table) -> list[str]:
    """The hidden index, and what TAP_SCHEMA says is indexed beside the position, for which the hidden one stands."""
    position = table.position
    hidden = [] if position is None else [position.healpix]
    away = () if position is None else (position.ra, position.dec)

    def wanted(column: Column) -> bool:
        return column.indexed and column.name not in away

    return hidden + [c.name for c in table.columns if wanted(c)]


def _storable(rows: pa.Table) -> pa.Table:
    """Bytes as two-byte numbers, for PostgreSQL has none of one byte."""
    fields = [pa.field(f.name, pa.int16() if pa.types.is_uint8(f.type) else f.type) for f in rows.schema]
    return rows.cast(pa.schema(fields))


class _Earlier:
    """The rows of a generation, to be merged with new ones."""

    def __init__(self, link: Link, table: str, schema: pa.Schema, key: str | None) -> None:
        self._link, self._table, self._schema = link, table, schema
        self._key = "NULL" if key is None else quoted(key)
        self._check()
        self.rows = int(link.ask(f"SELECT count(*) FROM {table}").column(0)[0].as_py())
        meta = table.rpartition(".")[0] + ".meta"
        self.files = link.ask(f"SELECT array_to_string(files, chr(10)) FROM {meta}").column(0)[0].as_py().split("\n")
        self.sample: Keys = np.empty(0, dtype=np.int64) if key is None else self._sample()

    def between(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """The rows with low <= key < high, in order."""
        return self._select(f"WHERE {self._key} >= {low} AND {self._key} < {high} ORDER BY {self._key}, ctid")

    def all(self) -> Iterator[pa.RecordBatch]:
        """Every row, in order."""
        return self._select("ORDER BY ctid")

    def _select(self, rest: str) -> Iterator[pa.RecordBatch]:
        for batch in self._link.stream(f"SELECT {self._columns} FROM {self._table} {rest}"):
            yield pa.RecordBatch.from_arrays(
                [c.cast(f.type) for c, f in zip(batch.columns, self._schema, strict=True)], schema=self._schema
            )

    @property
    def _columns(self) -> str:
        return ", ".join(quoted(f.name) for f in self._schema)

    def _sample(self) -> Keys:
        text = (
            f"SELECT key FROM (SELECT {self._key} AS key, row_number() OVER (ORDER BY {self._key}) AS n"
            f" FROM {self._table}) AS q WHERE n % {SAMPLE} = 1 ORDER BY 1"
        )
        return np.asarray(self._link.ask(text).column(0).to_numpy(), dtype=np.int64)

    def _check(self) -> None:
        found = self._link.ask(f"SELECT * FROM {self._table} LIMIT 0").schema
        wanted = _storable(self._schema.empty_table()).schema
        if [(f.name, f.type) for f in found] != [(f.name, f.type) for f in wanted]:
            raise LoadError(
                "the rows that serve have other columns than the catalogue describes now", hint="load without --append"
            )

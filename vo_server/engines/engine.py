"""The interface to a database engine."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import sqlalchemy as sa

from vo_server.adql.translate import Statement
from vo_server.catalogue.catalogue import UPLOADS
from vo_server.model.column import Table
from vo_server.model.statistics import Statistic, from_json


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Resource limits of an embedded engine: memory ("4GB"), the spill folder, and threads (None: one a processor)."""

    memory: str = "4GB"
    spill: Path | None = None
    threads: int | None = None


class QueryRun(Protocol):
    """A running query. Close it when done: a closed run has released its resources."""

    def read_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they arrive, one array a column.

        Raises QueryTimeoutError past the timeout, QueryCancelledError after `cancel`, UsageError for errors that depend
        on the rows (a number out of range), EngineError for a failure of the database itself.
        """

    def cancel(self) -> None:
        """Cancel the query; may be called from another thread and repeatedly."""

    def progress(self) -> float | None:
        """Return the completed fraction, 0..1; None if the engine does not know it."""

    def close(self) -> None:
        """Release all resources."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """A step of a query plan, as the database names and describes it, and the steps whose rows it reads.

    `rows` is the estimated number of rows that it returns, None without an estimate.
    """

    name: str
    rows: int | None
    details: Mapping[str, str]
    inputs: tuple[PlanStep, ...] = ()


def iterate_steps(plan: PlanStep) -> Iterator[PlanStep]:
    """Yield a step and all steps below it."""
    yield plan
    for step in plan.inputs:
        yield from iterate_steps(step)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """The plan of a query: the name of the database, the SQL with the values in place, and the last step."""

    engine: str
    sql: str
    plan: PlanStep


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Facts about the loaded rows of a table, as far as its load has determined them.

    `coverage` is the sky coverage as an ASCII MOC, `times` are intervals of MJD, `bands` the observed bands;
    `statistics` are by column name of the table, not of a view.
    """

    loaded_at: datetime | None = None
    coverage: str | None = None
    times: tuple[tuple[float, float], ...] = ()
    bands: tuple[str, ...] = ()
    statistics: Mapping[str, Statistic] = field(default_factory=dict, hash=False)


def parse_facts(row: Mapping[str, Any]) -> TableFacts:
    """Return the facts of a row of a `meta` table. Loads of older versions have written fewer columns."""
    at, extent = row.get("loaded_at"), json.loads(row.get("extent") or "{}")
    return TableFacts(
        datetime.fromisoformat(at) if at else None,
        row.get("coverage") or None,
        tuple((low, high) for low, high in extent.get("times", ())),
        tuple(extent.get("bands", ())),
        from_json(row.get("statistics")),
    )


class Engine(Protocol):
    """A database engine with spherical functions. All methods are thread-safe."""

    def locate(self, table: Table) -> tuple[str | None, str]:
        """Return the schema and the name of a table in the database.

        Raises UsageError (QUERY.NOT_LOADED) if its rows have not been loaded.
        """

    def run(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> QueryRun:
        """Start a query; `slots` are the values of its parameters p0, p1 and so on.

        `timeout` is in seconds of the database's work; `uploads` are tables that only this query sees. `brief` says
        that the result is short, so that it may be fetched at once where this is quicker.
        """

    def explain(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> QueryPlan:
        """Return the plan of the query that `run` would start, without reading rows.

        Raises what a run raises before its first row.
        """

    def unsupported_functions(self) -> frozenset[str]:
        """Return the names of the functions of the language that the engine does not support."""

    def count_rows(self, table: Table) -> int | None:
        """Return the number of rows of a table; None if it is not loaded."""

    def memory_bytes(self) -> int | None:
        """Return the memory that the engine holds in this process, in bytes; None if it is unknown."""

    def get_facts(self, table: Table) -> TableFacts | None:
        """Return the facts about the rows of a table; None if it is not loaded."""

    def check_ready(self) -> str | None:
        """Return None if the engine answers, else the error for the availability note."""

    def close(self) -> None:
        """Release all resources."""


def is_upload(table: Table) -> bool:
    """Return whether a table is an upload of the query."""
    return table.schema.upper() == UPLOADS


def make_upload_name(name: str) -> str:
    """Return the name under which an engine keeps an uploaded table."""
    return f"upload_{name.lower()}"


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """A statement compiled for a database: its text, its parameter names in order, and the values bound to it."""

    text: str
    names: tuple[str, ...]
    bound_values: Mapping[str, Any]

    def parameter_values(self, slots: Sequence[Any]) -> list[Any]:
        """Return the values of all parameters in order; `slots` are those of p0, p1, ..."""
        values = {**self.bound_values, **{f"p{n}": value for n, value in enumerate(slots)}}
        return [values[name] for name in self.names]

    def with_values(self, slots: Sequence[Any]) -> str:
        """Return the text with values instead of parameters, for people to read and to run."""
        values = self.parameter_values(slots)
        return _PARAMETER.sub(lambda match: to_literal(values[int(match[1]) - 1]) if match[1] else match[0], self.text)


_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\d+)""")
"""A parameter (in a group), or a string or quoted name, which may look like one inside."""


def to_literal(value: Any) -> str:
    """Return a value as a literal of SQL. A double has an exponent: without one it would be a decimal number."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return f"({value})" if value < 0 else str(value)
        case float() if isfinite(value):
            text = repr(value) if "e" in repr(value) else f"{value!r}e0"
            return f"({text})" if value < 0 else text
        case float():
            return f"CAST('{value}' AS DOUBLE PRECISION)"
        case dt.datetime():
            return f"TIMESTAMP '{value.isoformat(' ')}'"
        case dt.date():
            return f"DATE '{value.isoformat()}'"
        case tuple() | list():
            return f"ARRAY[{', '.join(map(to_literal, value))}]"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def compile_statement(statement: Statement, dialect: sa.Dialect) -> CompiledStatement:
    """Compile a statement for a database."""
    sql = statement.compile(dialect=dialect)
    return CompiledStatement(str(sql), tuple(sql.positiontup or ()), dict(sql.params))

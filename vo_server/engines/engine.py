"""What the server asks of a database."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, Protocol

import pyarrow as pa
import sqlalchemy as sa

from vo_server.adql.translate import Statement
from vo_server.model.column import Table
from vo_server.model.statistics import Statistic, from_json


class Run(Protocol):
    """A query under way. Close it when done; a closed run has let go of all that it held."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as they come, one array a column.

        Raises QueryTimeoutError past the time limit, QueryCancelledError after `cancel`, UsageError for what only
        the rows could tell (a number out of range), EngineError for a failure of the database itself.
        """

    def cancel(self) -> None:
        """Stop it; may be called from another thread and more than once."""

    def progress(self) -> float | None:
        """The part that is done, 0..1; None where the engine cannot tell."""

    def close(self) -> None:
        """Let go of everything."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a database's plan in its own words, and the steps whose rows it takes.

    `rows` is how many it is expected to give, None where the database does not say.
    """

    name: str
    rows: int | None
    details: Mapping[str, str]
    inputs: tuple[Step, ...] = ()


def steps(plan: Step) -> Iterator[Step]:
    """A step, and all that lead to it."""
    yield plan
    for step in plan.inputs:
        yield from steps(step)


@dataclass(frozen=True, slots=True)
class Explained:
    """What a database would do: its name, the SQL with all values in their places, its plan."""

    engine: str
    sql: str
    plan: Step


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of loaded rows: since when they are there, where on the sky they lie as a MOC in ASCII, when they
    were observed (spans of MJD) and in which bands, and of their values column by column, under the names of the table
    and not of a view. What a load did not look at is not known."""

    loaded_at: datetime | None = None
    coverage: str | None = None
    times: tuple[tuple[float, float], ...] = ()
    bands: tuple[str, ...] = ()
    statistics: Mapping[str, Statistic] = field(default_factory=dict, hash=False)


def facts_of(row: Mapping[str, Any]) -> Facts:
    """What a load has written down, by its columns; one of an earlier version has fewer."""
    at, extent = row.get("loaded_at"), json.loads(row.get("extent") or "{}")
    return Facts(
        datetime.fromisoformat(at) if at else None,
        row.get("coverage") or None,
        tuple((low, high) for low, high in extent.get("times", ())),
        tuple(extent.get("bands", ())),
        from_json(row.get("statistics")),
    )


class Engine(Protocol):
    """A database that can say the sky. All methods may be called from several threads at once."""

    def locate(self, table: Table) -> tuple[str | None, str]:
        """The schema and name under which the table is kept."""

    def run(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> Run:
        """Start a query; `slots` are the values of its parameters p0, p1 and so on.

        `timeout` in seconds of the database's work; `uploads` are tables that only this query sees.

        `brief` says that the answer is short, so that it may be fetched at once where this is quicker.
        """

    def explain(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> Explained:
        """What `run` would do with the same; no row is read.

        Raises what a run raises before its first row.
        """

    def lacks(self) -> frozenset[str]:
        """The names of the functions of the language that it cannot say."""

    def rows(self, table: Table) -> int | None:
        """How many rows a table has; None where it is not loaded."""

    def memory(self) -> int | None:
        """How many bytes of memory it holds in this process; None where that is not known here."""

    def facts(self, table: Table) -> Facts | None:
        """What is known of its rows; None where it is not loaded."""

    def ready(self) -> str | None:
        """None if the engine answers; else what is wrong, for the availability note."""

    def close(self) -> None:
        """Let go of everything."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """The text of a statement, the names of its parameters in their order, and the values that it came with."""

    text: str
    names: tuple[str, ...]
    given: Mapping[str, Any]

    def values(self, slots: Sequence[Any]) -> list[Any]:
        """The values of all parameters in their order: p0, p1, ... are the slots'."""
        said = {**self.given, **{f"p{n}": value for n, value in enumerate(slots)}}
        return [said[name] for name in self.names]

    def with_values(self, slots: Sequence[Any]) -> str:
        """The text with the values in the places of the parameters, for people to read and to run."""
        values = self.values(slots)
        return _PARAMETER.sub(lambda found: literal(values[int(found[1]) - 1]) if found[1] else found[0], self.text)


_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\d+)""")
"""A parameter; texts and quoted names are passed over."""


def literal(value: Any) -> str:
    """A value as both databases write it. A double has an exponent: without one it were a decimal number."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return f"({value})" if value < 0 else str(value)
        case float() if isfinite(value):
            said = repr(value) if "e" in repr(value) else f"{value!r}e0"
            return f"({said})" if value < 0 else said
        case float():
            return f"CAST('{value}' AS DOUBLE PRECISION)"
        case dt.datetime():
            return f"TIMESTAMP '{value.isoformat(' ')}'"
        case dt.date():
            return f"DATE '{value.isoformat()}'"
        case tuple() | list():
            return f"ARRAY[{', '.join(map(literal, value))}]"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def compiled(statement: Statement, dialect: sa.Dialect) -> Compiled:
    """A statement in the words of a database."""
    made = statement.compile(dialect=dialect)
    return Compiled(str(made), tuple(made.positiontup or ()), dict(made.params))

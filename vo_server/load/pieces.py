"""A stretch of rows from one file, on its way to typed columns, and the search for what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import pyarrow as pa
from typing_extensions import override

from vo_server.errors import LoadError
from vo_server.load.rules import Rule


@dataclass(frozen=True, slots=True)
class Record:
    """One row as its file has it: its number, its text, and a value or None for each column that the file carries.

    `fault` is said where the row does not even fall into fields. `file` is its own file where a piece has many.
    """

    number: int
    text: str
    values: Sequence[str | None] = ()
    fault: str | None = None
    file: str | None = None


class Piece(Protocol):
    """Rows of one file. `carried` are the published columns that the file has, the order being that of a Record."""

    @property
    def file(self) -> str:
        """The name of the file, for messages."""

    @property
    def unit(self) -> Literal["line", "row", "file"]:
        """What the numbers of its records count."""

    @property
    def carried(self) -> Sequence[str]:
        """The published columns that it has."""

    @property
    def exact(self) -> Collection[str]:
        """The columns whose numbers cannot have become infinite on their way into their type."""

    def table(self) -> pa.Table:
        """Every published column, of its type; null where the file does not carry it.

        Raises pyarrow.ArrowException when a value is not of its column's type.
        """

    def records(self) -> Iterator[Record]:
        """The rows one by one."""

    def without(self, numbers: Collection[int]) -> Self:
        """The same without these rows."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that cannot be loaded, and why; `number` is which of its `unit` it is."""

    file: str
    unit: str
    number: int | str
    reason: str
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.number}{self.reason}"


@dataclass(frozen=True, slots=True)
class Checked:
    """The good rows of a piece and the bad ones."""

    table: pa.Table
    bad: tuple[Bad, ...] = ()


def checked(piece: Piece, rules: Sequence[Rule]) -> Checked:
    """The piece as typed columns when it obeys the rules, and else without the rows that do not.

    Raises LoadError when it fails and no row of it can be blamed.
    """
    carried = set(piece.carried)
    at_work = [r for r in rules if r.column.name in carried]
    table, complaint = _attempt(piece, at_work, piece.exact)
    if table is not None:
        return Checked(table)
    bad = _culprits(piece, at_work)
    left = piece.without({b.number for b in bad if isinstance(b.number, int)})
    table, complaint = _attempt(left, at_work, carried)
    if table is None:
        raise LoadError(f"{piece.file}: {complaint}")
    return Checked(table, bad)


def _attempt(piece: Piece, rules: Sequence[Rule], exact: Collection[str]) -> tuple[pa.Table | None, str]:
    """The rows, or what is wrong with them. What is infinite in `exact` columns is so in the file."""
    try:
        table = piece.table()
    except pa.ArrowException as error:
        return None, str(error)
    for rule in rules:
        if not rule.passes(table[rule.column.name], infinite=rule.column.name in exact):
            return None, f"a value of column {rule.column.name} cannot be loaded"
    return table, ""


def _culprits(piece: Piece, rules: Sequence[Rule]) -> tuple[Bad, ...]:
    by_name = {r.column.name: r for r in rules}
    ordered = [by_name[name] for name in piece.carried]
    found = ((record, _reason(record, ordered)) for record in piece.records())
    return tuple(Bad(r.file or piece.file, piece.unit, r.number, reason, r.text) for r, reason in found if reason)


def _reason(record: Record, rules: Sequence[Rule]) -> str | None:
    if record.fault:
        return f": {record.fault}"
    for value, rule in zip(record.values, rules, strict=True):
        if fault := rule.fault(value):
            return f", column {rule.column.name}: {fault}"
    return None

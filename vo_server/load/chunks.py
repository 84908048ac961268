"""Chunks of rows from one file, their conversion to typed columns and the search for invalid rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import pyarrow as pa
from typing_extensions import override

from vo_server.errors import Code, LoadError
from vo_server.load.rules import ValueRule


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as read from its file: its number, its text, and a value or None for each column of the file.

    `error` is set if the row cannot be split into fields. `file` is the file of the row in a chunk with several files.
    """

    number: int
    text: str
    values: Sequence[str | None] = ()
    error: str | None = None
    file: str | None = None


class Chunk(Protocol):
    """Rows of one file on their way into a table."""

    @property
    def file(self) -> str:
        """Return the name of the file, for messages."""

    @property
    def unit(self) -> Literal["line", "row", "file"]:
        """Return what the row numbers count."""

    @property
    def column_names(self) -> Sequence[str]:
        """Return the published columns that the file has, in the order of the values of a SourceRow."""

    @property
    def exact_columns(self) -> Collection[str]:
        """Return the columns whose numbers cannot overflow to infinity in the conversion to their type."""

    def to_table(self) -> pa.Table:
        """Return every published column in its type; columns that the file does not have are null.

        Raises pyarrow.ArrowException if a value is not of the type of its column.
        """

    def iterate_rows(self) -> Iterator[SourceRow]:
        """Yield the rows one by one."""

    def drop_rows(self, numbers: Collection[int]) -> Self:
        """Return the chunk without the rows of these numbers."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be loaded, and the reason; `number` counts units, such as lines, of the file.

    Messages leave the number out if the file is the unit.
    """

    file: str
    unit: str
    number: int | str
    reason: str
    text: str

    @override
    def __str__(self) -> str:
        number = "" if self.unit == "file" else f", {self.unit} {self.number}"
        return f"{self.file}{number}{self.reason}"


@dataclass(frozen=True, slots=True)
class ValidatedChunk:
    """The valid rows of a chunk as typed columns, and its invalid rows."""

    table: pa.Table
    rejected: tuple[RejectedRow, ...] = ()


def validate(chunk: Chunk, rules: Sequence[ValueRule]) -> ValidatedChunk:
    """Return the chunk as typed columns, without the rows that violate the rules.

    Raises LoadError if the chunk is invalid and no row explains it.
    """
    names = set(chunk.column_names)
    active = [r for r in rules if r.column.name in names]
    table, error = _try_convert(chunk, active, chunk.exact_columns)
    if table is not None:
        return ValidatedChunk(table)
    rejected = _find_bad_rows(chunk, active)
    rest = chunk.drop_rows({r.number for r in rejected if isinstance(r.number, int)})
    table, error = _try_convert(rest, active, names)
    if table is None:
        raise LoadError(f"{chunk.file}: {error}", code=Code.LOAD_BAD_ROW)
    return ValidatedChunk(table, rejected)


def _try_convert(chunk: Chunk, rules: Sequence[ValueRule], exact: Collection[str]) -> tuple[pa.Table | None, str]:
    """Return the rows, or None and the error. Infinite values of `exact` columns are those of the file."""
    try:
        table = chunk.to_table()
    except pa.ArrowException as error:
        return None, str(error)
    for rule in rules:
        if not rule.accepts(table[rule.column.name], infinite=rule.column.name in exact):
            return None, f"a value of column {rule.column.name} cannot be loaded"
    return table, ""


def _find_bad_rows(chunk: Chunk, rules: Sequence[ValueRule]) -> tuple[RejectedRow, ...]:
    by_name = {r.column.name: r for r in rules}
    ordered = [by_name[name] for name in chunk.column_names]
    checked = ((row, _find_error(row, ordered)) for row in chunk.iterate_rows())
    return tuple(
        RejectedRow(row.file or chunk.file, chunk.unit, row.number, error, row.text) for row, error in checked if error
    )


def _find_error(row: SourceRow, rules: Sequence[ValueRule]) -> str | None:
    if row.error:
        return f": {row.error}"
    for value, rule in zip(row.values, rules, strict=True):
        if error := rule.explain_error(value):
            return f", column {rule.column.name}: {error}"
    return None

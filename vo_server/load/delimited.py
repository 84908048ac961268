"""Delimited text: the bulk files of the release (no header, `|`, `\\N` for null) and CSV, whose header names columns.

A file is cut at line ends into blocks of a few megabytes. Threads turn these into columns: pyarrow parses best in
steps of one megabyte (1.7 s of processor time for a million rows of 60 columns; in steps of 16 MB, 5 s).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from vo_server.errors import LoadError
from vo_server.load.pieces import Record
from vo_server.model.column import Column
from vo_server.model.types import CHAR

BLOCK = 4 << 20
_STEP = 1 << 20
_LONGEST = 16 << 20
_DIGITS = re.compile(r"[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of a file are made: for each field the published column that it fills, or None.

    `restored` asks for the leading zeros that other programs take off flags: digits in a CHAR(n) are filled up to n.
    `blank` says that an empty text in quotes is a missing value, too.
    """

    columns: tuple[Column, ...]
    fields: tuple[str | None, ...]
    delimiter: str
    nulls: tuple[str, ...]
    quoted: bool = False
    restored: bool = False
    blank: bool = False

    @property
    def carried(self) -> tuple[str, ...]:
        """The published columns that are filled, in the order of the fields."""
        return tuple(f for f in self.fields if f is not None)

    def parse(self, text: bytes) -> pa.Table:
        """These lines as published columns."""
        return self._dressed(pa_csv.read_csv(pa.BufferReader(text), self._reading(), self._cutting(), self._typing()))

    def empty(self) -> pa.Table:
        """No lines."""
        return pa.schema([(c.name, c.type.arrow) for c in self.columns]).empty_table()

    def split(self, line: str) -> list[str]:
        """The fields of a line."""
        return next(csv.reader([line], delimiter=self.delimiter)) if self.quoted else line.split(self.delimiter)

    def _reading(self) -> pa_csv.ReadOptions:
        names = [name or f"\0{i}" for i, name in enumerate(self.fields)]
        return pa_csv.ReadOptions(column_names=names, block_size=_STEP, use_threads=False)

    def _cutting(self) -> pa_csv.ParseOptions:
        return pa_csv.ParseOptions(delimiter=self.delimiter, quote_char='"' if self.quoted else False)

    def _typing(self) -> pa_csv.ConvertOptions:
        return pa_csv.ConvertOptions(
            column_types={c.name: pa.string() if _is_list(c) else c.type.arrow for c in self.columns},
            include_columns=[c.name for c in self.columns],
            include_missing_columns=True,
            null_values=list(self.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=self.blank,
        )

    def _dressed(self, table: pa.Table) -> pa.Table:
        arrays = [self._dress(c, table[c.name]) for c in self.columns]
        return pa.table(arrays, names=[c.name for c in self.columns])

    def _dress(self, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
        if _is_list(column):
            plain = pc.ascii_trim_whitespace(pc.replace_substring_regex(values, r"[\[\],\s]+", " "))
            return pc.ascii_split_whitespace(plain).cast(column.type.arrow)
        return self._text(column, values) if column.type.family == "text" else values

    def _text(self, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
        values = pc.ascii_rtrim(values, " ")
        return zero_filled(column, values) if self.restored else values


def _is_list(column: Column) -> bool:
    """Are its values numbers with blanks or commas between them, as those of a geometry are?"""
    return bool(pa.types.is_list(column.type.arrow))


def zero_filled(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values, those of digits alone filled up with zeros in front to the length of a CHAR(n)."""
    if column.type is not CHAR or column.length is None or column.length < 2:
        return values
    filled = pc.ascii_lpad(values, width=column.length, padding="0")
    return pc.if_else(pc.match_substring_regex(values, "^[0-9]+$"), filled, values)


@dataclass(frozen=True, slots=True)
class Lines:
    """A block of whole lines of a file, the first of them numbered `first`."""

    file: str
    first: int
    text: bytes
    layout: Layout
    left_out: frozenset[int] = frozenset()
    unit: Literal["line"] = "line"

    @property
    def carried(self) -> Sequence[str]:
        """The published columns that the file has."""
        return self.layout.carried

    @property
    def exact(self) -> Collection[str]:
        """None: a text may be a number that is too large."""
        return ()

    def table(self) -> pa.Table:
        """The lines as published columns."""
        text = b"\n".join(line for _, line in self._numbered()) if self.left_out else self.text
        return self.layout.parse(text) if text else self.layout.empty()

    def records(self) -> Iterator[Record]:
        """The lines one by one; empty ones are passed over."""
        for number, line in self._numbered():
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                yield Record(number, repr(line)[2:-1], fault=f"byte {line[error.start]:#04x} is not text in UTF-8")
                continue
            if text:
                yield self._record(number, text)

    def without(self, numbers: Collection[int]) -> Lines:
        """The same without these lines."""
        return replace(self, left_out=self.left_out | frozenset(numbers))

    def _numbered(self) -> Iterator[tuple[int, bytes]]:
        for number, line in enumerate(self.text.split(b"\n"), self.first):
            if number not in self.left_out:
                yield number, line.removesuffix(b"\r")

    def _record(self, number: int, text: str) -> Record:
        fields = self.layout.split(text)
        if len(fields) != len(self.layout.fields):
            return Record(number, text, fault=f"{len(fields)} fields instead of {len(self.layout.fields)}")
        pairs = zip(self.layout.fields, fields, strict=True)
        return Record(number, text, [self._value(value) for name, value in pairs if name is not None])

    def _value(self, text: str) -> str | None:
        return None if text in self.layout.nulls else text.rstrip(" ")


def lines(file: str, stream: BinaryIO, layout: Layout, first: int = 1) -> Iterator[Lines]:
    """The rest of a stream, from line `first` on, in blocks of whole lines.

    Raises LoadError for a line so long that this cannot be text in lines.
    """
    rest = b""
    while data := stream.read(BLOCK):
        cut = data.rfind(b"\n") + 1
        if not cut and len(rest) > _LONGEST:
            raise LoadError(f"{file}, line {first}: longer than {_LONGEST >> 20} MB, this is not text in lines")
        text, rest = (rest + data[:cut], data[cut:]) if cut else (b"", rest + data)
        if text:
            yield Lines(file, first, text, layout)
            first += text.count(b"\n")
    if rest:
        yield Lines(file, first, rest, layout)

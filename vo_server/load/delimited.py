"""Delimited text: the bulk files of a release (no header, `|`, `\\N` for null) and CSV with a header of column names.

A file is cut at line ends into blocks of a few megabytes. Threads convert these to columns: pyarrow parses fastest in
steps of one megabyte (1.7 s of processor time for a million rows of 60 columns; in steps of 16 MB, 5 s).
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from vo_server.errors import Code, LoadError
from vo_server.load.chunks import SourceRow
from vo_server.model.column import Column
from vo_server.model.types import CHAR

BLOCK_BYTES = 4 << 20
_PARSE_BLOCK_BYTES = 1 << 20
_MAX_LINE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class DelimitedLayout:
    """The layout of the lines of a file: for each field the published column that it fills, or None.

    With `restore_zeros`, digits in a CHAR(n) are filled up to n with the leading zeros that other programs strip from
    flags. With `blank_is_null`, an empty text in quotes is a missing value, too.
    """

    columns: tuple[Column, ...]
    fields: tuple[str | None, ...]
    delimiter: str
    nulls: tuple[str, ...]
    quoted: bool = False
    restore_zeros: bool = False
    blank_is_null: bool = False

    @property
    def columns_present(self) -> tuple[str, ...]:
        """Return the published columns that are filled, in the order of the fields."""
        return tuple(f for f in self.fields if f is not None)

    def parse(self, text: bytes) -> pa.Table:
        """Return the published columns of these lines."""
        options = (self._build_read_options(), self._build_parse_options(), self._build_convert_options())
        return self._convert_columns(pa_csv.read_csv(pa.BufferReader(text), *options))

    def empty(self) -> pa.Table:
        """Return the published columns without rows."""
        return pa.schema([(c.name, c.type.arrow) for c in self.columns]).empty_table()

    def split(self, line: str) -> list[str]:
        """Split a line into its fields."""
        return next(csv.reader([line], delimiter=self.delimiter)) if self.quoted else line.split(self.delimiter)

    def _build_read_options(self) -> pa_csv.ReadOptions:
        names = [name or f"\0{i}" for i, name in enumerate(self.fields)]
        return pa_csv.ReadOptions(column_names=names, block_size=_PARSE_BLOCK_BYTES, use_threads=False)

    def _build_parse_options(self) -> pa_csv.ParseOptions:
        return pa_csv.ParseOptions(delimiter=self.delimiter, quote_char='"' if self.quoted else False)

    def _build_convert_options(self) -> pa_csv.ConvertOptions:
        return pa_csv.ConvertOptions(
            column_types={c.name: pa.string() if _is_list_column(c) else c.type.arrow for c in self.columns},
            include_columns=[c.name for c in self.columns],
            include_missing_columns=True,
            null_values=list(self.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=self.blank_is_null,
        )

    def _convert_columns(self, table: pa.Table) -> pa.Table:
        arrays = [self._convert_column(c, table[c.name]) for c in self.columns]
        return pa.table(arrays, names=[c.name for c in self.columns])

    def _convert_column(self, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
        if _is_list_column(column):
            plain = pc.ascii_trim_whitespace(pc.replace_substring_regex(values, r"[\[\],\s]+", " "))
            return pc.ascii_split_whitespace(plain).cast(column.type.arrow)
        return self._convert_text(column, values) if column.type.family == "text" else values

    def _convert_text(self, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
        values = pc.ascii_rtrim(values, " ")
        return fill_zeros(column, values) if self.restore_zeros else values


def _is_list_column(column: Column) -> bool:
    """Tell whether values are numbers separated by blanks or commas, as in a geometry."""
    return bool(pa.types.is_list(column.type.arrow))


def fill_zeros(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Fill values that consist of digits with leading zeros up to the length of a CHAR(n)."""
    if column.type is not CHAR or column.length is None or column.length < 2:
        return values
    filled = pc.ascii_lpad(values, width=column.length, padding="0")
    return pc.if_else(pc.match_substring_regex(values, "^[0-9]+$"), filled, values)


@dataclass(frozen=True, slots=True)
class DelimitedLines:
    """A block of whole lines of a file; `first` is the number of the first line."""

    file: str
    first: int
    text: bytes
    layout: DelimitedLayout
    dropped: frozenset[int] = frozenset()
    unit: Literal["line"] = "line"

    @property
    def column_names(self) -> Sequence[str]:
        """Return the published columns that the file has."""
        return self.layout.columns_present

    @property
    def exact_columns(self) -> Collection[str]:
        """Return no columns: a text may be a number that overflows."""
        return ()

    def to_table(self) -> pa.Table:
        """Return the lines as published columns."""
        text = b"\n".join(line for _, line in self._number_lines()) if self.dropped else self.text
        return self.layout.parse(text) if text else self.layout.empty()

    def iterate_rows(self) -> Iterator[SourceRow]:
        """Yield the lines one by one, without empty ones."""
        for number, line in self._number_lines():
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                yield SourceRow(number, repr(line)[2:-1], error=f"byte {line[error.start]:#04x} is not valid UTF-8")
                continue
            if text:
                yield self._parse_row(number, text)

    def drop_rows(self, numbers: Collection[int]) -> DelimitedLines:
        """Return the block without the lines of these numbers."""
        return replace(self, dropped=self.dropped | frozenset(numbers))

    def _number_lines(self) -> Iterator[tuple[int, bytes]]:
        for number, line in enumerate(self.text.split(b"\n"), self.first):
            if number not in self.dropped:
                yield number, line.removesuffix(b"\r")

    def _parse_row(self, number: int, text: str) -> SourceRow:
        fields = self.layout.split(text)
        if len(fields) != len(self.layout.fields):
            return SourceRow(number, text, error=f"{len(fields)} fields instead of {len(self.layout.fields)}")
        pairs = zip(self.layout.fields, fields, strict=True)
        return SourceRow(number, text, [self._parse_value(value) for name, value in pairs if name is not None])

    def _parse_value(self, text: str) -> str | None:
        return None if text in self.layout.nulls else text.rstrip(" ")


def read_lines(file: str, stream: BinaryIO, layout: DelimitedLayout, first: int = 1) -> Iterator[DelimitedLines]:
    """Yield the rest of a stream, from line number `first`, in blocks of whole lines.

    Raises LoadError for a line longer than 16 MB.
    """
    rest = b""
    while data := stream.read(BLOCK_BYTES):
        cut = data.rfind(b"\n") + 1
        if not cut and len(rest) > _MAX_LINE_BYTES:
            message = f"{file}, line {first}: longer than {_MAX_LINE_BYTES >> 20} MB, so this is not text in lines"
            raise LoadError(message, code=Code.LOAD_UNREADABLE)
        text, rest = (rest + data[:cut], data[cut:]) if cut else (b"", rest + data)
        if text:
            yield DelimitedLines(file, first, text, layout)
            first += text.count(b"\n")
    if rest:
        yield DelimitedLines(file, first, rest, layout)

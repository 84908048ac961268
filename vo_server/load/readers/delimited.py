"""Reader of CSV and similar formats with a line of names, and of ECSV (APE 6), whose comments describe the columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast

import pyarrow as pa
import pyarrow.csv as pa_csv

from vo_server.errors import Code, LoadError
from vo_server.formats.field import COMPLEX_HINT
from vo_server.load.input_files import InputFile
from vo_server.load.readers.metadata import TableMetadata, parse_yaml_metadata
from vo_server.load.readers.source_table import SourceTable
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.unique_names import make_unique

DELIMITERS = (",", "\t", ";", "|")
NULLS = ("", "\\N", "null", "NULL", "NaN", "nan", *(" " * n for n in range(1, 33)))
TYPES = (types.BIGINT, types.DOUBLE, types.DATE, types.TIMESTAMP, types.BOOLEAN)
"""The types of columns without a declared type, the narrowest first; if none fits, a column is text."""

_ECSV = re.compile(r"# %ECSV 1\.\d")
_VIZIER = re.compile(r"#Column\t(\S+)\t\([^)]*\)\t(.*?)\s*\t\[ucd=([^\]]*)\].*")
_SEPARATOR_LINE = re.compile(r"-+([\t;,|]-+)+")
_BLOCK_BYTES = 4 << 20
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class DelimitedHeader:
    """The header of a file, of `number` lines: comments, the line of names and, in files of VizieR, a line of units."""

    names: tuple[str, ...]
    delimiter: str
    number: int
    comments: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def is_ecsv(self) -> bool:
        """Tell whether it is the header of an ECSV file."""
        return bool(self.comments) and _ECSV.match(self.comments[0]) is not None

    @property
    def nulls(self) -> tuple[str, ...]:
        """Return the texts that represent missing values."""
        return ("",) if self.is_ecsv else NULLS

    @property
    def metadata(self) -> TableMetadata:
        """Return the metadata in the comments."""
        if self.is_ecsv:
            return parse_yaml_metadata([c.removeprefix("#").removeprefix(" ") for c in self.comments[1:]])
        metadata: dict[str, dict[str, Any]] = {n: {"unit": u} for n, u in zip(self.names, self.units, strict=False)}
        for match in filter(None, map(_VIZIER.fullmatch, self.comments)):
            metadata.setdefault(match[1], {}).update(description=match[2], meta={"ucd": match[3]})
        return TableMetadata(metadata, {k: v for k, v in (("title", _find_title(self.comments)),) if v})


def parse_header(start: bytes, count_known: Callable[[Sequence[str]], int] = len) -> DelimitedHeader:
    """Return the header of a file from its first bytes; the delimiter is the one with the most known column names."""
    lines = start.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").split("\n")
    comments = [line.rstrip("\r") for line in takewhile(lambda line: line.startswith("#") or not line.strip(), lines)]
    first, *rest = [line.rstrip("\r") for line in lines[len(comments) :]] or [""]
    delimiter = _find_delimiter(comments) or max(DELIMITERS, key=lambda d: count_known(_split_fields(first, d)))
    names, number = tuple(make_unique(_split_fields(first, delimiter), ignore_case=False)), len(comments) + 1
    if rest and _SEPARATOR_LINE.fullmatch(rest[0]):
        return DelimitedHeader(names, delimiter, number + 1, tuple(comments))
    if len(rest) > 1 and _SEPARATOR_LINE.fullmatch(rest[1]):
        return DelimitedHeader(names, delimiter, number + 2, tuple(comments), tuple(_split_fields(rest[0], delimiter)))
    return DelimitedHeader(names, delimiter, number, tuple(comments))


def _find_title(comments: Sequence[str]) -> str | None:
    """Return the title of a file of VizieR; the first title is that of the catalogue."""
    return next((line.partition(":")[2].strip() for line in comments if line.startswith("#Title:")), None)


def _find_delimiter(comments: Sequence[str]) -> str | None:
    """Return the delimiter of an ECSV file, by default a blank; None for another file."""
    if not comments or not _ECSV.match(comments[0]):
        return None
    matches = (re.fullmatch(r"# delimiter: '?(.)'?\s*", line) for line in comments)
    return next((match[1] for match in matches if match), " ")


def _split_fields(line: str, delimiter: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]


@contextmanager
def read_delimited(input: InputFile) -> Iterator[SourceTable]:
    """Read a table of delimited text.

    Raises LoadError if its first line has no names.
    """
    header = parse_header(input.head)
    if len(header.names) < 2 or any(_NUMBER.fullmatch(name) or not name for name in header.names):
        problem = "has an empty column name" if not all(header.names) else "has no column names"
        message = f"line {header.number} of {input.name} {problem}"
        raise LoadError(message, hint="put a line of names before the rows", code=Code.LOAD_UNREADABLE)
    metadata = header.metadata
    columns = [metadata.add_to(_build_column(name, metadata.columns.get(name))) for name in header.names]
    for _ in range(header.number):
        input.stream.readline()

    def read(fields: Sequence[str]) -> Iterator[pa.Table]:
        options = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(header.names, pa.string()),
            include_columns=list(fields),
            null_values=list(header.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=header.is_ecsv,
        )
        reading = pa_csv.ReadOptions(column_names=list(header.names), block_size=_BLOCK_BYTES)
        cutting = pa_csv.ParseOptions(delimiter=header.delimiter, invalid_row_handler=lambda _: "skip")
        if not cast(io.BufferedReader, input.stream).peek(1):
            return
        for batch in pa_csv.open_csv(input.stream, reading, cutting, options):
            yield pa.table(batch)

    untyped = {} if header.is_ecsv else dict.fromkeys(header.names, TYPES)
    yield SourceTable(tuple(columns), read, untyped, metadata=metadata.metadata, unit="line", first=header.number + 1)


_SCALARS = {
    "bool": types.BOOLEAN, "uint8": types.BYTE, "int8": types.SMALLINT, "int16": types.SMALLINT,
    "uint16": types.INTEGER, "int32": types.INTEGER, "uint32": types.BIGINT, "int64": types.BIGINT,
    "uint64": types.BIGINT, "float16": types.REAL, "float32": types.REAL, "float64": types.DOUBLE,
    "float128": types.DOUBLE, "string": types.VARCHAR,
}  # fmt: skip
"""The datatypes of ECSV (APE 6)."""

_SUBTYPE = re.compile(r"(\w+)\[(.*)\]")


def _build_column(name: str, metadata: Mapping[str, Any] | None) -> Column:
    """Return the column of a name, with its type if it is declared."""
    datatype = str((metadata or {}).get("datatype"))
    if metadata is None or datatype == "None":
        return Column(name, types.VARCHAR)
    if datatype.startswith("complex"):
        message = f"the column {name} has complex numbers: not supported"
        raise LoadError(message, hint=COMPLEX_HINT, code=Code.LOAD_MISMATCH)
    inside = _SUBTYPE.fullmatch(str(metadata.get("subtype") or ""))
    of = _SCALARS.get(inside[1]) if inside else None
    kind = next((t for t in types.ARRAYS if of is not None and t.arrow.value_type == of.arrow), None)
    if inside is None or kind is None:
        return Column(name, _SCALARS.get(datatype, types.VARCHAR))
    sides = [side.strip() for side in inside[2].split(",")]
    return Column(name, kind, arraysize_override="x".join(reversed(sides)) if all(s.isdigit() for s in sides) else None)

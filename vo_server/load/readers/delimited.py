"""CSV and its like with a line of names, and ECSV (APE 6), whose comments say what the columns are."""

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

from vo_server.errors import LoadError
from vo_server.formats.field import COMPLEX
from vo_server.load.inputs import Input
from vo_server.load.readers.described import Described, described
from vo_server.load.readers.found import Found, distinct
from vo_server.model import types
from vo_server.model.column import Column

DELIMITERS = (",", "\t", ";", "|")
NULLS = ("", "\\N", "null", "NULL", "NaN", "nan", *(" " * n for n in range(1, 33)))
KINDS = (types.BIGINT, types.DOUBLE, types.DATE, types.TIMESTAMP, types.BOOLEAN)
"""What a column may be whose type is not said, the narrowest first; else it is text."""

_ECSV = re.compile(r"# %ECSV 1\.\d")
_VIZIER = re.compile(r"#Column\t(\S+)\t\([^)]*\)\t(.*?)\s*\t\[ucd=([^\]]*)\].*")
_RULE = re.compile(r"-+([\t;,|]-+)+")
_BLOCK = 4 << 20
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the rows, in so many lines: comments, the line of names, and as VizieR has it one of units."""

    names: tuple[str, ...]
    delimiter: str
    number: int
    comments: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def described(self) -> bool:
        """Is it that of an ECSV file?"""
        return bool(self.comments) and _ECSV.match(self.comments[0]) is not None

    @property
    def nulls(self) -> tuple[str, ...]:
        """The texts that stand for a missing value."""
        return ("",) if self.described else NULLS

    @property
    def told(self) -> Described:
        """What the comments say of the columns."""
        if self.described:
            return described([c.removeprefix("#").removeprefix(" ") for c in self.comments[1:]])
        told: dict[str, dict[str, Any]] = {n: {"unit": u} for n, u in zip(self.names, self.units, strict=False)}
        for found in filter(None, map(_VIZIER.fullmatch, self.comments)):
            told.setdefault(found[1], {}).update(description=found[2], meta={"ucd": found[3]})
        return Described(told, {k: v for k, v in (("title", _title(self.comments)),) if v})


def head(start: bytes, likely: Callable[[Sequence[str]], int] = len) -> Head:
    """The head of a file that begins so; of all delimiters that one of which most columns are `likely`."""
    lines = start.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").split("\n")
    comments = [line.rstrip("\r") for line in takewhile(lambda line: line.startswith("#") or not line.strip(), lines)]
    first, *rest = [line.rstrip("\r") for line in lines[len(comments) :]] or [""]
    delimiter = _delimiter(comments) or max(DELIMITERS, key=lambda d: likely(_split(first, d)))
    names, number = tuple(distinct(_split(first, delimiter))), len(comments) + 1
    if rest and _RULE.fullmatch(rest[0]):
        return Head(names, delimiter, number + 1, tuple(comments))
    if len(rest) > 1 and _RULE.fullmatch(rest[1]):
        return Head(names, delimiter, number + 2, tuple(comments), tuple(_split(rest[0], delimiter)))
    return Head(names, delimiter, number, tuple(comments))


def _title(comments: Sequence[str]) -> str | None:
    """What VizieR calls the table; its first title is that of the catalogue."""
    return next((line.partition(":")[2].strip() for line in comments if line.startswith("#Title:")), None)


def _delimiter(comments: Sequence[str]) -> str | None:
    """The delimiter of an ECSV file: a blank where it says nothing."""
    if not comments or not _ECSV.match(comments[0]):
        return None
    said = (re.fullmatch(r"# delimiter: '?(.)'?\s*", line) for line in comments)
    return next((found[1] for found in said if found), " ")


def _split(line: str, delimiter: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]


@contextmanager
def delimited(input: Input) -> Iterator[Found]:
    """A table of delimited text.

    Raises LoadError where its first line has no names.
    """
    top = head(input.head)
    if len(top.names) < 2 or any(_NUMBER.fullmatch(name) or not name for name in top.names):
        said = "has no name of a column" if not all(top.names) else "has no names of columns"
        raise LoadError(f"line {top.number} of {input.name} {said}", hint="put a line of names before the rows")
    told = top.told
    columns = [told.add_to(_column(name, told.columns.get(name))) for name in top.names]
    for _ in range(top.number):
        input.stream.readline()

    def read(fields: Sequence[str]) -> Iterator[pa.Table]:
        options = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(top.names, pa.string()),
            include_columns=list(fields),
            null_values=list(top.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=top.described,
        )
        reading = pa_csv.ReadOptions(column_names=list(top.names), block_size=_BLOCK)
        cutting = pa_csv.ParseOptions(delimiter=top.delimiter, invalid_row_handler=lambda _: "skip")
        if not cast(io.BufferedReader, input.stream).peek(1):
            return
        for batch in pa_csv.open_csv(input.stream, reading, cutting, options):
            yield pa.table(batch)

    loose = {} if top.described else dict.fromkeys(top.names, KINDS)
    yield Found(tuple(columns), read, loose, said=told.said, unit="line", first=top.number + 1)


_SCALARS = {
    "bool": types.BOOLEAN, "uint8": types.BYTE, "int8": types.SMALLINT, "int16": types.SMALLINT,
    "uint16": types.INTEGER, "int32": types.INTEGER, "uint32": types.BIGINT, "int64": types.BIGINT,
    "uint64": types.BIGINT, "float16": types.REAL, "float32": types.REAL, "float64": types.DOUBLE,
    "float128": types.DOUBLE, "string": types.VARCHAR,
}  # fmt: skip
"""The datatypes of ECSV (APE 6)."""

_SUBTYPE = re.compile(r"(\w+)\[(.*)\]")


def _column(name: str, told: Mapping[str, Any] | None) -> Column:
    """The column of a name, with its type where that is told."""
    said = str((told or {}).get("datatype"))
    if told is None or said == "None":
        return Column(name, types.VARCHAR)
    if said.startswith("complex"):
        raise LoadError(f"the column {name} holds complex numbers, which are not taken here", hint=COMPLEX)
    inside = _SUBTYPE.fullmatch(str(told.get("subtype") or ""))
    of = _SCALARS.get(inside[1]) if inside else None
    kind = next((t for t in types.ARRAYS if of is not None and t.arrow.value_type == of.arrow), None)
    if inside is None or kind is None:
        return Column(name, _SCALARS.get(said, types.VARCHAR))
    sides = [side.strip() for side in inside[2].split(",")]
    return Column(name, kind, shape="x".join(reversed(sides)) if all(s.isdigit() for s in sides) else None)

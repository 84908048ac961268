"""Reader of IPAC tables: fixed-width columns below the bars of a header.

https://irsa.ipac.caltech.edu/applications/DDGEN/Doc/ipac_tbl.html
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import pyarrow as pa

from vo_server.load.input_files import InputFile
from vo_server.load.readers.metadata import normalise_metadata
from vo_server.load.readers.source_table import CHUNK_ROWS, SourceTable
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.unique_names import make_unique

_KEYWORD = re.compile(r"\\(\w+)\s*=\s*(.*)")
_NAMED = re.compile(r"\\ (\S+)(?: \((.*)\))?\s*")
_DESCRIPTION = re.compile(r"\\ ___ (.*)")
_KINDS_BY_LETTER = {"i": "integer", "l": "integer", "d": "real", "f": "real", "r": "real", "t": "time"}
"""Kinds of types by the first letter: int, long, double, float, real, time; other and undeclared types are texts."""

_TYPES_BY_KIND = {
    "integer": (types.BIGINT, types.DOUBLE),
    "real": (types.DOUBLE,),
    "time": (types.DATE, types.TIMESTAMP),
}


@dataclass(frozen=True, slots=True)
class _IpacHeader:
    """The header lines, and the number of the first line of rows."""

    comments: list[str]
    bars: list[str]
    first: int

    def split_line(self, line: int) -> list[str]:
        """Return the texts between the bars of a header line; empty texts if there is no such line."""
        if len(self.bars) <= line:
            return [""] * len(self.spans)
        return [self.bars[line][a + 1 : b].strip() for a, b in self.spans]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Return the start and end position of each column."""
        return list(pairwise(i for i, c in enumerate(self.bars[0]) if c == "|"))


@contextmanager
def read_ipac(input: InputFile) -> Iterator[SourceTable]:
    """Read an IPAC table."""
    stream = io.TextIOWrapper(input.stream, encoding="utf-8", errors="replace", newline="\n")
    header, body = _read_header(stream)
    names = make_unique(header.split_line(0), ignore_case=False)
    nulls = dict(zip(names, header.split_line(3), strict=True))
    spans = dict(zip(names, header.spans, strict=True))

    def read(fields: Sequence[str]) -> Iterator[pa.Table]:
        while lines := _read_block(body):
            yield pa.table(
                {f: pa.array(_split_cells(lines, *spans[f], {"", "null", nulls[f]}), pa.string()) for f in fields}
            )

    keywords = [match for line in header.comments if (match := _KEYWORD.match(line))]
    yield SourceTable(
        _build_columns(header, names),
        read,
        {
            name: _TYPES_BY_KIND[kind]
            for name, declared in zip(names, header.split_line(1), strict=True)
            if (kind := _find_kind(declared))
        },
        metadata=normalise_metadata({match[1]: match[2].strip().strip("'\"").strip() for match in reversed(keywords)}),
        unit="line",
        first=header.first,
    )
    stream.detach()


def _find_kind(declared: str) -> str | None:
    return "time" if declared.lower() == "date" else _KINDS_BY_LETTER.get(declared[:1].lower())


def _build_columns(header: _IpacHeader, names: Sequence[str]) -> tuple[Column, ...]:
    descriptions = _parse_descriptions(header.comments)
    return tuple(
        Column(
            name,
            types.VARCHAR,
            unit=unit or descriptions.get(name, ("", ""))[0] or None,
            description=descriptions.get(name, ("", ""))[1] or None,
        )
        for name, unit in zip(names, header.split_line(2), strict=True)
    )


def _parse_descriptions(comments: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """Return (unit, description) by column as IRSA writes them: a line with name and unit, below it the description."""
    descriptions_by_name = {}
    for above, below in pairwise(comments):
        if (named := _NAMED.fullmatch(above)) and (declared := _DESCRIPTION.fullmatch(below)):
            descriptions_by_name[named[1]] = (named[2] or "", declared[1].strip())
    return descriptions_by_name


def _read_header(stream: io.TextIOWrapper) -> tuple[_IpacHeader, Iterator[str]]:
    """Read the header; return it and an iterator of the other lines."""
    comments: list[str] = []
    bars: list[str] = []
    for number, line in enumerate(stream, 1):
        if line.startswith("|"):
            bars.append(line)
        elif line.startswith("\\"):
            comments.append(line.rstrip())
        else:
            return _IpacHeader(comments, bars, number), chain([line], stream)
    return _IpacHeader(comments, bars, 0), iter(())


def _read_block(body: Iterator[str]) -> list[str]:
    """Read the next lines, without empty ones at the end."""
    lines = [line.rstrip("\r\n") for line in islice(body, CHUNK_ROWS)]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _split_cells(lines: Sequence[str], start: int, end: int, nulls: Collection[str]) -> list[str | None]:
    return [None if (cell := line[start:end].strip()) in nulls else cell for line in lines]

"""IPAC tables: columns of characters under the bars of a header.

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

from vo_server.load.inputs import Input
from vo_server.load.readers.described import statements
from vo_server.load.readers.found import ROWS, Found, distinct
from vo_server.model import types
from vo_server.model.column import Column

_KEYWORD = re.compile(r"\\(\w+)\s*=\s*(.*)")
_NAMED = re.compile(r"\\ (\S+)(?: \((.*)\))?\s*")
_SAID = re.compile(r"\\ ___ (.*)")
_TYPES = {"i": "integer", "l": "integer", "d": "real", "f": "real", "r": "real", "t": "time"}
"""What a type begins with; the rest, and what is not said, are texts: int, long, double, float, real, date, char."""

_KINDS = {
    "integer": (types.BIGINT, types.DOUBLE),
    "real": (types.DOUBLE,),
    "time": (types.DATE, types.TIMESTAMP),
}


@dataclass(frozen=True, slots=True)
class _Head:
    """The lines before the rows, and the number of the first that is one."""

    comments: list[str]
    bars: list[str]
    first: int

    def cells(self, line: int) -> list[str]:
        """What stands between the bars of one of the lines, if it is there."""
        if len(self.bars) <= line:
            return [""] * len(self.spans)
        return [self.bars[line][a + 1 : b].strip() for a, b in self.spans]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """From where to where each column goes."""
        return list(pairwise(i for i, c in enumerate(self.bars[0]) if c == "|"))


@contextmanager
def ipac(input: Input) -> Iterator[Found]:
    """An IPAC table."""
    stream = io.TextIOWrapper(input.stream, encoding="utf-8", errors="replace", newline="\n")
    head, body = _head(stream)
    names = distinct(head.cells(0))
    nulls = dict(zip(names, head.cells(3), strict=True))
    spans = dict(zip(names, head.spans, strict=True))

    def read(fields: Sequence[str]) -> Iterator[pa.Table]:
        while lines := _block(body):
            yield pa.table({f: pa.array(_cells(lines, *spans[f], {"", "null", nulls[f]}), pa.string()) for f in fields})

    keywords = [found for line in head.comments if (found := _KEYWORD.match(line))]
    yield Found(
        _columns(head, names),
        read,
        {name: _KINDS[kind] for name, said in zip(names, head.cells(1), strict=True) if (kind := _kind(said))},
        said=statements({found[1]: found[2].strip().strip("'\"").strip() for found in reversed(keywords)}),
        unit="line",
        first=head.first,
    )
    stream.detach()


def _kind(said: str) -> str | None:
    return "time" if said.lower() == "date" else _TYPES.get(said[:1].lower())


def _columns(head: _Head, names: Sequence[str]) -> tuple[Column, ...]:
    told = _descriptions(head.comments)
    return tuple(
        Column(
            name,
            types.VARCHAR,
            unit=unit or told.get(name, ("", ""))[0] or None,
            description=told.get(name, ("", ""))[1] or None,
        )
        for name, unit in zip(names, head.cells(2), strict=True)
    )


def _descriptions(comments: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """What IRSA says of columns: a line with the name and the unit, and below it one with the description."""
    made = {}
    for above, below in pairwise(comments):
        if (named := _NAMED.fullmatch(above)) and (said := _SAID.fullmatch(below)):
            made[named[1]] = (named[2] or "", said[1].strip())
    return made


def _head(stream: io.TextIOWrapper) -> tuple[_Head, Iterator[str]]:
    """The head, and the lines below it."""
    comments: list[str] = []
    bars: list[str] = []
    for number, line in enumerate(stream, 1):
        if line.startswith("|"):
            bars.append(line)
        elif line.startswith("\\"):
            comments.append(line.rstrip())
        else:
            return _Head(comments, bars, number), chain([line], stream)
    return _Head(comments, bars, 0), iter(())


def _block(body: Iterator[str]) -> list[str]:
    """The next lines, without empty ones at the end."""
    lines = [line.rstrip("\r\n") for line in islice(body, ROWS)]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _cells(lines: Sequence[str], start: int, end: int, nulls: Collection[str]) -> list[str | None]:
    return [None if (cell := line[start:end].strip()) in nulls else cell for line in lines]

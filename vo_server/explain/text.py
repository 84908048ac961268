"""An explanation for people: a few headings, and lines below them that fit a width where they can."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten, wrap

from vo_server.adql.planning.cells import CellJoin
from vo_server.engines.engine import Step
from vo_server.explain.explanation import Estimate, Explanation, Reading, Stretches
from vo_server.model.column import Column
from vo_server.sky import cover

WIDTH = 100
"""Characters of a line, where nothing is known of who reads it."""

MOST_COLUMNS, MOST_RANGES, MOST_SQL = 500, 4, 20_000
"""Columns, ranges of a table and characters of SQL that are told; JSON has more of them."""

SQUARE_DEGREES = 41_252.96
"""Of the whole sky."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines."""

    title: str
    lines: tuple[str, ...]


def as_text(explained: Explanation, width: int = WIDTH) -> bytes:
    """The explanation as plain text."""
    parts = ("\n".join((s.title, *(f"  {line}".rstrip() for line in s.lines))) for s in sections(explained, width))
    return ("\n\n".join(parts) + "\n").encode()


def sections(explained: Explanation, width: int = WIDTH) -> list[Section]:
    """What there is to say; sections that would be empty are left out."""
    inside = width - 2
    engine = explained.engine
    made = (
        Section("Estimate", tuple(_estimate(explained.estimate, explained.maxrec, inside))),
        Section("Warnings", tuple(_prose(explained.warnings, inside))),
        Section("Advice", tuple(_prose(explained.advice, inside))),
        Section("Tables", tuple(line for reading in explained.readings for line in _reading(reading))),
        Section("Joins through cells of the sky", tuple(line for join in explained.joins for line in _join(join))),
        Section(f"Columns ({len(explained.columns)})", tuple(_columns(explained.columns, inside))),
        Section(f"SQL of {engine.engine}", tuple(_sql(engine.sql, inside))),
        Section(f"Plan of {engine.engine}", tuple(_plan(engine.plan, inside))),
    )
    return [section for section in made if section.lines]


def _prose(sentences: Iterable[str], width: int) -> Iterator[str]:
    for sentence in sentences:
        yield from wrap(sentence, width, subsequent_indent="  ")


# --------------------------------------------------------------- estimate


def _estimate(estimate: Estimate, maxrec: int, width: int) -> Iterator[str]:
    yield f"rows   {_expected(estimate, maxrec)}"
    sizes = (f"{name} {_bytes(size)}" for name, size in estimate.bytes.items())
    for number, line in enumerate(_filled(sizes, ", ", width - 7)):
        yield f"       {line}" if number else f"bytes  {line}"


def _expected(estimate: Estimate, maxrec: int) -> str:
    if estimate.rows is None:
        return f"not known, at most {estimate.most:,}"
    limit = f"MAXREC {maxrec:,}" if estimate.most == maxrec else f"TOP {estimate.most:,}"
    told = ((estimate.index, "the index ranges"), (estimate.engine, "the plan"))
    by = ", ".join(f"{rows:,} by {name}" for rows, name in told if rows is not None)
    cut = estimate.found is not None and estimate.found > estimate.most
    return f"{'' if cut else 'about '}{estimate.rows:,} ({by}; {limit}{' cuts' if cut else ''})"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


# ------------------------------------------------------------------ reads


def _reading(reading: Reading) -> Iterator[str]:
    name = (
        reading.table.qualified if reading.name == reading.table.name else f"{reading.table.qualified} {reading.name}"
    )
    rows = "of unknown size" if reading.rows is None else _counted(reading.rows, "row")
    if reading.stretches is None:
        yield f"{name}: {rows}" + ("; no index ranges, so all of the sky" if reading.table.position else "")
        return
    yield f"{name}: {rows}; {_part(reading.stretches)}"
    for first, last in reading.stretches.ranges[:MOST_RANGES]:
        yield f"  {first} to {last}"
    more = len(reading.stretches.ranges) - MOST_RANGES
    if more > 0:
        yield f"  and {_counted(more, 'more range')}"


def _part(stretches: Stretches) -> str:
    if not stretches.ranges:
        return "no part of the sky can hold a row"
    rows = "" if stretches.rows is None else f", about {_counted(stretches.rows, 'row')}"
    area = stretches.sky * SQUARE_DEGREES
    return f"{_counted(len(stretches.ranges), 'index range')}, {area:,.3g} square degrees{rows}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _join(join: CellJoin) -> Iterator[str]:
    cells = "cells as large as each of them needs"
    if join.order is not None:
        cells = f"cells of order {join.order} ({_angle(cover.width(join.order))} wide)"
    yield f"circles about the positions of {join.spread} are spread over {cells}"
    where = "read from its index" if join.indexed else "worked out from its position"
    yield f"{join.other} has one cell a row, {where}"


def _angle(degrees: float) -> str:
    for unit, part in (("deg", 1), ("arcmin", 60), ("arcsec", 3600)):
        if degrees * part >= 1:
            return f"{degrees * part:.3g} {unit}"
    return f"{degrees * 3600:.2g} arcsec"


# ---------------------------------------------------------------- columns


def _columns(columns: Sequence[Column], width: int) -> Iterator[str]:
    shown = columns[:MOST_COLUMNS]
    cells = [(c.name, _type(c), c.unit or "", c.ucd or "") for c in shown]
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for cell, column in zip(cells, shown, strict=True):
        line = "  ".join(text.ljust(n) for text, n in zip(cell, wide, strict=True) if n)
        left = width - len(line) - 2
        about = shorten(column.description or "", left, placeholder="...") if left >= 20 else ""
        yield f"{line}  {about}".rstrip()
    if len(columns) > MOST_COLUMNS:
        yield f"and {len(columns) - MOST_COLUMNS:,} more"


def _type(column: Column) -> str:
    return f"{column.type.name}({column.length})" if column.length else column.type.name


# ----------------------------------------------------------- SQL and plan


def _sql(text: str, width: int) -> Iterator[str]:
    told = text[:MOST_SQL]
    for line in told.splitlines():
        yield from _wrapped(line, width)
    if len(told) < len(text):
        yield f"... and {len(text) - len(told):,} characters more"


_PIECES = re.compile(r"""(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\s'"])+""")
"""What stands between blanks; texts and quoted names are not broken."""


def _wrapped(line: str, width: int) -> Iterator[str]:
    """A line of SQL in as many as it needs, those that follow indented."""
    for number, each in enumerate(_filled(_PIECES.findall(line), " ", width - 4)):
        yield f"    {each}" if number else each


def _filled(pieces: Iterable[str], between: str, width: int) -> Iterator[str]:
    """The pieces in lines that have the width, where a piece alone does not exceed it."""
    made = ""
    for piece in pieces:
        if made and len(made) + len(between) + len(piece) > width:
            yield made + between.rstrip()
            made = piece
        else:
            made = f"{made}{between}{piece}" if made else piece
    if made:
        yield made


def _plan(step: Step, width: int, depth: int = 0) -> Iterator[str]:
    """Steps below those that take their rows, as databases tell their plans."""
    pad = "  " * depth
    rows = "" if step.rows is None else f"  about {_counted(step.rows, 'row')}"
    yield f"{pad}{step.name}{rows}"
    for name, value in step.details.items():
        if value:
            yield pad + "    " + shorten(f"{name}: {value}", max(width - len(pad) - 4, 40), placeholder=" ...")
    for each in step.inputs:
        yield from _plan(each, width, depth + 1)

"""Explanations as plain text: a few headings, and lines below them that fit a width where they can."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten, wrap

from vo_server.adql.planning.cells import CellJoin
from vo_server.engines.engine import PlanStep
from vo_server.explain.explanation import Estimate, Explanation, IndexCoverage, TableRead
from vo_server.model.column import Column
from vo_server.sky import cover

WIDTH = 100
"""Characters of a line, where the reader's width is not known."""

MAX_COLUMNS, MAX_RANGES, MAX_SQL_CHARACTERS = 500, 4, 20_000
"""Columns, ranges of a table and characters of SQL that are shown; JSON has more of them."""

SQUARE_DEGREES = 41_252.96
"""Square degrees of the whole sky."""


@dataclass(frozen=True, slots=True)
class TextSection:
    """A heading and its lines."""

    title: str
    lines: tuple[str, ...]


def as_text(explanation: Explanation, width: int = WIDTH) -> bytes:
    """Return the explanation as plain text."""
    parts = (
        "\n".join((s.title, *(f"  {line}".rstrip() for line in s.lines))) for s in build_sections(explanation, width)
    )
    return ("\n\n".join(parts) + "\n").encode()


def build_sections(explanation: Explanation, width: int = WIDTH) -> list[TextSection]:
    """Return the sections; those that would be empty are left out."""
    inside = width - 2
    engine = explanation.engine
    sections = (
        TextSection("Estimate", tuple(_format_estimate(explanation.estimate, explanation.maxrec, inside))),
        TextSection("Warnings", tuple(_wrap_sentences(explanation.warnings, inside))),
        TextSection("Advice", tuple(_wrap_sentences(explanation.advice, inside))),
        TextSection("Tables", tuple(line for reading in explanation.reads for line in _format_read(reading))),
        TextSection(
            "Joins through cells of the sky", tuple(line for join in explanation.joins for line in _format_join(join))
        ),
        TextSection(f"Columns ({len(explanation.columns)})", tuple(_format_columns(explanation.columns, inside))),
        TextSection(f"SQL of {engine.engine}", tuple(_format_sql(engine.sql, inside))),
        TextSection(f"Plan of {engine.engine}", tuple(_format_plan(engine.plan, inside))),
    )
    return [section for section in sections if section.lines]


def _wrap_sentences(sentences: Iterable[str], width: int) -> Iterator[str]:
    for sentence in sentences:
        yield from wrap(sentence, width, subsequent_indent="  ")


# --------------------------------------------------------------- estimate


def _format_estimate(estimate: Estimate, maxrec: int, width: int) -> Iterator[str]:
    yield f"rows   {_format_expected_rows(estimate, maxrec)}"
    sizes = (f"{name} {_format_bytes(size)}" for name, size in estimate.bytes.items())
    for number, line in enumerate(_fill_lines(sizes, ", ", width - 7)):
        yield f"       {line}" if number else f"bytes  {line}"


def _format_expected_rows(estimate: Estimate, maxrec: int) -> str:
    if estimate.rows is None:
        return f"not known, at most {estimate.max_rows:,}"
    limit = f"MAXREC {maxrec:,}" if estimate.max_rows == maxrec else f"TOP {estimate.max_rows:,}"
    estimates = ((estimate.index, "the index ranges"), (estimate.engine, "the plan"))
    sources = ", ".join(f"{rows:,} by {name}" for rows, name in estimates if rows is not None)
    cut = estimate.unlimited_rows is not None and estimate.unlimited_rows > estimate.max_rows
    return f"{'' if cut else 'about '}{estimate.rows:,} ({sources}; {limit}{' cuts' if cut else ''})"


def _format_bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


# ------------------------------------------------------------------ reads


def _format_read(reading: TableRead) -> Iterator[str]:
    name = (
        reading.table.qualified_name
        if reading.name == reading.table.name
        else f"{reading.table.qualified_name} {reading.name}"
    )
    rows = "of unknown size" if reading.rows is None else _format_count(reading.rows, "row")
    if reading.coverage is None:
        yield f"{name}: {rows}" + ("; no index ranges, so all of the sky" if reading.table.position else "")
        return
    yield f"{name}: {rows}; {_format_coverage(reading.coverage)}"
    for first, last in reading.coverage.ranges[:MAX_RANGES]:
        yield f"  {first} to {last}"
    more = len(reading.coverage.ranges) - MAX_RANGES
    if more > 0:
        yield f"  and {_format_count(more, 'more range')}"


def _format_coverage(stretches: IndexCoverage) -> str:
    if not stretches.ranges:
        return "no part of the sky can hold a row"
    rows = "" if stretches.rows is None else f", about {_format_count(stretches.rows, 'row')}"
    area = stretches.sky * SQUARE_DEGREES
    return f"{_format_count(len(stretches.ranges), 'index range')}, {area:,.3g} square degrees{rows}"


def _format_count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _format_join(join: CellJoin) -> Iterator[str]:
    cells = "cells as large as each of them needs"
    if join.order is not None:
        cells = f"cells of order {join.order} ({_format_angle(cover.cell_width(join.order))} wide)"
    yield f"circles about the positions of {join.unnested} are spread over {cells}"
    where = "read from its index" if join.indexed else "worked out from its position"
    yield f"{join.other} has one cell a row, {where}"


def _format_angle(degrees: float) -> str:
    for unit, part in (("deg", 1), ("arcmin", 60), ("arcsec", 3600)):
        if degrees * part >= 1:
            return f"{degrees * part:.3g} {unit}"
    return f"{degrees * 3600:.2g} arcsec"


# ---------------------------------------------------------------- columns


def _format_columns(columns: Sequence[Column], width: int) -> Iterator[str]:
    listed = columns[:MAX_COLUMNS]
    cells = [(c.name, _format_type(c), c.unit or "", c.ucd or "") for c in listed]
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for cell, column in zip(cells, listed, strict=True):
        line = "  ".join(text.ljust(n) for text, n in zip(cell, wide, strict=True) if n)
        left = width - len(line) - 2
        about = shorten(column.description or "", left, placeholder="...") if left >= 20 else ""
        yield f"{line}  {about}".rstrip()
    if len(columns) > MAX_COLUMNS:
        yield f"and {len(columns) - MAX_COLUMNS:,} more"


def _format_type(column: Column) -> str:
    return f"{column.type.name}({column.length})" if column.length else column.type.name


# ----------------------------------------------------------- SQL and plan


def _format_sql(text: str, width: int) -> Iterator[str]:
    shown = text[:MAX_SQL_CHARACTERS]
    for line in shown.splitlines():
        yield from _wrap_sql(line, width)
    if len(shown) < len(text):
        yield f"... and {len(text) - len(shown):,} characters more"


_SQL_TOKENS = re.compile(r"""(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\s'"])+""")
"""Text between blanks; texts and quoted names are not broken."""


def _wrap_sql(line: str, width: int) -> Iterator[str]:
    """Yield a line of SQL in as many as it needs, those that follow indented."""
    for number, each in enumerate(_fill_lines(_SQL_TOKENS.findall(line), " ", width - 4)):
        yield f"    {each}" if number else each


def _fill_lines(pieces: Iterable[str], between: str, width: int) -> Iterator[str]:
    """Yield the pieces in lines of at most this width, unless a piece alone exceeds it."""
    line = ""
    for piece in pieces:
        if line and len(line) + len(between) + len(piece) > width:
            yield line + between.rstrip()
            line = piece
        else:
            line = f"{line}{between}{piece}" if line else piece
    if line:
        yield line


def _format_plan(step: PlanStep, width: int, depth: int = 0) -> Iterator[str]:
    """Yield the steps, each above those that give it rows, as databases print their plans."""
    pad = "  " * depth
    rows = "" if step.rows is None else f"  about {_format_count(step.rows, 'row')}"
    yield f"{pad}{step.name}{rows}"
    for name, value in step.details.items():
        if value:
            yield pad + "    " + shorten(f"{name}: {value}", max(width - len(pad) - 4, 40), placeholder=" ...")
    for each in step.inputs:
        yield from _format_plan(each, width, depth + 1)

"""Text for a terminal: aligned columns, and below them how many rows there are and whether that is all.

The first batch says how wide the columns are; a later value that is wider pushes its row aside.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import blocks, conform, gather
from vo_server.formats.format import Format
from vo_server.formats.write.cells import each, holds, joined, spelled, table
from vo_server.formats.write.text import PLAIN, WORDS, in_words
from vo_server.formats.write.votable import overflow
from vo_server.model.column import Column
from vo_server.model.result import Result

WIDEST = 60
"""Characters that a column takes at the most."""

CONTROL = r"[\x00-\x1f\x7f\x{80}-\x{9f}]"
"""Characters that would break the line, or tell a terminal what to do."""

MAY_CONTROL = table(bytes(range(32)) + b"\x7f\xc2")
"""Bytes of texts that may have them: 0xC2 begins those from 0x80 on."""


def _write(result: Result) -> Iterator[bytes]:
    yield from gather(_lines(result))


def _lines(result: Result) -> Iterator[bytes]:
    names = [pc.replace_substring_regex(c.name, CONTROL, " ").as_py() for c in result.columns]
    widths = list(map(len, names))
    rows = 0
    for batch in result.batches:
        for block in blocks(batch):
            cells = [_whole(a) for a in each(conform(block, result.columns), result.columns, _cells)]
            if not rows:
                widths = [max(w, _width(a)) for w, a in zip(widths, cells, strict=True)]
                yield _header(names, widths, result.columns)
            rows += block.num_rows
            padded = (_padded(a, w, c) for a, w, c in zip(cells, widths, result.columns, strict=True))
            yield joined(padded, "", "  ", "\n")
    if not rows:
        yield _header(names, widths, result.columns)
    yield _trailer(result, rows)


def _trailer(result: Result, rows: int) -> bytes:
    said = overflow(rows).text if result.overflow else f"{rows} row{'' if rows == 1 else 's'}"
    return f"# {said}\n".encode()


def _header(names: list[str], widths: list[int], columns: tuple[Column, ...]) -> bytes:
    units = [c.unit or "" for c in columns]
    lines = [names, units, ["-" * w for w in widths]] if any(units) else [names, ["-" * w for w in widths]]
    sides = [str.rjust if c.type.numeric else str.ljust for c in columns]
    shown = ("  ".join(s(v, w) for s, v, w in zip(sides, line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in shown).encode()


def _cells(array: pa.Array, column: Column) -> pa.Array:
    return spelled(array, column, WORDS)


def _whole(array: pa.Array) -> pa.Array:
    """Cells that stay on their line and say nothing to a terminal, the missing ones empty."""
    array = array.fill_null("") if array.null_count else array
    return pc.replace_substring_regex(array, CONTROL, " ") if holds(array, MAY_CONTROL) else array


def _width(array: pa.Array) -> int:
    lengths = np.asarray(pc.utf8_length(array))
    return min(WIDEST, int(lengths.max(initial=0)))


def _padded(array: pa.Array, width: int, column: Column) -> pa.Array:
    return pc.utf8_lpad(array, width) if column.type.numeric else pc.utf8_rpad(array, width)


TEXT = Format(
    name="text",
    label="Text in aligned columns",
    media_type="text/plain",
    extension="txt",
    write=_write,
    fault=in_words,
    fault_type=PLAIN,
    family=("text", "text/plain"),
    parameters=(("charset", ("utf-8",)),),
)

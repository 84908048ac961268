"""The rows of TABLEDATA into texts, all cells of a stretch at once.

A stretch of the document is looked at as an array of bytes: its tags are found, each cell lies between two of them,
and the bytes of all cells are gathered column by column. So no Python runs for a row. What is more than plain TR and
TD elements (comments, CDATA, prefixes) is not read here: `texts` says so, and the parser of the whole takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import UsageError
from vo_server.formats.arrays import Array, Bytes
from vo_server.formats.write.cells import table

STRETCH = 1 << 22
"""Bytes that are read at a time."""

LT, GT, AMPERSAND = b"<>&"

ILLEGAL = table(bytes(b for b in range(32) if b not in b"\t\n\r"))
"""No document may hold them; the parser says where they are."""


class Unusual(Exception):
    """The rows are not plain enough: they need a parser."""


def texts(data: memoryview, columns: int) -> Iterator[list[pa.Array]]:
    """The cells of each column, stretch by stretch; `data` is what TABLEDATA holds.

    Raises Unusual; UsageError for rows with other than so many cells.
    """
    start = rows = 0
    while start < len(data):
        end = _row_end(data, start)
        made = _cells(np.frombuffer(data[start:end], np.uint8), columns, rows)
        if made:
            rows += len(made[0])
            yield made
        start = end


def _row_end(data: memoryview, start: int) -> int:
    """The end of the last row that ends within a stretch, or of the first that ends after it."""
    if start + STRETCH >= len(data):
        return len(data)
    found = bytes(data[start : start + STRETCH]).rfind(b"</TR>")
    if found < 0:
        raise Unusual
    return start + found + 5


def _cells(stretch: Bytes, columns: int, before: int) -> list[pa.Array]:
    opens, closes = np.flatnonzero(stretch == LT), np.flatnonzero(stretch == GT)
    if len(opens) == 0 and not stretch.tobytes().strip():
        return []
    kinds = _kinds(stretch, opens, closes)
    rows = int(np.count_nonzero(kinds == ROW))
    starts = np.flatnonzero((kinds == CELL) | (kinds == EMPTY))
    _check(kinds, starts, rows, columns, before)
    first, last = closes[starts] + 1, closes[starts] + 1
    full = kinds[starts] == CELL
    last[full] = opens[starts[full] + 1]
    return [_gathered(stretch, first[n::columns], last[n::columns]) for n in range(columns)]


ROW, ROW_END, CELL, CELL_END, EMPTY = range(1, 6)


def _kinds(stretch: Bytes, opens: Array, closes: Array) -> Array:
    """What each tag is."""
    if len(opens) != len(closes) or (opens >= closes).any() or (opens[1:] < closes[:-1]).any():
        raise Unusual
    width = closes - opens - 1
    letters = [stretch[np.minimum(opens + n, len(stretch) - 1)] for n in range(1, 5)]
    kinds = np.zeros(len(opens), np.uint8)
    kinds[_reads(letters, width, b"TR")] = ROW
    kinds[_reads(letters, width, b"/TR")] = ROW_END
    kinds[_reads(letters, width, b"TD")] = CELL
    kinds[_reads(letters, width, b"/TD")] = CELL_END
    kinds[_reads(letters, width, b"TD/")] = EMPTY
    if not kinds.all():
        raise Unusual
    return kinds


def _reads(letters: list[Bytes], width: Array, word: bytes) -> Array:
    same: Array = width == len(word)
    for letter, wanted in zip(letters, word, strict=False):
        same &= letter == wanted
    return same


def _check(kinds: Array, starts: Array, rows: int, columns: int, before: int) -> None:
    """Is it rows of so many cells? The plain tags of each row are the same, but for empty cells written short."""
    follows = kinds[np.minimum(starts + 1, len(kinds) - 1)] == CELL_END
    if not (follows | (kinds[starts] == EMPTY)).all() or np.count_nonzero(kinds == CELL_END) != np.count_nonzero(
        kinds == CELL
    ):
        raise Unusual
    begins, ends = np.flatnonzero(kinds == ROW), np.flatnonzero(kinds == ROW_END)
    if len(begins) != len(ends) or not (begins < ends).all() or (begins[1:] < ends[:-1]).any():
        raise Unusual
    held = np.searchsorted(starts, ends) - np.searchsorted(starts, begins)
    if len(starts) != held.sum():
        raise Unusual
    if (held != columns).any():
        row = int(np.flatnonzero(held != columns)[0])
        raise UsageError(
            f"row {before + row + 1} of the table has {held[row]} cells, where {columns} FIELDs are declared"
        )


def _gathered(stretch: Bytes, first: Array, last: Array) -> pa.Array:
    """The texts between these places."""
    lengths = last - first
    ends = np.zeros(len(first) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    index = np.repeat(first - ends[:-1], lengths) + np.arange(ends[-1])
    data = stretch[index]
    if ILLEGAL[data].any():
        raise Unusual
    made = pa.Array.from_buffers(pa.string(), len(first), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    if (data == AMPERSAND).any():
        return pa.array([_plain(text) for text in made.to_pylist()], pa.string())
    if (data == 13).any():
        made = pc.replace_substring(pc.replace_substring(made, "\r\n", "\n"), "\r", "\n")
    return made


_REFERENCE = re.compile(r"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")


def _plain(text: str) -> str:
    """A text without references; XML has five by name, and those to characters."""
    if "&" not in text:
        return text
    made = _REFERENCE.sub(lambda found: unescape(found[0]), text)
    if text.count("&") != len(_REFERENCE.findall(text)):
        raise Unusual
    return made

"""Read the rows of TABLEDATA into texts, all cells of a block at once.

A block of the document is an array of bytes: the positions of its tags are found, each cell lies between two of them,
and the bytes of all cells are gathered column by column. So no Python code runs per row. Anything but plain TR and TD
elements (comments, CDATA, prefixes) raises NotPlainTabledata, and the XML parser then reads the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import Array, Bytes, byte_set
from vo_server.formats.field import malformed_upload

BLOCK_BYTES = 1 << 22
"""Bytes of a document that are read at a time."""

LT, GT, AMPERSAND = b"<>&"

ILLEGAL = byte_set(bytes(b for b in range(32) if b not in b"\t\n\r"))
"""Bytes that XML does not allow; the parser reports where they are."""


class NotPlainTabledata(Exception):
    """TABLEDATA with anything but plain TR and TD elements, which needs an XML parser."""


def read_cells(data: memoryview, columns: int) -> Iterator[list[pa.Array]]:
    """Yield the cells of the columns, block by block: an array of texts for each column.

    `data` is the content of TABLEDATA. Raises NotPlainTabledata, and UsageError (UPLOAD.MALFORMED) for a row with
    another number of cells.
    """
    start = rows = 0
    while start < len(data):
        end = _find_row_end(data, start)
        cells = _split_cells(np.frombuffer(data[start:end], np.uint8), columns, rows)
        if cells:
            rows += len(cells[0])
            yield cells
        start = end


def _find_row_end(data: memoryview, start: int) -> int:
    """Return the end of the last row that ends within the block from `start`, or the end of the data."""
    if start + BLOCK_BYTES >= len(data):
        return len(data)
    position = bytes(data[start : start + BLOCK_BYTES]).rfind(b"</TR>")
    if position < 0:
        raise NotPlainTabledata
    return start + position + 5


def _split_cells(block: Bytes, columns: int, before: int) -> list[pa.Array]:
    opens, closes = np.flatnonzero(block == LT), np.flatnonzero(block == GT)
    if len(opens) == 0 and not block.tobytes().strip():
        return []
    kinds = _classify_tags(block, opens, closes)
    rows = int(np.count_nonzero(kinds == ROW))
    starts = np.flatnonzero((kinds == CELL) | (kinds == EMPTY))
    _check_rows(kinds, starts, rows, columns, before)
    first, last = closes[starts] + 1, closes[starts] + 1
    full = kinds[starts] == CELL
    last[full] = opens[starts[full] + 1]
    return [_gather_cells(block, first[n::columns], last[n::columns]) for n in range(columns)]


ROW, ROW_END, CELL, CELL_END, EMPTY = range(1, 6)


def _classify_tags(block: Bytes, opens: Array, closes: Array) -> Array:
    """Return the kind of each tag, from the positions of its brackets (n,): ROW, ROW_END, CELL, CELL_END or EMPTY."""
    if len(opens) != len(closes) or (opens >= closes).any() or (opens[1:] < closes[:-1]).any():
        raise NotPlainTabledata
    width = closes - opens - 1
    letters = [block[np.minimum(opens + n, len(block) - 1)] for n in range(1, 5)]
    kinds = np.zeros(len(opens), np.uint8)
    kinds[_has_name(letters, width, b"TR")] = ROW
    kinds[_has_name(letters, width, b"/TR")] = ROW_END
    kinds[_has_name(letters, width, b"TD")] = CELL
    kinds[_has_name(letters, width, b"/TD")] = CELL_END
    kinds[_has_name(letters, width, b"TD/")] = EMPTY
    if not kinds.all():
        raise NotPlainTabledata
    return kinds


def _has_name(letters: list[Bytes], width: Array, word: bytes) -> Array:
    same: Array = width == len(word)
    for letter, expected in zip(letters, word, strict=False):
        same &= letter == expected
    return same


def _check_rows(kinds: Array, starts: Array, rows: int, columns: int, before: int) -> None:
    """Check that the tags make up rows of so many cells; `before` rows come before the block."""
    follows = kinds[np.minimum(starts + 1, len(kinds) - 1)] == CELL_END
    if not (follows | (kinds[starts] == EMPTY)).all() or np.count_nonzero(kinds == CELL_END) != np.count_nonzero(
        kinds == CELL
    ):
        raise NotPlainTabledata
    begins, ends = np.flatnonzero(kinds == ROW), np.flatnonzero(kinds == ROW_END)
    if len(begins) != len(ends) or not (begins < ends).all() or (begins[1:] < ends[:-1]).any():
        raise NotPlainTabledata
    cells = np.searchsorted(starts, ends) - np.searchsorted(starts, begins)
    if len(starts) != cells.sum():
        raise NotPlainTabledata
    if (cells != columns).any():
        row = int(np.flatnonzero(cells != columns)[0])
        raise malformed_upload(f"row {before + row + 1} of the table has {cells[row]} cells for {columns} FIELDs")


def _gather_cells(block: Bytes, first: Array, last: Array) -> pa.Array:
    """Return the texts between positions `first` and `last` (n,) of a block."""
    lengths = last - first
    ends = np.zeros(len(first) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    index = np.repeat(first - ends[:-1], lengths) + np.arange(ends[-1])
    data = block[index]
    if ILLEGAL[data].any():
        raise NotPlainTabledata
    texts = pa.Array.from_buffers(pa.string(), len(first), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    if (data == AMPERSAND).any():
        return pa.array([_resolve_references(text) for text in texts.to_pylist()], pa.string())
    if (data == 13).any():
        texts = pc.replace_substring(pc.replace_substring(texts, "\r\n", "\n"), "\r", "\n")
    return texts


_REFERENCE = re.compile(r"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")


def _resolve_references(text: str) -> str:
    """Replace the references in a text: the five that XML names, and those to characters."""
    if "&" not in text:
        return text
    resolved = _REFERENCE.sub(lambda match: unescape(match[0]), text)
    if text.count("&") != len(_REFERENCE.findall(text)):
        raise NotPlainTabledata
    return resolved

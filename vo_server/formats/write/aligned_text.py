"""Write text for a terminal: aligned columns, and below them the number of rows or the status.

The first block determines the widths of the columns; a later value that is wider shifts the rest of its row.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import buffer_chunks, byte_set, cast_to_columns, has_bytes, split_blocks
from vo_server.formats.format import Format
from vo_server.formats.write.delimited import SPELLING
from vo_server.formats.write.status import PLAIN_TEXT, failure_infos, overflow_info, plain_text_error, status_line
from vo_server.formats.write.value_text import format_columns, format_values, join_rows
from vo_server.model.column import Column
from vo_server.model.result import Result

MAX_WIDTH = 60
"""The maximum width of a column, in characters."""

CONTROL_CHARACTERS = r"[\x00-\x1f\x7f\x{80}-\x{9f}]"
"""Characters that break a line or control a terminal."""

CONTROL_BYTES = byte_set(bytes(range(32)) + b"\x7f\xc2")
"""Bytes of texts that may have control characters: 0xC2 begins those from 0x80 on."""


def _write(result: Result) -> Iterator[bytes]:
    yield from buffer_chunks(_write_lines(result))


def _write_lines(result: Result) -> Iterator[bytes]:
    names = [pc.replace_substring_regex(c.name, CONTROL_CHARACTERS, " ").as_py() for c in result.columns]
    widths = list(map(len, names))
    rows = 0
    try:
        for block in chain.from_iterable(map(split_blocks, result.batches)):
            cells = [
                _clean_cells(a)
                for a in format_columns(cast_to_columns(block, result.columns), result.columns, _format_cells)
            ]
            if not rows:
                widths = [max(w, _measure_width(a)) for w, a in zip(widths, cells, strict=True)]
                yield _format_header(names, widths, result.columns)
            rows += block.num_rows
            padded = (_pad(a, w, c) for a, w, c in zip(cells, widths, result.columns, strict=True))
            yield join_rows(padded, "", "  ", "\n")
    except Exception as error:
        yield f"# {' '.join(status_line(failure_infos(error)).split())}\n".encode()
        raise
    if not rows:
        yield _format_header(names, widths, result.columns)
    yield _last_line(result, rows)


def _last_line(result: Result, rows: int) -> bytes:
    summary = overflow_info(rows).text if result.overflow else f"{rows} row{'' if rows == 1 else 's'}"
    return f"# {summary}\n".encode()


def _format_header(names: list[str], widths: list[int], columns: tuple[Column, ...]) -> bytes:
    units = [c.unit or "" for c in columns]
    lines = [names, units, ["-" * w for w in widths]] if any(units) else [names, ["-" * w for w in widths]]
    justify = [str.rjust if c.type.is_numeric else str.ljust for c in columns]
    formatted = ("  ".join(s(v, w) for s, v, w in zip(justify, line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in formatted).encode()


def _format_cells(array: pa.Array, column: Column) -> pa.Array:
    return format_values(array, column, SPELLING)


def _clean_cells(array: pa.Array) -> pa.Array:
    """Return cells (n,) without control characters; missing ones are empty."""
    array = array.fill_null("") if array.null_count else array
    return pc.replace_substring_regex(array, CONTROL_CHARACTERS, " ") if has_bytes(array, CONTROL_BYTES) else array


def _measure_width(array: pa.Array) -> int:
    lengths = np.asarray(pc.utf8_length(array))
    return min(MAX_WIDTH, int(lengths.max(initial=0)))


def _pad(array: pa.Array, width: int, column: Column) -> pa.Array:
    return pc.utf8_lpad(array, width) if column.type.is_numeric else pc.utf8_rpad(array, width)


TEXT = Format(
    name="text",
    label="Text in aligned columns",
    media_type="text/plain",
    extension="txt",
    write=_write,
    error_document=plain_text_error,
    error_media_type=PLAIN_TEXT,
    family=("text", "text/plain"),
    parameters=(("charset", ("utf-8",)),),
)

"""Write CSV (RFC 4180) and TSV with a header line (TAP 1.1 section 3.2).

Neither has a place for a status. So a result that was cut or failed has a last line that begins with `#` and has as
many cells as the others: readers that know comments skip it, and other readers parse it without an error. An error
after the first byte is raised after this line, so that the connection breaks instead of ending like a complete result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import buffer_chunks, byte_set, cast_to_columns, has_bytes, split_blocks, value_offsets
from vo_server.formats.format import Format
from vo_server.formats.write.status import PLAIN_TEXT, failure_infos, overflow_info, plain_text_error, status_line
from vo_server.formats.write.value_text import ValueSpelling, format_columns, format_values, join_rows, text_scalar
from vo_server.model.column import Column
from vo_server.model.result import Info, Result

COMMENT = "#"

QUOTED_BYTES = byte_set(b'",\r\n#')
BLANKED_BYTES = byte_set(b"\t\r\n")

SPELLING = ValueSpelling("Infinity", "-Infinity")

QuoteTexts = Callable[[pa.Array], pa.Array]


def _quote(array: pa.Array) -> pa.Array:
    """Return texts (n,) for CSV, in quotes where they have a quote, a comma, a line end or `#`, or are empty.

    So an empty text differs from a missing value.
    """
    if not has_bytes(array, QUOTED_BYTES) and not _has_empty(array):
        return array
    needed = pc.match_substring_regex(array, '[",\r\n#]|^$')
    inner = pc.replace_substring(array, '"', '""')
    return pc.if_else(
        needed, pc.binary_join_element_wise(text_scalar('"'), inner, text_scalar('"'), text_scalar("")), array
    )


def _has_empty(array: pa.Array) -> bool:
    """Return whether a text is empty; a missing one counts, which costs only time."""
    return not np.diff(value_offsets(array)).all()


def _replace_tabs(array: pa.Array) -> pa.Array:
    """Return texts (n,) for TSV, which has no quotes: tabs and line ends become blanks."""
    return pc.replace_substring_regex(array, "[\t\r\n]", " ") if has_bytes(array, BLANKED_BYTES) else array


def _write(result: Result, separator: str, end: str, quote: QuoteTexts, alone: str) -> Iterator[bytes]:
    """Write a result; `alone` is a missing value in a table of one column, because readers skip empty lines."""
    yield _header_line((c.name for c in result.columns), separator, end, quote)
    yield from buffer_chunks(_write_lines(result, separator, end, quote, alone if len(result.columns) == 1 else ""))


def _write_lines(result: Result, separator: str, end: str, quote: QuoteTexts, null: str) -> Iterator[bytes]:
    rows = 0
    try:
        for batch in result.batches:
            for block in split_blocks(batch):
                arrays = cast_to_columns(block, result.columns)
                cells = format_columns(arrays, result.columns, partial(_format_cells, quote=quote))
                yield join_rows(cells, "", separator, end, null)
                rows += block.num_rows
    except Exception as error:
        yield _status_line(failure_infos(error), result, separator, end)
        raise
    if result.overflow:
        yield _status_line((overflow_info(rows),), result, separator, end)


def _status_line(status: Sequence[Info], result: Result, separator: str, end: str) -> bytes:
    """Return the last line of a result that was cut or failed, without characters that need quotes."""
    line = re.sub(r'["\s]+', " ", f"{COMMENT} {status_line(status)}".replace(",", ";"))
    return (line + separator * (len(result.columns) - 1) + end).encode()


def _header_line(names: Iterator[str], separator: str, end: str, quote: QuoteTexts) -> bytes:
    return (separator.join(quote(pa.array(list(names), pa.string())).to_pylist()) + end).encode()


def _format_cells(array: pa.Array, column: Column, quote: QuoteTexts) -> pa.Array:
    text = format_values(array, column, SPELLING)
    return quote(text) if column.type.family == "text" else text


CSV = Format(
    name="csv",
    label="CSV, comma-separated values",
    page_label="CSV",
    media_type="text/csv;header=present",
    extension="csv",
    write=partial(_write, separator=",", end="\r\n", quote=_quote, alone='""'),
    error_document=plain_text_error,
    error_media_type=PLAIN_TEXT,
    family=("csv", "text/csv"),
    parameters=(("header", ("present",)), ("charset", ("utf-8",))),
    required=(("header", "present"),),
)

TSV = Format(
    name="tsv",
    label="TSV, tab-separated values",
    media_type="text/tab-separated-values",
    extension="tsv",
    write=partial(_write, separator="\t", end="\n", quote=_replace_tabs, alone=""),
    error_document=plain_text_error,
    error_media_type=PLAIN_TEXT,
    family=("tsv", "text/tab-separated-values"),
    parameters=(("charset", ("utf-8",)),),
)

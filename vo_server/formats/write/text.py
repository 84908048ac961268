"""CSV (RFC 4180) and TSV, with a header line (TAP 1.1 section 3.2).

Neither has a place to say that rows were left out or that something failed. So a last line says it, which begins with
`#` and has as many cells as all others: readers that know of comments skip it, the others show it and do not stumble.
There is none where all is well. A fault after the first byte is raised beside, so that the connection breaks off
instead of ending like a whole answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import ServiceError
from vo_server.formats.arrays import blocks, conform, gather, offsets
from vo_server.formats.format import Format
from vo_server.formats.write.cells import (
    Words,
    each,
    holds,
    joined,
    literal,
    spelled,
    table,
)
from vo_server.formats.write.votable import code_infos, failed, overflow
from vo_server.model.column import Column
from vo_server.model.result import Info, Result

PLAIN = "text/plain;charset=utf-8"

COMMENT = "#"

NEED_QUOTES = table(b'",\r\n#')
NEED_BLANKS = table(b"\t\r\n")

WORDS = Words("Infinity", "-Infinity")

Guard = Callable[[pa.Array], pa.Array]


def _quoted(array: pa.Array) -> pa.Array:
    """Texts for CSV: in quotes where they hold a quote, a comma, a line's end or what begins a comment, or are empty.

    So an empty text differs from a missing value for those who look.
    """
    if not holds(array, NEED_QUOTES) and not _has_empty(array):
        return array
    needed = pc.match_substring_regex(array, '[",\r\n#]|^$')
    inner = pc.replace_substring(array, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise(literal('"'), inner, literal('"'), literal("")), array)


def _has_empty(array: pa.Array) -> bool:
    """Is there a text of no characters? A missing one counts, which costs time and nothing else."""
    return not np.diff(offsets(array)).all()


def _flattened(array: pa.Array) -> pa.Array:
    """Texts for TSV, which has no quotes: tabs and line ends become blanks."""
    return pc.replace_substring_regex(array, "[\t\r\n]", " ") if holds(array, NEED_BLANKS) else array


def _write(result: Result, separator: str, end: str, guard: Guard, alone: str) -> Iterator[bytes]:
    """`alone` is a missing value in a table of one column: readers pass over a line that is empty."""
    yield _line((c.name for c in result.columns), separator, end, guard)
    yield from gather(_lines(result, separator, end, guard, alone if len(result.columns) == 1 else ""))


def _lines(result: Result, separator: str, end: str, guard: Guard, null: str) -> Iterator[bytes]:
    rows = 0
    try:
        for batch in result.batches:
            for block in blocks(batch):
                arrays = conform(block, result.columns)
                cells = each(arrays, result.columns, partial(_cells, guard=guard))
                yield joined(cells, "", separator, end, null)
                rows += block.num_rows
    except Exception as error:
        yield _said(failed(error), result, separator, end)
        raise
    if result.overflow:
        yield _said(overflow(rows), result, separator, end)


def _said(status: Info, result: Result, separator: str, end: str) -> bytes:
    """The line that says that rows are missing: what would need quotes is not in it."""
    words = re.sub(r'["\s]+', " ", f"{COMMENT} {status.value}: {status.text}".replace(",", ";"))
    return (words + separator * (len(result.columns) - 1) + end).encode()


def _line(names: Iterator[str], separator: str, end: str, guard: Guard) -> bytes:
    return (separator.join(guard(pa.array(list(names), pa.string())).to_pylist()) + end).encode()


def _cells(array: pa.Array, column: Column, guard: Guard) -> pa.Array:
    text = spelled(array, column, WORDS)
    return guard(text) if column.type.family == "text" else text


def in_words(fault: ServiceError, infos: Sequence[Info] = ()) -> bytes:
    """A fault as text, and a line for each info: what formats say that have no errors of their own."""
    told = "".join(f"{info.name}: {info.value}\n" for info in (*infos, *code_infos(fault)))
    return f"{fault.dali_name}: {fault}\n{told}".encode()


CSV = Format(
    name="csv",
    label="CSV, comma-separated values",
    media_type="text/csv;header=present",
    extension="csv",
    write=partial(_write, separator=",", end="\r\n", guard=_quoted, alone='""'),
    fault=in_words,
    fault_type=PLAIN,
    family=("csv", "text/csv"),
    parameters=(("header", ("present",)), ("charset", ("utf-8",))),
    required=(("header", "present"),),
)

TSV = Format(
    name="tsv",
    label="TSV, tab-separated values",
    media_type="text/tab-separated-values",
    extension="tsv",
    write=partial(_write, separator="\t", end="\n", guard=_flattened, alone=""),
    fault=in_words,
    fault_type=PLAIN,
    family=("tsv", "text/tab-separated-values"),
    parameters=(("charset", ("utf-8",)),),
)

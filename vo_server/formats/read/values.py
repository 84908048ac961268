"""Parse texts into the values of a column, all rows at once, for TABLEDATA and FITS."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import UsageError
from vo_server.formats.arrays import as_numpy, split_lists
from vo_server.formats.field import Field, malformed_upload
from vo_server.formats.times import format_times
from vo_server.model import types
from vo_server.model.column import Column

BOOLEANS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
UNKNOWN_BOOLEANS = ("", "?")
_MISSING_NUMBERS = ("", "null", "-")
"""Texts of missing numbers: IRSA writes the latter two."""


def parse_column(texts: pa.Array, field: Field) -> tuple[Column, pa.Array]:
    """Return the column of a FIELD and its values, parsed from texts (n,); an empty text is a missing value.

    Raises UsageError (UPLOAD.MALFORMED) with the row of the first text that is not a value.
    """
    column = field.column
    if column.type.family == "text":
        empty = pc.equal(pc.binary_length(texts), 0)
        texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
        return parse_times(column, texts) if field.is_time else (column, texts)
    texts = pc.utf8_trim_whitespace(texts)
    if field.dimensions:
        return column, _parse_lists(texts, field, column)
    missing = pc.is_in(texts, pa.array([*_MISSING_NUMBERS, *([field.null.strip()] if field.null else [])]))
    texts = pc.if_else(missing, pa.scalar(None, pa.string()), texts)
    return column, parse_scalars(texts, column.type.arrow, field.name)


def parse_times(column: Column, texts: pa.Array) -> tuple[Column, pa.Array]:
    """Return a column of times, where every text is a time that is written back as it was read; else the texts."""
    for kind in (types.DATE, types.TIMESTAMP):
        times = _cast_times(texts, kind.arrow)
        if times is not None:
            xtype = column.xtype_override if column.xtype_override != kind.xtype else None
            size = column.arraysize if column.arraysize != kind.arraysize else None
            return column.replace(type=kind, length=None, xtype_override=xtype, arraysize_override=size), times
    return column, texts


def _cast_times(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        times = texts.cast(kind)
    except pa.ArrowInvalid:
        return None
    return times if format_times(times).equals(texts) else None


def parse_scalars(texts: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    """Return the numbers or booleans of texts (n,).

    Raises UsageError (UPLOAD.MALFORMED) with the row of the first text that is neither.
    """
    if pa.types.is_boolean(kind):
        return _parse_booleans(texts, name)
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return _parse_row_by_row(texts, _parse_real if pa.types.is_floating(kind) else _parse_integer, kind, name)


def _parse_booleans(texts: pa.Array, name: str) -> pa.Array:
    words = pa.array(list(BOOLEANS))
    indices = pc.index_in(pc.utf8_lower(texts), words)
    wrong = pc.and_(pc.is_null(indices), pc.invert(pc.is_in(texts, pa.array([*UNKNOWN_BOOLEANS, None], pa.string()))))
    if pc.any(wrong).as_py():
        raise _bad_value(texts, pc.index(wrong, True).as_py(), "a boolean", name)
    return pa.array(list(BOOLEANS.values())).take(indices)


def _parse_row_by_row(texts: pa.Array, read: Callable[[str], Any], kind: pa.DataType, name: str) -> pa.Array:
    """Parse row by row, for the spellings that Arrow does not know."""
    values = []
    for row, text in enumerate(texts.to_pylist()):
        try:
            values.append(None if text is None else read(text))
        except ValueError:
            raise _bad_value(texts, row, "a number", name) from None
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, OverflowError):
        raise malformed_upload(f"column {name} holds numbers that do not fit its datatype") from None


def _parse_integer(text: str) -> int:
    return int(text, 16) if re.fullmatch("(?i)[+-]?0x[0-9a-f]+", text) else int(text.replace("_", "x"))


def _parse_real(text: str) -> float:
    return float(text.replace("_", "x"))


def _bad_value(texts: pa.Array, row: int, expected: str, name: str) -> UsageError:
    return malformed_upload(f"row {row + 1} of column {name} must be {expected}, not {texts[row].as_py()[:80]!r}")


def _parse_lists(texts: pa.Array, field: Field, column: Column) -> pa.Array:
    """Parse arrays, whose values are separated by blanks."""
    if field.datatype == "bit":
        texts = pc.replace_substring_regex(pc.replace_substring_regex(texts, r"\s", ""), "(.)", r"\1 ")
        texts = pc.utf8_trim_whitespace(texts)
    there = pc.not_equal(texts, "")
    ends, flat = split_lists(pc.ascii_split_whitespace(pc.if_else(there, texts, pa.scalar(None, pa.string()))))
    if pa.types.is_binary(column.type.arrow):
        values = parse_scalars(flat, pa.uint8(), field.name).fill_null(0)
    else:
        values = parse_scalars(flat, column.type.arrow.value_type, field.name)
    return to_list_array(np.diff(ends), values, there, column.type.arrow)


def to_list_array(lengths: Any, values: pa.Array, there: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a list or binary array of `lengths` (n,) values each; rows where `there` is false are missing."""
    ends = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    mask = None if there is None else pa.py_buffer(np.packbits(np.asarray(there), bitorder="little"))
    if pa.types.is_binary(kind):
        return pa.Array.from_buffers(
            kind, len(lengths), [mask, pa.py_buffer(ends), pa.py_buffer(as_numpy(values).copy())]
        )
    return pa.Array.from_buffers(kind, len(lengths), [mask, pa.py_buffer(ends)], children=[values])

"""Texts into values, a column at a time: what TABLEDATA and CSV have in common when they are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import UsageError
from vo_server.formats.arrays import lists, numbers
from vo_server.formats.field import Field
from vo_server.formats.write.cells import times
from vo_server.model import types
from vo_server.model.column import Column

TRUTHS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
UNKNOWN = ("", "?")
_MISSING = ("", "null", "-")
"""Texts that are no numbers: IRSA has written the latter two."""


def parsed(texts: pa.Array, field: Field) -> tuple[Column, pa.Array]:
    """The column of these texts and its values; an empty text is a missing value.

    Raises UsageError with the row of the first text that is no value.
    """
    column = field.column
    if column.type.family == "text":
        empty = pc.equal(pc.binary_length(texts), 0)
        texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
        return timely(column, texts) if field.is_time else (column, texts)
    texts = pc.utf8_trim_whitespace(texts)
    if field.sides:
        return column, _lists(texts, field, column)
    missing = pc.is_in(texts, pa.array([*_MISSING, *([field.null.strip()] if field.null else [])]))
    texts = pc.if_else(missing, pa.scalar(None, pa.string()), texts)
    return column, scalars(texts, column.type.arrow, field.name)


def timely(column: Column, texts: pa.Array) -> tuple[Column, pa.Array]:
    """Texts that are all times as such, where they would come back as they were written; else as they are."""
    for kind in (types.DATE, types.TIMESTAMP):
        made = _times(texts, kind.arrow)
        if made is not None:
            label = column.label if column.label != kind.xtype else None
            shape = column.arraysize if column.arraysize != kind.arraysize else None
            return column.replace(type=kind, length=None, label=label, shape=shape), made
    return column, texts


def _times(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        made = texts.cast(kind)
    except pa.ArrowInvalid:
        return None
    return made if times(made).equals(texts) else None


def scalars(texts: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    """Numbers or truths of their texts.

    Raises UsageError with the row of the first that is none.
    """
    if pa.types.is_boolean(kind):
        return _truths(texts, name)
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return _slowly(texts, _real if pa.types.is_floating(kind) else _whole, kind, name)


def _truths(texts: pa.Array, name: str) -> pa.Array:
    words = pa.array(list(TRUTHS))
    found = pc.index_in(pc.utf8_lower(texts), words)
    wrong = pc.and_(pc.is_null(found), pc.invert(pc.is_in(texts, pa.array([*UNKNOWN, None], pa.string()))))
    if pc.any(wrong).as_py():
        raise _no_value(texts, pc.index(wrong, True).as_py(), "a boolean", name)
    return pa.array(list(TRUTHS.values())).take(found)


def _slowly(texts: pa.Array, read: Callable[[str], Any], kind: pa.DataType, name: str) -> pa.Array:
    """The spellings that Arrow does not know."""
    made = []
    for row, text in enumerate(texts.to_pylist()):
        try:
            made.append(None if text is None else read(text))
        except ValueError:
            raise _no_value(texts, row, "a number", name) from None
    try:
        return pa.array(made, kind)
    except (pa.ArrowInvalid, OverflowError):
        raise UsageError(f"the column {name} holds numbers that do not fit its datatype") from None


def _whole(text: str) -> int:
    return int(text, 16) if re.fullmatch("(?i)[+-]?0x[0-9a-f]+", text) else int(text.replace("_", "x"))


def _real(text: str) -> float:
    return float(text.replace("_", "x"))


def _no_value(texts: pa.Array, row: int, wanted: str, name: str) -> UsageError:
    return UsageError(f"row {row + 1} of the column {name} is {texts[row].as_py()[:80]!r}, which is not {wanted}")


def _lists(texts: pa.Array, field: Field, column: Column) -> pa.Array:
    """Arrays, whose values stand between blanks."""
    if field.datatype == "bit":
        texts = pc.replace_substring_regex(pc.replace_substring_regex(texts, r"\s", ""), "(.)", r"\1 ")
        texts = pc.utf8_trim_whitespace(texts)
    there = pc.not_equal(texts, "")
    ends, flat = lists(pc.ascii_split_whitespace(pc.if_else(there, texts, pa.scalar(None, pa.string()))))
    if pa.types.is_binary(column.type.arrow):
        values = scalars(flat, pa.uint8(), field.name).fill_null(0)
    else:
        values = scalars(flat, column.type.arrow.value_type, field.name)
    return listed(np.diff(ends), values, there, column.type.arrow)


def listed(lengths: Any, values: pa.Array, there: pa.Array, kind: pa.DataType) -> pa.Array:
    """Arrays of so many values each, those that are not there missing."""
    ends = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    mask = None if there is None else pa.py_buffer(np.packbits(np.asarray(there), bitorder="little"))
    if pa.types.is_binary(kind):
        return pa.Array.from_buffers(
            kind, len(lengths), [mask, pa.py_buffer(ends), pa.py_buffer(numbers(values).copy())]
        )
    return pa.Array.from_buffers(kind, len(lengths), [mask, pa.py_buffer(ends)], children=[values])

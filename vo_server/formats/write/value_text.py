"""Format values as text, a column at a time, for TABLEDATA, CSV, TSV, JSON and HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import SMALL_BATCH_ROWS, split_lists, value_bytes
from vo_server.formats.times import format_times
from vo_server.formats.write.decimals import format_reals
from vo_server.model.column import Column

Formatter = Callable[[pa.Array, Column], pa.Array]


@dataclass(frozen=True, slots=True)
class ValueSpelling:
    """The spelling of special values in a format: infinities, NaN, and arrays between `opening` and `closing`.

    `missing` is a missing element of an array; None where it depends on the type.
    """

    infinity: str
    negative_infinity: str
    nan: str = "NaN"
    opening: str = ""
    separator: str = " "
    closing: str = ""
    missing: str | None = None


def format_values(array: pa.Array, column: Column, spelling: ValueSpelling) -> pa.Array:
    """Return values (n,) as strings; missing values stay missing.

    Numbers have the fewest digits that read back equal (float32 as float32); times follow DALI 1.1 section 3.3.3.
    """
    match column.type.family:
        case "text":
            return array
        case "time":
            return format_times(array)
        case "real":
            return _format_reals(array, spelling)
        case "boolean" | "integer":
            return array.cast(pa.string())
        case "geometry" | "binary" | "array":
            return _format_lists(array, spelling)


def format_columns(arrays: Sequence[pa.Array], columns: Sequence[Column], formatter: Formatter) -> list[pa.Array]:
    """Return the texts of all columns, each of shape (n,).

    Where there are few rows, the columns of one type are formatted together: the calls cost more than the values.
    """
    if len(arrays[0]) > SMALL_BATCH_ROWS:
        return [formatter(array, column) for array, column in zip(arrays, columns, strict=True)]
    by_type: dict[int, list[int]] = {}
    for index, column in enumerate(columns):
        by_type.setdefault(id(column.type), []).append(index)
    texts = list(arrays)
    rows = len(arrays[0])
    for indices in by_type.values():
        combined = formatter(pa.concat_arrays([arrays[i] for i in indices]), columns[indices[0]])
        for position, index in enumerate(indices):
            texts[index] = combined.slice(position * rows, rows)
    return texts


def join_rows(texts: Iterable[pa.Array], before: str, between: str, after: str, null: str = "") -> bytes:
    """Return the rows as bytes: each is `before`, its cells with `between`, and `after`; a missing cell is `null`."""
    rows = pc.binary_join_element_wise(*texts, text_scalar(between), null_handling="replace", null_replacement=null)
    lines = pc.binary_join_element_wise(text_scalar(before), rows, text_scalar(after), text_scalar(""))
    return value_bytes(lines).tobytes()


@cache
def text_scalar(text: str) -> pa.Scalar:
    """Return a text as an Arrow scalar; cached, because pa.scalar looks for pandas at every call (40 microseconds)."""
    return pa.scalar(text)


def _format_reals(array: pa.Array, spelling: ValueSpelling) -> pa.Array:
    text, finite = format_reals(array)
    if finite:
        return text
    for arrow_text, own_text in (
        ("nan", spelling.nan),
        ("inf", spelling.infinity),
        ("-inf", spelling.negative_infinity),
    ):
        text = pc.if_else(pc.equal(text, text_scalar(arrow_text)), text_scalar(own_text), text)
    return text


def _format_lists(array: pa.Array, spelling: ValueSpelling) -> pa.Array:
    ends, values = split_lists(array)
    text = _format_reals(values, spelling) if pa.types.is_floating(values.type) else values.cast(pa.string())
    text = text.fill_null(spelling.missing or _missing_element(values.type)) if text.null_count else text
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), text), spelling.separator)
    if spelling.opening:
        joined = pc.binary_join_element_wise(
            text_scalar(spelling.opening), joined, text_scalar(spelling.closing), text_scalar("")
        )
    return pc.if_else(array.is_valid(), joined, None) if array.null_count else joined


def _missing_element(type: pa.DataType) -> str:
    """Return the text of a missing element of an array, which has no spelling of its own."""
    return "NaN" if pa.types.is_floating(type) else "?" if pa.types.is_boolean(type) else "0"

"""Values as text, a column at a time: what TABLEDATA, CSV and TSV have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import FEW, content, lists, numbers
from vo_server.formats.write.decimals import texts
from vo_server.model.column import Column

Table = npt.NDArray[np.bool_]
Spell = Callable[[pa.Array, Column], pa.Array]


@dataclass(frozen=True, slots=True)
class Words:
    """How a format says what is no plain number: the values of an array stand between `opening` and `closing`.

    `gap` is a missing value among those of an array; None where the type must have one of its own.
    """

    infinity: str
    negative: str
    nan: str = "NaN"
    opening: str = ""
    between: str = " "
    closing: str = ""
    gap: str | None = None


def spelled(array: pa.Array, column: Column, words: Words) -> pa.Array:
    """The values as strings, missing ones as null.

    Numbers are the shortest that read back equal (float32 as float32), times are those of DALI 1.1 section 3.3.3.
    """
    match column.type.family:
        case "text":
            return array
        case "time":
            return times(array)
        case "real":
            return _reals(array, words)
        case "boolean" | "integer":
            return array.cast(pa.string())
        case "geometry" | "binary" | "array":
            return _lists(array, words)


def each(arrays: Sequence[pa.Array], columns: Sequence[Column], spell: Spell) -> list[pa.Array]:
    """The texts of all columns.

    Where rows are few the columns of a type are spelled together: it is the calls that cost, not the values.
    """
    if len(arrays[0]) > FEW:
        return [spell(array, column) for array, column in zip(arrays, columns, strict=True)]
    alike: dict[int, list[int]] = {}
    for index, column in enumerate(columns):
        alike.setdefault(id(column.type), []).append(index)
    texts = list(arrays)
    rows = len(arrays[0])
    for indices in alike.values():
        together = spell(pa.concat_arrays([arrays[i] for i in indices]), columns[indices[0]])
        for place, index in enumerate(indices):
            texts[index] = together.slice(place * rows, rows)
    return texts


def joined(texts: Iterable[pa.Array], before: str, between: str, after: str, null: str = "") -> bytes:
    """The rows that these columns make, each as `before`, its cells with `between` and `after`."""
    rows = pc.binary_join_element_wise(*texts, literal(between), null_handling="replace", null_replacement=null)
    lines = pc.binary_join_element_wise(literal(before), rows, literal(after), literal(""))
    return content(lines).tobytes()


@cache
def literal(text: str) -> pa.Scalar:
    """A text as Arrow takes it: made once, for pa.scalar looks for pandas at every call (40 microseconds)."""
    return pa.scalar(text)


def table(characters: bytes) -> Table:
    """What `holds` looks for."""
    made = np.zeros(256, np.bool_)
    made[list(characters)] = True
    return made


def holds(array: pa.Array, characters: Table) -> bool:
    """Does any of these bytes occur in any of the texts? One look at all of them costs less than one at each."""
    return bool(characters[content(array)].any())


def _reals(array: pa.Array, words: Words) -> pa.Array:
    text, finite = texts(array)
    if finite:
        return text
    for theirs, ours in (("nan", words.nan), ("inf", words.infinity), ("-inf", words.negative)):
        text = pc.if_else(pc.equal(text, literal(theirs)), literal(ours), text)
    return text


def times(array: pa.Array) -> pa.Array:
    """Dates and instants: a fraction of a second is said where there is one, without zeros at its end."""
    if not pa.types.is_timestamp(array.type):
        return array.cast(pa.string())
    whole = not (numbers(array).view(np.int64) % 1_000_000).any()
    text = (array.cast(pa.timestamp("s"), safe=False) if whole else array).cast(pa.string())
    text = pc.binary_replace_slice(text, 10, 11, "T")
    return text if whole else pc.replace_substring_regex(text, r"\.?0+$", "")


def _lists(array: pa.Array, words: Words) -> pa.Array:
    ends, values = lists(array)
    text = _reals(values, words) if pa.types.is_floating(values.type) else values.cast(pa.string())
    text = text.fill_null(words.gap or _missing(values.type)) if text.null_count else text
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), text), words.between)
    if words.opening:
        joined = pc.binary_join_element_wise(literal(words.opening), joined, literal(words.closing), literal(""))
    return pc.if_else(array.is_valid(), joined, None) if array.null_count else joined


def _missing(type: pa.DataType) -> str:
    """What stands for a missing value among the others of an array, where nothing else can."""
    return "NaN" if pa.types.is_floating(type) else "?" if pa.types.is_boolean(type) else "0"

"""Validation rules for the rows of a collection: types, lengths, ranges and missing values.

Each rule has two forms: for an array, to accept thousands of values in a few microseconds, and for one text, to explain
its error. The second form is applied only to the rows of a chunk that the first has not accepted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.catalogue.catalogue import Collection
from vo_server.model.column import Column

_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BOOLEANS = {"true", "false", "1", "0"}
_POSITION_RANGES = {"ra": (0.0, 360.0), "dec": (-90.0, 90.0)}


@dataclass(frozen=True, slots=True)
class ValueRule:
    """The rule for the values of a column; bounds are included."""

    column: Column
    required: bool
    low: float | None = None
    high: float | None = None

    def accepts(self, values: pa.ChunkedArray, *, infinite: bool = False) -> bool:
        """Tell whether all these values, in the type of the column, obey the rule.

        An infinite value counts as an overflow of the type, unless `infinite` allows such values.
        """
        if self.required and values.null_count:
            return False
        match self.column.type.family:
            case "text":
                return self._lengths_fit(values)
            case "real":
                finite = infinite or pc.all(pc.is_finite(values)).as_py() is not False
                return finite and self._values_in_range(values)
            case "integer":
                return self._values_in_range(values)
            case _:
                return True

    def explain_error(self, text: str | None) -> str | None:
        """Return the error of a value, None if it is valid."""
        if text is None:
            return "is empty, but must not be null" if self.required else None
        if self.column.type.family == "text":
            return self._explain_text(text)
        return self._explain_form(text.strip()) or self._explain_range(text.strip())

    def _lengths_fit(self, values: pa.ChunkedArray) -> bool:
        if self.column.length is None and not self.required:
            return True
        ends = pc.min_max(pc.utf8_length(values)).as_py()
        if ends["max"] is None:
            return True
        return not (self.required and ends["min"] == 0) and ends["max"] <= (self.column.length or ends["max"])

    def _values_in_range(self, values: pa.ChunkedArray) -> bool:
        if self.low is None and self.high is None:
            return True
        ends = pc.min_max(values).as_py()
        return ends["max"] is None or (self._in_range(ends["min"]) and self._in_range(ends["max"]))

    def _in_range(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def _explain_text(self, text: str) -> str | None:
        if self.required and not text:
            return "is empty, but must not be null"
        length = self.column.length
        return f"'{text}' is longer than {length} characters" if length is not None and len(text) > length else None

    def _explain_form(self, text: str) -> str | None:
        valid, expected = _FORMS.get(self.column.type.family, (_is_any, ""))
        return None if valid(text) else f"'{text}' is not {expected}"

    def _explain_range(self, text: str) -> str | None:
        if not self.column.type.is_numeric:
            return None
        if not _INFINITE.fullmatch(text) and not _can_hold(self.column.type.arrow, text):
            return f"{text} is too large for {self.column.type}"
        if self._in_range(float(text)):
            return None
        return f"{text} is outside {_format_bound(self.low, '-infinity')}..{_format_bound(self.high, 'infinity')}"


def build_rules(collection: Collection) -> tuple[ValueRule, ...]:
    """Return one rule per column, in their order. Positions are required and must be on the sphere in any case."""
    bounds = {c.column: (c.low, c.high) for c in collection.checks}
    position = collection.table.position
    sky = {} if position is None else {position.ra: _POSITION_RANGES["ra"], position.dec: _POSITION_RANGES["dec"]}
    return tuple(
        ValueRule(
            c, not c.nullable or c.name in sky, *_intersect_ranges(bounds.get(c.name, (None, None)), sky.get(c.name))
        )
        for c in collection.table.columns
    )


def _intersect_ranges(
    declared: tuple[float | None, float | None], sky: tuple[float, float] | None
) -> tuple[float | None, float | None]:
    if sky is None:
        return declared
    low, high = declared
    return (sky[0] if low is None else max(low, sky[0])), (sky[1] if high is None else min(high, sky[1]))


def _is_any(text: str) -> bool:
    return True


def _is_boolean(text: str) -> bool:
    return text.lower() in _BOOLEANS


def _is_time(text: str) -> bool:
    return _can_parse(date.fromisoformat if _DATE.fullmatch(text) else datetime.fromisoformat, text)


def _can_parse(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


_FORMS: dict[str, tuple[Callable[[str], object], str]] = {
    "integer": (_INTEGER.fullmatch, "a whole number"),
    "real": (lambda text: _NUMBER.fullmatch(text) or _INFINITE.fullmatch(text), "a number"),
    "time": (_is_time, "a date (YYYY-MM-DD)"),
    "boolean": (_is_boolean, "true or false"),
}


def _can_hold(type: pa.DataType, text: str) -> bool:
    if pa.types.is_integer(type):
        limits = np.iinfo(type.to_pandas_dtype())
        return bool(limits.min <= int(text) <= limits.max)
    return math.isfinite(float(text)) and abs(float(text)) <= float(np.finfo(type.to_pandas_dtype()).max)


def _format_bound(value: float | None, infinite: str) -> str:
    return infinite if value is None else f"{value:g}"

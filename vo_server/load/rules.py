"""What the rows of a publication must obey: types, widths, bounds, and which values may be missing.

Each rule is said twice: over an array, to pass thousands of values in a few microseconds, and over one text, to tell
what is wrong with it. Only rows of a block that did not pass the first are shown to the second.
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
_WHOLE = re.compile(r"-?\d+", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TRUTH = {"true", "false", "1", "0"}
_SKY = {"ra": (0.0, 360.0), "dec": (-90.0, 90.0)}


@dataclass(frozen=True, slots=True)
class Rule:
    """What the values of a column must obey; the bounds are included."""

    column: Column
    required: bool
    low: float | None = None
    high: float | None = None

    def passes(self, values: pa.ChunkedArray, *, infinite: bool = False) -> bool:
        """Do all of these values, already of the column's type, obey?

        An infinite one is taken for one too large for the type, unless `infinite` says that it is meant so.
        """
        if self.required and values.null_count:
            return False
        match self.column.type.family:
            case "text":
                return self._fits(values)
            case "real":
                within = infinite or pc.all(pc.is_finite(values)).as_py() is not False
                return within and self._inside(values)
            case "integer":
                return self._inside(values)
            case _:
                return True

    def fault(self, text: str | None) -> str | None:
        """What is wrong with this value, None where nothing is."""
        if text is None:
            return "empty, but may not be null" if self.required else None
        if self.column.type.family == "text":
            return self._text_fault(text)
        return self._form_fault(text.strip()) or self._bound_fault(text.strip())

    def _fits(self, values: pa.ChunkedArray) -> bool:
        if self.column.length is None and not self.required:
            return True
        ends = pc.min_max(pc.utf8_length(values)).as_py()
        if ends["max"] is None:
            return True
        return not (self.required and ends["min"] == 0) and ends["max"] <= (self.column.length or ends["max"])

    def _inside(self, values: pa.ChunkedArray) -> bool:
        if self.low is None and self.high is None:
            return True
        ends = pc.min_max(values).as_py()
        return ends["max"] is None or (self._holds(ends["min"]) and self._holds(ends["max"]))

    def _holds(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def _text_fault(self, text: str) -> str | None:
        if self.required and not text:
            return "empty, but may not be null"
        length = self.column.length
        return f"'{text}' is longer than {length} characters" if length is not None and len(text) > length else None

    def _form_fault(self, text: str) -> str | None:
        valid, wanted = _FORMS.get(self.column.type.family, (_any, ""))
        return None if valid(text) else f"'{text}' is not {wanted}"

    def _bound_fault(self, text: str) -> str | None:
        if not self.column.type.numeric:
            return None
        if not _INFINITE.fullmatch(text) and not _holdable(self.column.type.arrow, text):
            return f"{text} is too large for {self.column.type}"
        if self._holds(float(text)):
            return None
        return f"{text} is outside {_bound(self.low, '-infinity')}..{_bound(self.high, 'infinity')}"


def rules(publication: Collection) -> tuple[Rule, ...]:
    """One rule a column, in their order. A position must be there and on the sphere, whatever else is said."""
    bounds = {c.column: (c.low, c.high) for c in publication.checks}
    position = publication.table.position
    sky = {} if position is None else {position.ra: _SKY["ra"], position.dec: _SKY["dec"]}
    return tuple(
        Rule(c, not c.nullable or c.name in sky, *_tighter(bounds.get(c.name, (None, None)), sky.get(c.name)))
        for c in publication.table.columns
    )


def _tighter(
    said: tuple[float | None, float | None], sky: tuple[float, float] | None
) -> tuple[float | None, float | None]:
    if sky is None:
        return said
    low, high = said
    return (sky[0] if low is None else max(low, sky[0])), (sky[1] if high is None else min(high, sky[1]))


def _any(text: str) -> bool:
    return True


def _truth(text: str) -> bool:
    return text.lower() in _TRUTH


def _day(text: str) -> bool:
    return _parses(date.fromisoformat if _DATE.fullmatch(text) else datetime.fromisoformat, text)


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


_FORMS: dict[str, tuple[Callable[[str], object], str]] = {
    "integer": (_WHOLE.fullmatch, "a whole number"),
    "real": (lambda text: _NUMBER.fullmatch(text) or _INFINITE.fullmatch(text), "a number"),
    "time": (_day, "a date (YYYY-MM-DD)"),
    "boolean": (_truth, "true or false"),
}


def _holdable(type: pa.DataType, text: str) -> bool:
    if pa.types.is_integer(type):
        limits = np.iinfo(type.to_pandas_dtype())
        return bool(limits.min <= int(text) <= limits.max)
    return math.isfinite(float(text)) and abs(float(text)) <= float(np.finfo(type.to_pandas_dtype()).max)


def _bound(value: float | None, infinite: str) -> str:
    return infinite if value is None else f"{value:g}"

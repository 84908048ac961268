"""The values of SIA 2's parameters (its section 2.1), which DataLink and SODA share, and their conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import INTERSECTS
from vo_server.adql.semantics.values import to_constant
from vo_server.errors import Code, UsageError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.templates import to_text
from vo_server.sky import coordinate_ranges, regions
from vo_server.sky.shapes import Shape, ShapeError, check_shape

POLARISATIONS = ("I", "Q", "U", "V", "RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX", "POLI", "POLA")
_NUMBER_COUNTS = {"CIRCLE": 3, "RANGE": 4, "POLYGON": 0}


def parse_region(name: str, text: str) -> tuple[Shape, ...]:
    """Return the shapes whose union is a region, those of a RANGE each within a hemisphere; see `parse_pos`."""
    shape = parse_pos(name, text)
    return coordinate_ranges.range_polygons(*shape[1]) if shape[0] == "range" else (shape,)


def parse_pos(name: str, text: str) -> Shape:
    """Return the shape of CIRCLE lon lat radius, RANGE lon1 lon2 lat1 lat2 or POLYGON lon lat lon lat ..., in degrees.

    Raises UsageError for an invalid region.
    """
    kind, *numbers = text.split(maxsplit=1) or [""]
    if kind.upper() not in _NUMBER_COUNTS:
        hint = "use CIRCLE lon lat radius, RANGE lon1 lon2 lat1 lat2 or POLYGON lon lat lon lat lon lat ..."
        raise UsageError(f"{name}: invalid region {text[:80]!r}", hint=hint, code=Code.REQUEST_BAD_REGION)
    return parse_shape(name, kind.upper(), " ".join(numbers))


def parse_shape(name: str, kind: str, text: str) -> Shape:
    """Return the shape of a kind, CIRCLE, RANGE or POLYGON, with these numbers.

    Raises UsageError for invalid numbers.
    """
    numbers = tuple(parse_number(name, word) for word in text.split())
    if len(numbers) != (_NUMBER_COUNTS[kind] or len(numbers)):
        message = f"{name}: a {kind} has {_NUMBER_COUNTS[kind]} numbers, not {len(numbers)}"
        raise UsageError(message, code=Code.REQUEST_BAD_REGION)
    try:
        if kind == "RANGE":
            return "range", _close_range(*numbers)
        check_shape(kind.lower(), numbers)
        if kind == "CIRCLE" and not 0 <= numbers[2] <= 180:
            raise ShapeError("the radius of a circle is 0 to 180 degrees")
        return kind.lower(), numbers
    except ShapeError as error:
        message = f"{name}: invalid region {text.strip()[:80]!r}: {error}"
        raise UsageError(message, code=Code.REQUEST_BAD_REGION) from None


def _close_range(lon1: float, lon2: float, lat1: float, lat2: float) -> tuple[float, float, float, float]:
    """Return a range with finite bounds; an open one ends at 0 or 360, -90 or 90 degrees.

    Raises ShapeError for an invalid range.
    """
    lon1, lat1 = (0.0 if lon1 == -math.inf else lon1), max(lat1, -90.0)
    lon2, lat2 = (360.0 if lon2 == math.inf else lon2), min(lat2, 90.0)
    coordinate_ranges.range_polygons(lon1, lon2, lat1, lat2)
    return lon1, lon2, lat1, lat2


def overlaps_shapes(region: q.Value, shapes: Sequence[Shape]) -> q.Condition:
    """Return the condition that a region of a row overlaps a union of shapes."""
    other = q.Constant(regions.format_shapes(shapes), Column("", types.REGION))
    return q.PredicateTest(INTERSECTS.call(region, other))


def parse_number(name: str, text: str) -> float:
    """Return a number, which may be infinite.

    Raises UsageError for any other text, and for NaN.
    """
    try:
        value = float(text if text.isascii() and "_" not in text else "")
    except ValueError:
        raise UsageError(f"{name} has {text!r}, which is not a number", code=Code.REQUEST_BAD_PARAMETER) from None
    if math.isnan(value):
        raise UsageError(f"{name} has NaN, which is not a number", code=Code.REQUEST_BAD_PARAMETER)
    return value


def parse_interval(name: str, text: str, unit: str) -> tuple[float, float]:
    """Return the interval of one number, or of two separated by a space; -Inf and +Inf are open ends.

    Raises UsageError for an invalid interval.
    """
    numbers = [parse_number(name, word) for word in text.split()]
    if len(numbers) not in (1, 2):
        raise UsageError(
            f"{name}: invalid interval {text[:80]!r}",
            hint=f"give one or two numbers{unit}",
            code=Code.REQUEST_BAD_REGION,
        )
    low, high = numbers[0], numbers[-1]
    if low > high:
        message = f"{name}: invalid interval {text!r}: the first number is larger than the second"
        raise UsageError(message, code=Code.REQUEST_BAD_REGION)
    return low, high


def overlaps_interval(low: q.Value, high: q.Value, interval: tuple[float, float]) -> q.Condition:
    """Return the condition that the interval between two values of a row overlaps an interval."""
    ends = []
    if interval[0] > -math.inf:
        ends.append(q.Comparison(">=", high, to_constant(interval[0])))
    if interval[1] < math.inf:
        ends.append(q.Comparison("<=", low, to_constant(interval[1])))
    return q.Conjunction(tuple(ends)) if ends else q.Conjunction((q.NullTest(low, True), q.NullTest(high, True)))


def equals_any(value: q.Value, texts: Sequence[str]) -> q.Condition:
    """Return the condition that a text of a row equals one of these."""
    return q.InTest(value, tuple(to_text(text) for text in texts))


def any_of(conditions: Sequence[q.Condition]) -> q.Condition:
    """Return the condition that one of these holds."""
    return conditions[0] if len(conditions) == 1 else q.Disjunction(tuple(conditions))

"""What is wanted of images, as conditions: the values of SIA 2's parameters (its section 2.1), which DataLink and SODA
write alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import INTERSECTS
from vo_server.adql.semantics.values import constant
from vo_server.errors import UsageError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.templates import text
from vo_server.sky import bounds, regions
from vo_server.sky.shapes import BadShape, Shape, check

POLARISATIONS = ("I", "Q", "U", "V", "RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX", "POLI", "POLA")
_NUMBERS = {"CIRCLE": 3, "RANGE": 4, "POLYGON": 0}


def place(name: str, said: str) -> tuple[Shape, ...]:
    """The shapes of which a region is the union, each within a hemisphere where the region is a RANGE; see `region`."""
    shape = region(name, said)
    return bounds.between(*shape[1]) if shape[0] == "range" else (shape,)


def region(name: str, said: str) -> Shape:
    """What CIRCLE lon lat radius, RANGE lon1 lon2 lat1 lat2 or POLYGON lon lat lon lat ... describes, in degrees.

    Raises UsageError for what is none.
    """
    kind, *numbers = said.split(maxsplit=1) or [""]
    if kind.upper() not in _NUMBERS:
        hint = "it is CIRCLE lon lat radius, RANGE lon1 lon2 lat1 lat2 or POLYGON lon lat lon lat lon lat ..."
        raise UsageError(f"{name} is {said[:80]!r}, which is no place", hint=hint)
    return shape(name, kind.upper(), " ".join(numbers))


def shape(name: str, kind: str, said: str) -> Shape:
    """The numbers of a CIRCLE, a RANGE or a POLYGON as that.

    Raises UsageError where they are none.
    """
    numbers = tuple(number(name, word) for word in said.split())
    if len(numbers) != (_NUMBERS[kind] or len(numbers)):
        raise UsageError(f"{name}: a {kind} has {_NUMBERS[kind]} numbers, not {len(numbers)}")
    try:
        if kind == "RANGE":
            return "range", _closed(*numbers)
        check(kind.lower(), numbers)
        if kind == "CIRCLE" and not 0 <= numbers[2] <= 180:
            raise BadShape("the radius of a circle is 0 to 180 degrees")
        return kind.lower(), numbers
    except BadShape as error:
        raise UsageError(f"{name} is {said.strip()[:80]!r}: {error}") from None


def _closed(lon1: float, lon2: float, lat1: float, lat2: float) -> tuple[float, float, float, float]:
    """A range whose ends may be open; one of all longitudes and latitudes is the whole sky."""
    lon1, lat1 = (0.0 if lon1 == -math.inf else lon1), max(lat1, -90.0)
    lon2, lat2 = (360.0 if lon2 == math.inf else lon2), min(lat2, 90.0)
    bounds.between(lon1, lon2, lat1, lat2)
    return lon1, lon2, lat1, lat2


def overlapping(region: q.Value, shapes: Sequence[Shape]) -> q.Condition:
    """A region of a row has a point in common with a union of shapes."""
    other = q.Constant(regions.worded_all(shapes), Column("", types.REGION))
    return q.Holds(q.Apply(INTERSECTS, (region, other), INTERSECTS.result(())))


def number(name: str, said: str) -> float:
    """A number, which may be infinite.

    Raises UsageError.
    """
    try:
        value = float(said if said.isascii() and "_" not in said else "")
    except ValueError:
        raise UsageError(f"{name} has {said!r}, which is not a number") from None
    if math.isnan(value):
        raise UsageError(f"{name} has NaN, which is not a number")
    return value


def interval(name: str, said: str, unit: str) -> tuple[float, float]:
    """One number, or two with a blank between them, the smaller first; -Inf and +Inf are open ends.

    Raises UsageError.
    """
    numbers = [number(name, word) for word in said.split()]
    if len(numbers) not in (1, 2):
        raise UsageError(f"{name} is {said[:80]!r}, which is no interval", hint=f"give one or two numbers{unit}")
    low, high = numbers[0], numbers[-1]
    if low > high:
        raise UsageError(f"{name} is {said!r}, whose first number is larger than its second")
    return low, high


def within(low: q.Value, high: q.Value, wanted: tuple[float, float]) -> q.Condition:
    """What reaches from a low value to a high one of the row has something in common with an interval."""
    ends = []
    if wanted[0] > -math.inf:
        ends.append(q.Compare(">=", high, constant(wanted[0])))
    if wanted[1] < math.inf:
        ends.append(q.Compare("<=", low, constant(wanted[1])))
    return q.And(tuple(ends)) if ends else q.And((q.IsNull(low, True), q.IsNull(high, True)))


def among(value: q.Value, said: Sequence[str]) -> q.Condition:
    """A text is one of some."""
    return q.In(value, tuple(text(each) for each in said))


def either(conditions: Sequence[q.Condition]) -> q.Condition:
    """One of them holds."""
    return conditions[0] if len(conditions) == 1 else q.Or(tuple(conditions))

"""Regions in words: STC-S (TAP 1.0 section 6) and the DALI forms, as REGION takes them."""

from __future__ import annotations

from vo_server.adql.functions import BOX, CIRCLE, POINT, POLYGON, Function

_SHAPES = {"POSITION": POINT, "POINT": POINT, "CIRCLE": CIRCLE, "BOX": BOX, "POLYGON": POLYGON}
_COUNTS = {POINT: (2,), CIRCLE: (3,), BOX: (4,)}
_FRAMES = {"ICRS", "FK5", "J2000", "UNKNOWNFRAME"}
_ASIDES = {"UNKNOWNREFPOS", "TOPOCENTER", "GEOCENTER", "BARYCENTER", "HELIOCENTER", "SPHERICAL2", "CARTESIAN2"}


def region(text: str) -> tuple[Function, tuple[float, ...]]:
    """The function that makes a region, and its numbers in degrees.

    Raises ValueError with a sentence for what is no such region.
    """
    words = text.replace(",", " ").split()
    shape = _SHAPES.get(words[0].upper()) if words else None
    if shape is None:
        raise ValueError(f"{text!r} is no region: it begins with one of {', '.join(_SHAPES)}")
    rest = words[1:]
    while rest and not _number(rest[0]):
        word = rest.pop(0)
        if word.upper() not in _FRAMES | _ASIDES:
            raise ValueError(f"{word!r} in a region is not known here: positions are ICRS degrees")
    numbers = tuple(float(word) for word in rest if _number(word))
    if len(numbers) != len(rest):
        raise ValueError(f"{text!r} is no region: after the shape come numbers")
    if len(numbers) not in _COUNTS.get(shape, (len(numbers),)):
        raise ValueError(f"{words[0]} takes {_COUNTS[shape][0]} numbers, not {len(numbers)}")
    return shape, numbers


def _number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True

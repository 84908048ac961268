"""Regions as text: STC-S as in TAP 1.0 (section 6) and ObsCore's s_region, and the shapes of DALI 1.2 (section 3.3).

`POLYGON ICRS 1 2 3 4 5 6`, `circle 10 20 1`, `UNION ICRS (CIRCLE 1 2 3 POLYGON ...)`; several shapes without UNION are
a union, too, as archives write the detectors of a camera. All numbers are degrees.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import pairwise
from math import isfinite

from vo_server.sky import frames, shapes
from vo_server.sky.shapes import Shape, ShapeError

_NUMBER_COUNTS = {"POSITION": 2, "POINT": 2, "CIRCLE": 3, "BOX": 4, "POLYGON": 0}
_KIND_ALIASES = {"POSITION": "point"}
_ICRS = {"ICRS", "FK5", "J2000", "UNKNOWNFRAME"}
_IGNORED_WORDS = {"UNKNOWNREFPOS", "TOPOCENTER", "GEOCENTER", "BARYCENTER", "HELIOCENTER", "SPHERICAL2", "CARTESIAN2"}


def parse_region(text: str, known: Collection[str] = frames.FRAMES) -> tuple[Shape, ...]:
    """Return the shapes whose union is a region, in ICRS; a box becomes the polygon of its corners.

    `known` are the frames that the region may have, besides those that count as ICRS.

    Raises ShapeError for a text that is not a region.
    """
    words = re.sub(r"[,()]", " ", text).upper().split()
    if words[:1] == ["UNION"]:
        del words[0]
    starts = [n for n, word in enumerate(words) if word in _NUMBER_COUNTS]
    prefix = words[: starts[0]] if starts else words
    if not starts or set(prefix) - _ICRS - {*known} - _IGNORED_WORDS:
        raise ShapeError(f"{text[:80]!r} is not a region, which begins with one of {', '.join(_NUMBER_COUNTS)}")
    return tuple(_parse_shape(prefix + words[a:b], text, known) for a, b in pairwise([*starts, len(words)]))


def _parse_shape(words: list[str], text: str, known: Collection[str]) -> Shape:
    name = next(word for word in words if word in _NUMBER_COUNTS)
    numbers: list[float] = []
    frame = "ICRS"
    for word in words:
        if word in known:
            frame = word
        elif word not in {name} | _ICRS | _IGNORED_WORDS:
            numbers.append(_parse_number(word, text))
    if len(numbers) != (_NUMBER_COUNTS[name] or len(numbers)):
        raise ShapeError(f"{name} takes {_NUMBER_COUNTS[name]} numbers, not {len(numbers)}")
    return _to_icrs_shape(_KIND_ALIASES.get(name, name.lower()), numbers, frame)


def _to_icrs_shape(kind: str, numbers: list[float], frame: str) -> Shape:
    shapes.check_shape(kind, numbers)
    if kind == "box":
        kind, numbers = "polygon", list(shapes.box_vertices(*numbers))
    if frame not in _ICRS:
        numbers = list(frames.rotate_shape(frame, "ICRS", numbers))
    return kind, tuple(numbers)


def _parse_number(word: str, text: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise ShapeError(f"{word!r} in {text[:80]!r} is not a number or a word of STC-S") from None
    if not isfinite(number):
        raise ShapeError(f"{word!r} in {text[:80]!r} is not finite")
    return number


@lru_cache(maxsize=1024)
def parse_outline(text: str) -> tuple[float, ...]:
    """Return the numbers (n,) of a region in a column, ICRS, with NaN between its shapes; see shapes.split_region."""
    return shapes.join_region(parse_region(text, ()))


def parse_single_shape(kind: str, text: str) -> tuple[float, ...]:
    """Return the numbers (n,) of one shape of a kind; as in DALI, the text may be the numbers alone.

    Raises ShapeError for a text that is not a shape of this kind.
    """
    prefixed = text if text.strip()[:1].isalpha() else f"{kind} {text}"
    shapes_found = parse_region(prefixed, ())
    if len(shapes_found) != 1 or shapes_found[0][0] != kind:
        raise ShapeError(f"{text[:80]!r} is not a {kind}")
    return shapes_found[0][1]


def format_shape(kind: str, numbers: tuple[float, ...]) -> str:
    """Return a shape as text (DALI 1.2 section 3.3); the shapes of a region one after the other."""
    return format_shapes(shapes.split_region((kind, numbers)))


def format_shapes(union: Iterable[Shape]) -> str:
    """Return shapes as text, one after the other."""
    return " ".join(" ".join([kind, *map(repr, numbers)]) for kind, numbers in union)

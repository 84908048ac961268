"""Regions in words: STC-S as in TAP 1.0 (section 6) and ObsCore's s_region, and the shapes of DALI 1.2 (section 3.3).

`POLYGON ICRS 1 2 3 4 5 6`, `circle 10 20 1`, `UNION ICRS (CIRCLE 1 2 3 POLYGON ...)`; several shapes in a row are
their union, too, as archives write the chips of a camera.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import pairwise
from math import isfinite

from vo_server.sky import frames, shapes
from vo_server.sky.shapes import BadShape, Shape

_COUNTS = {"POSITION": 2, "POINT": 2, "CIRCLE": 3, "BOX": 4, "POLYGON": 0}
_KINDS = {"POSITION": "point"}
_ICRS = {"ICRS", "FK5", "J2000", "UNKNOWNFRAME"}
_ASIDES = {"UNKNOWNREFPOS", "TOPOCENTER", "GEOCENTER", "BARYCENTER", "HELIOCENTER", "SPHERICAL2", "CARTESIAN2"}


def read(text: str, known: Collection[str] = frames.FRAMES) -> tuple[Shape, ...]:
    """The shapes of which a region is the union, in ICRS; a box is the polygon of its corners.

    `known` are the frames that it may be in, besides those which are taken for ICRS.

    Raises BadShape for what is no such region.
    """
    words = re.sub(r"[,()]", " ", text).upper().split()
    if words[:1] == ["UNION"]:
        del words[0]
    starts = [n for n, word in enumerate(words) if word in _COUNTS]
    aside = words[: starts[0]] if starts else words
    if not starts or set(aside) - _ICRS - {*known} - _ASIDES:
        raise BadShape(f"{text[:80]!r} is no region: it begins with one of {', '.join(_COUNTS)}")
    return tuple(_shape(aside + words[a:b], text, known) for a, b in pairwise([*starts, len(words)]))


def _shape(words: list[str], text: str, known: Collection[str]) -> Shape:
    name = next(word for word in words if word in _COUNTS)
    numbers: list[float] = []
    frame = "ICRS"
    for word in words:
        if word in known:
            frame = word
        elif word not in {name} | _ICRS | _ASIDES:
            numbers.append(_number(word, text))
    if len(numbers) != (_COUNTS[name] or len(numbers)):
        raise BadShape(f"{name} takes {_COUNTS[name]} numbers, not {len(numbers)}")
    return _made(_KINDS.get(name, name.lower()), numbers, frame)


def _made(kind: str, numbers: list[float], frame: str) -> Shape:
    shapes.check(kind, numbers)
    if kind == "box":
        kind, numbers = "polygon", list(shapes.box(*numbers))
    if frame not in _ICRS:
        numbers = list(frames.rotate_shape(frame, "ICRS", numbers))
    return kind, tuple(numbers)


def _number(word: str, text: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise BadShape(f"{word!r} in {text[:80]!r} is not known here") from None
    if not isfinite(number):
        raise BadShape(f"{word!r} in {text[:80]!r} is no position")
    return number


@lru_cache(maxsize=1024)
def outline(text: str) -> tuple[float, ...]:
    """The numbers of a region in a column, ICRS, NaN between the shapes of a union; see shapes.parts."""
    return shapes.whole(read(text, ()))


def single(kind: str, text: str) -> tuple[float, ...]:
    """The numbers of one shape of a kind, which may stand alone as DALI has it.

    Raises BadShape for what is none of this kind.
    """
    said = text if text.strip()[:1].isalpha() else f"{kind} {text}"
    found = read(said, ())
    if len(found) != 1 or found[0][0] != kind:
        raise BadShape(f"{text[:80]!r} is no {kind}")
    return found[0][1]


def worded(kind: str, numbers: tuple[float, ...]) -> str:
    """A shape in words (DALI 1.2 section 3.3), those of a union one after the other."""
    return worded_all(shapes.parts((kind, numbers)))


def worded_all(union: Iterable[Shape]) -> str:
    """Shapes in words, one after the other."""
    return " ".join(" ".join([kind, *map(repr, numbers)]) for kind, numbers in union)

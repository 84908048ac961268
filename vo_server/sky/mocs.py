"""Multi-order coverage maps (MOC 2.0): sets of HEALPix cells, nested, ICRS, as the ranges that they have in order 29.

A cell meets a shape where the two have a point in common. Cells whose middle does not settle it are cut in four, down
to order 29, whose cells are 2e-9 radians wide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vo_server.sky import cover, shapes
from vo_server.sky.cover import NOTHING, ORDER, SKY, Ranges
from vo_server.sky.shapes import BadShape, Shape
from vo_server.sky.vectors import Floats

Distances = Callable[[Floats, Floats], Floats]
Numbers = npt.NDArray[np.int64]

_FARTHEST = np.radians(61.3)
"""No point of a cell of an order is farther from its middle than this over two to the order (radians)."""

MOST_CELLS = 1_000_000
"""A map of a shape may have so many cells along the border of the shape."""

_MOST_OPEN = 50_000
"""With so many cells undecided two borders run along one another; they are taken to touch."""


# ------------------------------------------------------------------ texts


_TOKEN = re.compile(r"(?P<order>\d+)\s*/|(?P<first>\d+)(\s*-\s*(?P<last>\d+))?|(?P<other>[^\s,])", re.ASCII)


@lru_cache(maxsize=128)
def read(text: str) -> tuple[int, Ranges]:
    """The order and the ranges of an ASCII MOC (MOC 2.0 section 4.3.2): `6/1-3 7/20`.

    Raises BadShape for what is none.
    """
    order, spans = -1, []
    for token in _TOKEN.finditer(text):
        if token["order"] is not None:
            order = int(token["order"])
        elif token["other"] is not None or order < 0:
            raise BadShape(f"{text[:80]!r} is no MOC, such as '6/1-3 7/20'")
        else:
            spans.append((order, int(token["first"]), int(token["last"] or token["first"])))
    orders = [int(found) for found in re.findall(r"(\d+)\s*/", text)]
    if not orders:
        raise BadShape(f"{text[:80]!r} is no MOC, such as '6/1-3 7/20'")
    _check(max(orders), spans)
    found = [(low << _bits(k), (high + 1) << _bits(k)) for k, low, high in spans]
    return max(orders), cover.ordered(np.array(found, dtype=np.int64).reshape(-1, 2))


def _check(order: int, spans: Sequence[tuple[int, int, int]]) -> None:
    if order > ORDER:
        raise BadShape(f"the order {order} in a MOC is above {ORDER}")
    for k, low, high in spans:
        if not low <= high < 12 << (2 * k):
            raise BadShape(f"the cells of order {k} in a MOC are 0 to {(12 << (2 * k)) - 1}, not {low}-{high}")


def text(ranges: Ranges, order: int) -> str:
    """The ASCII MOC of ranges; the order is named though it may have no cells of its own."""
    said = [f"{k}/{' '.join(_said(cells))}" for k, cells in cells_of(ranges)]
    if not said or not said[-1].startswith(f"{order}/"):
        said.append(f"{order}/")
    return " ".join(said)


def _said(cells: Numbers) -> Iterator[str]:
    breaks = np.flatnonzero(np.diff(cells) > 1) + 1
    for run in np.split(cells, breaks):
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def cells_of(ranges: Ranges) -> list[tuple[int, Numbers]]:
    """The fewest cells that make up the ranges, by order."""
    left, found = ranges, []
    for k in range(ORDER + 1):
        bits = _bits(k)
        first, last = (left[:, 0] + (1 << bits) - 1) >> bits, left[:, 1] >> bits
        full = first < last
        if full.any():
            found.append((k, np.concatenate([np.arange(a, b) for a, b in zip(first[full], last[full], strict=True)])))
            before = np.stack([left[:, 0], np.where(full, first << bits, left[:, 1])], axis=1)
            after = np.stack([np.where(full, last << bits, left[:, 1]), left[:, 1]], axis=1)
            left = np.concatenate([before, after])
            left = left[left[:, 0] < left[:, 1]]
    return [(k, np.sort(cells)) for k, cells in found]


def _bits(order: int) -> int:
    return 2 * (ORDER - order)


# --------------------------------------------------------------- measures


def area(ranges: Ranges) -> float:
    """Square degrees."""
    return float((ranges[:, 1] - ranges[:, 0]).sum() / SKY[0, 1] * 4 * np.pi * shapes.SQUARE_DEGREES)


def holds(ranges: Ranges, numbers: Numbers) -> npt.NDArray[np.bool_]:
    """Which of these cells of order 29 lie in the ranges."""
    at = np.searchsorted(ranges[:, 0], numbers, side="right") - 1
    return (at >= 0) & (numbers < ranges[:, 1][at]) if len(ranges) else np.zeros(len(numbers), dtype=bool)


def without(ranges: Ranges) -> Ranges:
    """The rest of the sky."""
    ends = np.concatenate([SKY[:, :1].ravel(), ranges.ravel(), SKY[:, 1:].ravel()]).reshape(-1, 2)
    return ends[ends[:, 0] < ends[:, 1]]


def covers(outer: Ranges, inner: Ranges) -> bool:
    """Does the first map hold all of the second?"""
    return not len(cover.meet(inner, without(outer)))


def overlap(a: Ranges, b: Ranges) -> bool:
    """Have two maps a cell in common?"""
    return bool(len(cover.meet(a, b)))


# ----------------------------------------------------------------- shapes


@lru_cache(maxsize=256)
def of(order: int, shape: Shape) -> Ranges:
    """The cells of an order that a shape meets.

    Raises BadShape for what is no shape, and where there would be too many cells.
    """
    shapes.check(*shape)
    found = NOTHING
    for part in shapes.parts(shape):
        found = cover.join(found, _spot(part, order) if _is_spot(part) else around(shapes.distances(part), order))
    return found


def _is_spot(shape: Shape) -> bool:
    """Is it a point, or a circle of no radius?"""
    return shape[0] == "point" or (shape[0] == "circle" and shape[1][2] == 0)


def _spot(shape: Shape, order: int = ORDER) -> Ranges:
    lon, lat = shape[1][:2]
    return spans(np.array([cover.cell(lon, lat, order)]), order)


def around(distances: Distances, order: int, reach: float = 0.0) -> Ranges:
    """The cells of an order that may lie within `reach` (radians) of what the distances are from.

    Every one that does is there; where there is no reach, only these.
    """
    found, cells = [], np.arange(12, dtype=np.int64)
    for k in range(order + 1):
        away = _away(distances, cells, k) - reach
        inside, open = away <= -_radius(k), abs(away) < _radius(k)
        found.append(spans(cells[inside], k))
        cells = cells[open]
        if len(cells) > MOST_CELLS:
            raise BadShape(f"a MOC of order {order} of such a shape has too many cells: take a smaller order")
        cells = _children(cells) if k < order else cells
    found.append(spans(cells if reach else cells[_met(distances, cells, order)], order))
    return cover.ordered(np.concatenate(found))


def _met(distances: Distances, cells: Numbers, order: int) -> npt.NDArray[np.bool_]:
    """Which of some cells meet a shape."""
    met = np.zeros(len(cells), dtype=bool)
    owners = np.arange(len(cells))
    for k in range(order, ORDER + 1):
        away = _away(distances, cells, k)
        met[owners[away <= 0]] = True
        open = (away > 0) & (away < _radius(k)) & ~met[owners]
        if k == ORDER or open.sum() > max(MOST_CELLS, 4 * len(met)):
            met[owners[open]] = True
            break
        cells, owners = _children(cells[open]), np.repeat(owners[open], 4)
    return met


def contains(ranges: Ranges, shape: Shape) -> bool:
    """Does a map hold all of a shape?"""
    return all(_contains(ranges, part) for part in shapes.parts(shape))


def _contains(ranges: Ranges, shape: Shape) -> bool:
    distances = shapes.distances(shape)
    return (
        covers(ranges, _spot(shape))
        if _is_spot(shape)
        else not _meet(cover.meet(without(ranges), cover.of(shape)), distances, touching=False)
    )


def meets(ranges: Ranges, shape: Shape) -> bool:
    """Have a map and a shape a point in common?"""
    return any(_meets(ranges, part) for part in shapes.parts(shape))


def _meets(ranges: Ranges, shape: Shape) -> bool:
    distances = shapes.distances(shape)
    if _is_spot(shape):
        return overlap(ranges, _spot(shape))
    return _meet(cover.meet(ranges, cover.of(shape)), distances, touching=True)


def within(ranges: Ranges, shape: Shape) -> bool:
    """Does a shape hold all of a map? A union does where each point of the map lies in one of its parts."""
    distances = shapes.distances(shape)
    return not _meet(ranges, lambda lon, lat: -distances(lon, lat), touching=False)


TESTS: dict[str, Callable[[Ranges, Shape], bool]] = {"contains": contains, "meets": meets, "within": within}
"""What can be asked of a map and a shape, by name."""


def _meet(ranges: Ranges, distances: Distances, touching: bool) -> bool:
    """Has any cell a point at no distance? Not its border alone, unless touching is enough."""
    waiting = dict(cells_of(ranges))
    cells: Numbers = np.empty(0, dtype=np.int64)
    for k in range(min(waiting, default=ORDER + 1), ORDER + 1):
        cells = np.concatenate([cells, waiting.pop(k, cells[:0])])
        away = _away(distances, cells, k)
        if (away <= 0 if touching else away < -_HAIR).any():
            return True
        cells = cells[away < _radius(k)]
        if len(cells) > _MOST_OPEN:
            break
        if not len(cells) and not waiting:
            return False
        cells = _children(cells) if k < ORDER else cells
    return touching and bool(len(cells))


_HAIR = 1e-9
"""Radians by which something must lie beyond a border to be beyond it."""


def _away(distances: Distances, cells: Numbers, order: int) -> Floats:
    return distances(*cover.centres(cells, order)) if len(cells) else np.empty(0)


def _radius(order: int) -> float:
    return float(_FARTHEST / (1 << order))


def _children(cells: Numbers) -> Numbers:
    return (4 * cells[:, None] + np.arange(4)).ravel()


def spans(cells: Numbers, order: int) -> Ranges:
    """The ranges of cells of an order, one each and in their order."""
    return np.stack([cells << _bits(order), (cells + 1) << _bits(order)], axis=1)

"""Multi-order coverage maps (MOC 2.0): sets of HEALPix cells, nested, ICRS, as ranges (n, 2) of order 29.

A cell intersects a shape where they have a point in common. Cells whose centre does not decide this are split in four,
down to order 29, whose cells are 2e-9 radians wide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vo_server.sky import cover, shapes
from vo_server.sky.cover import EMPTY, ORDER, WHOLE_SKY, Ranges
from vo_server.sky.shapes import Shape, ShapeError
from vo_server.sky.vectors import Floats

Distances = Callable[[Floats, Floats], Floats]
Numbers = npt.NDArray[np.int64]

_BASE_CELL_RADIUS = np.radians(61.3)
"""The maximum distance (radians) of a point of a cell from its centre in order 0; it halves with each order."""

MAX_CELLS = 1_000_000
"""Cells that a map may have along the border of its shape."""

_MAX_UNDECIDED_CELLS = 50_000
"""Undecided cells above which two borders are taken to touch: they run along each other."""


# ------------------------------------------------------------------ texts


_TOKEN = re.compile(r"(?P<order>\d+)\s*/|(?P<first>\d+)(\s*-\s*(?P<last>\d+))?|(?P<other>[^\s,])", re.ASCII)


@lru_cache(maxsize=128)
def parse_moc(text: str) -> tuple[int, Ranges]:
    """Return the order and the ranges (n, 2) of an ASCII MOC (MOC 2.0 section 4.3.2): `6/1-3 7/20`.

    Raises ShapeError for a text that is not a MOC.
    """
    order, spans = -1, []
    for token in _TOKEN.finditer(text):
        if token["order"] is not None:
            order = int(token["order"])
        elif token["other"] is not None or order < 0:
            raise ShapeError(f"{text[:80]!r} is not a MOC, such as '6/1-3 7/20'")
        else:
            spans.append((order, int(token["first"]), int(token["last"] or token["first"])))
    orders = [int(found) for found in re.findall(r"(\d+)\s*/", text)]
    if not orders:
        raise ShapeError(f"{text[:80]!r} is not a MOC, such as '6/1-3 7/20'")
    _check_cells(max(orders), spans)
    found = [(low << _order_bits(k), (high + 1) << _order_bits(k)) for k, low, high in spans]
    return max(orders), cover.normalise_ranges(np.array(found, dtype=np.int64).reshape(-1, 2))


def _check_cells(order: int, spans: Sequence[tuple[int, int, int]]) -> None:
    if order > ORDER:
        raise ShapeError(f"the order of a MOC must be at most {ORDER}, not {order}")
    for k, low, high in spans:
        if not low <= high < 12 << (2 * k):
            raise ShapeError(f"the cells of order {k} of a MOC must be 0 to {(12 << (2 * k)) - 1}, not {low}-{high}")


def format_moc(ranges: Ranges, order: int) -> str:
    """Return the ASCII MOC of ranges (n, 2); it names the order even where that has no cells."""
    parts = [f"{k}/{' '.join(_format_runs(cells))}" for k, cells in to_cells(ranges)]
    if not parts or not parts[-1].startswith(f"{order}/"):
        parts.append(f"{order}/")
    return " ".join(parts)


def _format_runs(cells: Numbers) -> Iterator[str]:
    breaks = np.flatnonzero(np.diff(cells) > 1) + 1
    for run in np.split(cells, breaks):
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def to_cells(ranges: Ranges) -> list[tuple[int, Numbers]]:
    """Return the fewest cells that make up ranges (n, 2): pairs of an order and its cells (m,), ascending."""
    left, found = ranges, []
    for k in range(ORDER + 1):
        bits = _order_bits(k)
        first, last = (left[:, 0] + (1 << bits) - 1) >> bits, left[:, 1] >> bits
        full = first < last
        if full.any():
            found.append((k, np.concatenate([np.arange(a, b) for a, b in zip(first[full], last[full], strict=True)])))
            before = np.stack([left[:, 0], np.where(full, first << bits, left[:, 1])], axis=1)
            after = np.stack([np.where(full, last << bits, left[:, 1]), left[:, 1]], axis=1)
            left = np.concatenate([before, after])
            left = left[left[:, 0] < left[:, 1]]
    return [(k, np.sort(cells)) for k, cells in found]


def _order_bits(order: int) -> int:
    return 2 * (ORDER - order)


# --------------------------------------------------------------- measures


def area(ranges: Ranges) -> float:
    """Return the area of ranges (n, 2) in square degrees."""
    return float((ranges[:, 1] - ranges[:, 0]).sum() / WHOLE_SKY[0, 1] * 4 * np.pi * shapes.SQUARE_DEGREES)


def contains_cells(ranges: Ranges, numbers: Numbers) -> npt.NDArray[np.bool_]:
    """Return whether cells (m,) of order 29 lie in ranges (n, 2)."""
    at = np.searchsorted(ranges[:, 0], numbers, side="right") - 1
    return (at >= 0) & (numbers < ranges[:, 1][at]) if len(ranges) else np.zeros(len(numbers), dtype=bool)


def complement(ranges: Ranges) -> Ranges:
    """Return the ranges of the rest of the sky."""
    ends = np.concatenate([WHOLE_SKY[:, :1].ravel(), ranges.ravel(), WHOLE_SKY[:, 1:].ravel()]).reshape(-1, 2)
    return ends[ends[:, 0] < ends[:, 1]]


def contains_moc(outer: Ranges, inner: Ranges) -> bool:
    """Return whether the first map contains the second."""
    return not len(cover.intersection(inner, complement(outer)))


def overlaps(a: Ranges, b: Ranges) -> bool:
    """Return whether two maps have a cell in common."""
    return bool(len(cover.intersection(a, b)))


# ----------------------------------------------------------------- shapes


@lru_cache(maxsize=256)
def moc_of_shape(order: int, shape: Shape) -> Ranges:
    """Return the ranges (n, 2) of the cells of an order that a shape intersects.

    Raises ShapeError for an invalid shape, and for more cells than MAX_CELLS along its border.
    """
    shapes.check_shape(*shape)
    found = EMPTY
    for part in shapes.split_region(shape):
        found = cover.union(
            found, _spot_cell(part, order) if _is_spot(part) else cells_near(shapes.distance_function(part), order)
        )
    return found


def _is_spot(shape: Shape) -> bool:
    """Return whether a shape is a point, or a circle of radius 0."""
    return shape[0] == "point" or (shape[0] == "circle" and shape[1][2] == 0)


def _spot_cell(shape: Shape, order: int = ORDER) -> Ranges:
    lon, lat = shape[1][:2]
    return to_ranges(np.array([cover.healpix_cell(lon, lat, order)]), order)


def cells_near(distances: Distances, order: int, reach: float = 0.0) -> Ranges:
    """Return the ranges (n, 2) of the cells of an order within `reach` (radians) of a shape.

    `distances` returns the distances (radians) of positions in degrees from the shape, negative inside it. With a
    reach of 0 the cells are exactly those that the shape intersects; otherwise some cells just outside are included.

    Raises ShapeError for more cells than MAX_CELLS along the border.
    """
    found, cells = [], np.arange(12, dtype=np.int64)
    for k in range(order + 1):
        away = _centre_distances(distances, cells, k) - reach
        inside, open = away <= -_cell_radius(k), abs(away) < _cell_radius(k)
        found.append(to_ranges(cells[inside], k))
        cells = cells[open]
        if len(cells) > MAX_CELLS:
            raise ShapeError(f"a MOC of order {order} of this shape has too many cells: use a smaller order")
        cells = _split_cells(cells) if k < order else cells
    found.append(to_ranges(cells if reach else cells[_touch_shape(distances, cells, order)], order))
    return cover.normalise_ranges(np.concatenate(found))


def _touch_shape(distances: Distances, cells: Numbers, order: int) -> npt.NDArray[np.bool_]:
    """Return whether cells (n,) of an order intersect a shape."""
    touching = np.zeros(len(cells), dtype=bool)
    owners = np.arange(len(cells))
    for k in range(order, ORDER + 1):
        away = _centre_distances(distances, cells, k)
        touching[owners[away <= 0]] = True
        open = (away > 0) & (away < _cell_radius(k)) & ~touching[owners]
        if k == ORDER or open.sum() > max(MAX_CELLS, 4 * len(touching)):
            touching[owners[open]] = True
            break
        cells, owners = _split_cells(cells[open]), np.repeat(owners[open], 4)
    return touching


def contains_shape(ranges: Ranges, shape: Shape) -> bool:
    """Return whether a map contains a shape."""
    return all(_contains_part(ranges, part) for part in shapes.split_region(shape))


def _contains_part(ranges: Ranges, shape: Shape) -> bool:
    distances = shapes.distance_function(shape)
    return (
        contains_moc(ranges, _spot_cell(shape))
        if _is_spot(shape)
        else not _has_point_within(
            cover.intersection(complement(ranges), cover.cover_shape(shape)), distances, touching=False
        )
    )


def intersects_shape(ranges: Ranges, shape: Shape) -> bool:
    """Return whether a map and a shape have a point in common."""
    return any(_intersects_part(ranges, part) for part in shapes.split_region(shape))


def _intersects_part(ranges: Ranges, shape: Shape) -> bool:
    distances = shapes.distance_function(shape)
    if _is_spot(shape):
        return overlaps(ranges, _spot_cell(shape))
    return _has_point_within(cover.intersection(ranges, cover.cover_shape(shape)), distances, touching=True)


def is_within_shape(ranges: Ranges, shape: Shape) -> bool:
    """Return whether a shape contains a map; a region does where each point of the map lies in one of its parts."""
    distances = shapes.distance_function(shape)
    return not _has_point_within(ranges, lambda lon, lat: -distances(lon, lat), touching=False)


PREDICATES: dict[str, Callable[[Ranges, Shape], bool]] = {
    "contains": contains_shape,
    "meets": intersects_shape,
    "within": is_within_shape,
}
"""The predicates of a map and a shape, by name."""


def _has_point_within(ranges: Ranges, distances: Distances, touching: bool) -> bool:
    """Return whether ranges have a point inside a shape; its border counts only if `touching`."""
    pending = dict(to_cells(ranges))
    cells: Numbers = np.empty(0, dtype=np.int64)
    for k in range(min(pending, default=ORDER + 1), ORDER + 1):
        cells = np.concatenate([cells, pending.pop(k, cells[:0])])
        away = _centre_distances(distances, cells, k)
        if (away <= 0 if touching else away < -_TOLERANCE_RADIANS).any():
            return True
        cells = cells[away < _cell_radius(k)]
        if len(cells) > _MAX_UNDECIDED_CELLS:
            break
        if not len(cells) and not pending:
            return False
        cells = _split_cells(cells) if k < ORDER else cells
    return touching and bool(len(cells))


_TOLERANCE_RADIANS = 1e-9
"""Radians by which a point must lie beyond a border to be outside."""


def _centre_distances(distances: Distances, cells: Numbers, order: int) -> Floats:
    return distances(*cover.cell_centres(cells, order)) if len(cells) else np.empty(0)


def _cell_radius(order: int) -> float:
    return float(_BASE_CELL_RADIUS / (1 << order))


def _split_cells(cells: Numbers) -> Numbers:
    return (4 * cells[:, None] + np.arange(4)).ravel()


def to_ranges(cells: Numbers, order: int) -> Ranges:
    """Return the ranges (n, 2) of cells (n,) of an order, one range each, in the order given."""
    return np.stack([cells << _order_bits(order), (cells + 1) << _order_bits(order)], axis=1)

"""Coverage maps (MOC 2.0): of a table, the cells that have rows; of images, the cells that their outlines overlap."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import groupby

import mocpy
import numpy as np
import numpy.typing as npt

from vo_server.sky import cover, mocs
from vo_server.sky.cover import ORDER, WHOLE_SKY, Ranges
from vo_server.sky.vectors import Floats

MAX_ORDER, MIN_ORDER, USUAL_ORDER = 10, 4, 6
"""Orders with cells of 3.4 arcmin, 3.7 degrees, and the 55 arcmin of registries (VODataService 1.2 section 3.2)."""

MAX_SINGLE_SHARE = 0.005
"""The maximum share of cells with a single row among the cells with rows.

Then even fewer cells, one in 1,500 of a uniform sky, are empty by chance: the gaps are those of the survey (after the
estimate of Good and Turing)."""

Numbers = npt.NDArray[np.int64]


class Footprint:
    """The coverage of rows that come in the order of their HEALPix numbers."""

    def __init__(self) -> None:
        self._found: list[tuple[Numbers, Numbers]] = []

    def add(self, numbers: Numbers) -> None:
        """Add rows by their HEALPix numbers (n,) in order 29, ascending."""
        self._found.append(_sum_counts(numbers >> (2 * (ORDER - MAX_ORDER)), np.ones(len(numbers), dtype=np.int64)))

    def to_text(self) -> str:
        """Return the map in ASCII, of the finest order in which no cells are empty by chance.

        With too few rows for any order it is a map of the single rows.
        """
        empty = np.empty(0, dtype=np.int64)
        cells, counts = (np.concatenate([empty, *parts]) for parts in zip((empty, empty), *self._found, strict=True))
        cells, counts = _sum_counts(cells, counts)
        usual = cells >> (2 * (MAX_ORDER - USUAL_ORDER))
        for order in range(MAX_ORDER, MIN_ORDER - 1, -1):
            if np.count_nonzero(counts == 1) <= MAX_SINGLE_SHARE * len(cells):
                return _format_cells(cells, order)
            cells, counts = _sum_counts(cells >> 2, counts)
        return _format_cells(usual, USUAL_ORDER)


class OutlineFootprint:
    """The coverage of outlines on the sky."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._found = mocpy.MOC.new_empty(MAX_ORDER)

    def add(self, numbers: Numbers, outlines: Iterable[Floats | None]) -> None:
        """Add polygons, each a flat array of lon, lat, ... in degrees, and the HEALPix numbers (n,) of their rows.

        An outline that is None or not a polygon covers the cell of its row.
        """
        drawn, lost = set[bytes](), []
        for number, values in zip(numbers, outlines, strict=True):
            if values is not None and _is_drawable(values):
                drawn.add(values.tobytes())
            else:
                lost.append(number)
        self._add_cells(lost)
        for _, alike in groupby(sorted(drawn, key=len), len):
            polygons = [np.frombuffer(each) for each in alike]
            for first in range(0, len(polygons), _BATCH_POLYGONS):
                self._add_polygons(polygons[first : first + _BATCH_POLYGONS])

    def _add_cells(self, numbers: Sequence[int]) -> None:
        if numbers:
            cells = np.unique(np.array(numbers, dtype=np.uint64) >> np.uint64(2 * (ORDER - MAX_ORDER)))
            orders = np.full(len(cells), MAX_ORDER, dtype=np.uint8)
            self._found = self._found.union(mocpy.MOC.from_healpix_cells(cells, orders, MAX_ORDER))

    def _add_polygons(self, polygons: Sequence[Floats]) -> None:
        """Add polygons, all with the same number of vertices."""
        corners = [part for each in polygons for part in (each[::2] % 360 % 360, each[1::2].copy())]
        maps = mocpy.MOC.from_polygons(corners, max_depth=MAX_ORDER, n_threads=self._threads)
        self._found = self._found.union(*maps)

    def to_text(self) -> str:
        """Return the map in ASCII."""
        return mocs.format_moc(self._found.to_depth29_ranges.astype(np.int64), MAX_ORDER)


_BATCH_POLYGONS = 4_096
"""Outlines that are added at a time."""


def _is_drawable(values: Floats) -> bool:
    """Return whether numbers may be the vertices of a polygon; mocpy ends the process for others."""
    return (
        len(values) >= 6
        and len(values) % 2 == 0
        and bool(np.isfinite(values).all())
        and bool((abs(values[1::2]) <= 90).all())
    )


def _sum_counts(ascending: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """Return each number once, with the sum of its counts."""
    first = np.flatnonzero(np.diff(ascending, prepend=-1))
    return ascending[first], np.add.reduceat(counts, first) if len(first) else counts


def _format_cells(cells: Numbers, order: int) -> str:
    bits = 2 * (ORDER - order)
    return mocs.format_moc(cover.normalise_ranges(np.stack([cells << bits, (cells + 1) << bits], axis=1)), order)


def shorten(text: str, length: int) -> str:
    """Return the map in ASCII, of order 6 or coarser, so that it has at most `length` characters."""
    order, ranges = mocs.parse_moc(text)
    for coarser in range(min(order, USUAL_ORDER), 0, -1):
        short = mocs.format_moc(_degrade(ranges, coarser), coarser)
        if len(short) <= length:
            return short
    return mocs.format_moc(_degrade(ranges, 0), 0)


def merge_maps(texts: Sequence[str]) -> str:
    """Return the union of maps in ASCII, in the finest of their orders."""
    read = [mocs.parse_moc(text) for text in texts]
    return mocs.format_moc(reduce(cover.union, (ranges for _, ranges in read)), max(order for order, _ in read))


def _degrade(ranges: Ranges, order: int) -> Ranges:
    """Return ranges widened to whole cells of an order."""
    bits = 2 * (ORDER - order)
    return cover.normalise_ranges(np.stack([ranges[:, 0] >> bits, -(-ranges[:, 1] >> bits)], axis=1) << bits)


def sky_fraction(text: str) -> float:
    """Return the fraction of the sky that a map in ASCII covers, 0 to 1."""
    _, ranges = mocs.parse_moc(text)
    return float((ranges[:, 1] - ranges[:, 0]).sum() / WHOLE_SKY[0, 1])


def contains_positions(text: str, ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return whether a map in ASCII covers positions in degrees; shape as given."""
    _, ranges = mocs.parse_moc(text)
    return mocs.contains_cells(ranges, cover.healpix_index(ra, dec))


def as_fits(text: str) -> bytes:
    """Return a map in ASCII as a FITS file (MOC 2.0 section 4.3.1)."""
    written = io.BytesIO()
    mocpy.MOC.from_string(text).serialize("fits").writeto(written)
    return written.getvalue()


def as_json(text: str) -> bytes:
    """Return a map in ASCII as JSON: the cells of each order (MOC 2.0 section 4.3.3)."""
    return json.dumps(mocpy.MOC.from_string(text).serialize("json")).encode()

"""Where the rows of a table lie: a map of the cells that hold any (MOC 2.0), made from their numbers in order 29; of
images, of the cells that their outlines meet.
"""

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
from vo_server.sky.cover import ORDER, SKY, Ranges
from vo_server.sky.vectors import Floats

FINEST, COARSEST, USUAL = 10, 4, 6
"""Cells of 3.4 arcmin, of 3.7 degrees, and of 55 arcmin, which registries ask for (VODataService 1.2 section 3.2)."""

CHANCE = 0.005
"""Of the cells that hold rows so many may hold a single one. Then fewer yet, one in 1,500 of an even sky, are empty by
chance: the gaps are those of the survey (after the estimate of Good and Turing)."""

Numbers = npt.NDArray[np.int64]


class Footprint:
    """The cells of rows that come in the order of their numbers."""

    def __init__(self) -> None:
        self._found: list[tuple[Numbers, Numbers]] = []

    def add(self, numbers: Numbers) -> None:
        """Take these rows, by their cells of order 29, ascending."""
        self._found.append(_counted(numbers >> (2 * (ORDER - FINEST)), np.ones(len(numbers), dtype=np.int64)))

    def text(self) -> str:
        """The map in ASCII: of the finest order in which no cells are empty by chance. Where there are too few rows for
        any, it is a map of the single rows."""
        empty = np.empty(0, dtype=np.int64)
        cells, counts = (np.concatenate([empty, *parts]) for parts in zip((empty, empty), *self._found, strict=True))
        cells, counts = _counted(cells, counts)
        usual = cells >> (2 * (FINEST - USUAL))
        for order in range(FINEST, COARSEST - 1, -1):
            if np.count_nonzero(counts == 1) <= CHANCE * len(cells):
                return _map(cells, order)
            cells, counts = _counted(cells >> 2, counts)
        return _map(usual, USUAL)


class Outlines:
    """The cells that outlines on the sky meet."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._found = mocpy.MOC.new_empty(FINEST)

    def add(self, numbers: Numbers, outlines: Iterable[Floats | None]) -> None:
        """Take these: polygons as numbers in a row, degrees, and the cells of order 29 of their rows. What is no
        polygon lies in the cell of its row."""
        drawn, lost = set[bytes](), []
        for number, values in zip(numbers, outlines, strict=True):
            if values is not None and _drawable(values):
                drawn.add(values.tobytes())
            else:
                lost.append(number)
        self._join(lost)
        for _, alike in groupby(sorted(drawn, key=len), len):
            polygons = [np.frombuffer(each) for each in alike]
            for first in range(0, len(polygons), _AT_ONCE):
                self._draw(polygons[first : first + _AT_ONCE])

    def _join(self, numbers: Sequence[int]) -> None:
        if numbers:
            cells = np.unique(np.array(numbers, dtype=np.uint64) >> np.uint64(2 * (ORDER - FINEST)))
            orders = np.full(len(cells), FINEST, dtype=np.uint8)
            self._found = self._found.union(mocpy.MOC.from_healpix_cells(cells, orders, FINEST))

    def _draw(self, polygons: Sequence[Floats]) -> None:
        """Polygons of as many vertices each."""
        corners = [part for each in polygons for part in (each[::2] % 360 % 360, each[1::2].copy())]
        maps = mocpy.MOC.from_polygons(corners, max_depth=FINEST, n_threads=self._threads)
        self._found = self._found.union(*maps)

    def text(self) -> str:
        """The map in ASCII."""
        return mocs.text(self._found.to_depth29_ranges.astype(np.int64), FINEST)


_AT_ONCE = 4_096
"""Outlines that are looked at together."""


def _drawable(values: Floats) -> bool:
    """May these be the vertices of a polygon? Others end the process that draws them."""
    return (
        len(values) >= 6
        and len(values) % 2 == 0
        and bool(np.isfinite(values).all())
        and bool((abs(values[1::2]) <= 90).all())
    )


def _counted(ascending: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """Each number once, with the sum of its counts."""
    first = np.flatnonzero(np.diff(ascending, prepend=-1))
    return ascending[first], np.add.reduceat(counts, first) if len(first) else counts


def _map(cells: Numbers, order: int) -> str:
    bits = 2 * (ORDER - order)
    return mocs.text(cover.ordered(np.stack([cells << bits, (cells + 1) << bits], axis=1)), order)


def shortened(text: str, length: int) -> str:
    """The map in ASCII, of order 6 at most and coarser yet where it were longer than so many characters."""
    order, ranges = mocs.read(text)
    for coarser in range(min(order, USUAL), 0, -1):
        short = mocs.text(_widened(ranges, coarser), coarser)
        if len(short) <= length:
            return short
    return mocs.text(_widened(ranges, 0), 0)


def joined(texts: Sequence[str]) -> str:
    """The map of all that several maps in ASCII cover, of the finest of their orders."""
    read = [mocs.read(text) for text in texts]
    return mocs.text(reduce(cover.join, (ranges for _, ranges in read)), max(order for order, _ in read))


def _widened(ranges: Ranges, order: int) -> Ranges:
    """Whole cells of an order."""
    bits = 2 * (ORDER - order)
    return cover.ordered(np.stack([ranges[:, 0] >> bits, -(-ranges[:, 1] >> bits)], axis=1) << bits)


def part(text: str) -> float:
    """How much of the sky a map in ASCII covers, 0 to 1."""
    _, ranges = mocs.read(text)
    return float((ranges[:, 1] - ranges[:, 0]).sum() / SKY[0, 1])


def holds(text: str, ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which positions (degrees) a map in ASCII covers; shape as given."""
    _, ranges = mocs.read(text)
    return mocs.holds(ranges, cover.index(ra, dec))


def as_fits(text: str) -> bytes:
    """The map as a FITS file (MOC 2.0 section 4.3.1)."""
    written = io.BytesIO()
    mocpy.MOC.from_string(text).serialize("fits").writeto(written)
    return written.getvalue()


def as_json(text: str) -> bytes:
    """The map as JSON: the cells of each order (MOC 2.0 section 4.3.3)."""
    return json.dumps(mocpy.MOC.from_string(text).serialize("json")).encode()

"""The plan of one synthetic release: how many rows each cell gets, their keys, and their places
strip by strip.

Everything about a strip follows from the seed, the two row counts and the strip's number, so strips
can be made in any order, thrown away and made again: that is what bounds the memory, and what keeps
the two catalogues true to each other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vo_server.demo.field import MOST, MOST_GALAXIES, denser, is_field
from vo_server.demo.galaxies import Shapes, draw_shapes
from vo_server.demo.sky import PSC_ROWS, XSC_ROWS, Cells, cells, scatter
from vo_server.demo.survey import (
    TILES,
    ZONES,
    Floats,
    Ints,
    ranks,
    survey,
)

MAX_PTS_KEY = 1_340_037_339
MAX_EXT_KEY = 2_656_639
MANY_ROWS = 60_000_000
"""Above this the strips are 0.1 deg high instead of 0.5, lest one of them fills the memory."""

PAIRED = 0.9
"""Share of the extended sources that are in the point source catalogue as well."""

OUT_OF_ORDER = 0.001


@dataclass(frozen=True)
class Numbering:
    """Keys that rise with declination in a north-going scan and fall in the others, scans in order
    of scan_key.

    ``before``: rows of the same scan in cells to the south, for each cell; ``rows``: for each tile.
    """

    tile: Ints
    before: Ints
    rows: Ints
    base: Ints
    step: int

    def keys(self, cell: Ints, rank: Ints, gap: Floats) -> Ints:
        """Keys of rows of which ``rank`` lie south in the same cell; ``gap`` in 0..1 spaces them
        unevenly."""
        tile = self.tile[cell]
        northward = self.before[cell] + rank
        along = np.where(survey().northward[tile], northward, self.rows[tile] - 1 - northward)
        return np.asarray(self.base[tile] + along * self.step + (gap * self.step).astype(np.int64))


def number(sky: Cells, counts: Ints, lowest: int, highest: int) -> Numbering:
    """Number all rows, of which each cell holds so many, within lowest..highest."""
    before = np.empty_like(counts)
    for zone in range(ZONES):
        start, stop = sky.block(zone)
        block = counts[start:stop].reshape(sky.strips_per_zone, -1)
        before[start:stop] = (np.cumsum(block, axis=0) - block).ravel()
    rows = np.bincount(sky.tile, counts, minlength=TILES).astype(np.int64)
    step = max(1, (highest - lowest) // max(1, int(rows.sum())))
    order = np.argsort(survey().scan_key)
    base = np.empty(TILES, np.int64)
    base[order] = lowest + step * (np.cumsum(rows[order]) - rows[order])
    return Numbering(sky.tile, before, rows, base, step)


@dataclass(frozen=True)
class Galaxies:
    """The extended sources of a strip; places in micro-degrees. The ``paired`` ones have a point
    source."""

    cell: Ints
    ra: Ints
    dec: Ints
    paired: int
    key: Ints
    rank: Ints
    shapes: Shapes


@dataclass(frozen=True)
class Strip:
    """The point sources of a strip in the order of the files; ``galaxy`` is the index into
    ``galaxies`` or -1."""

    ra: Ints
    dec: Ints
    cell: Ints
    key: Ints
    galaxy: Ints
    galaxies: Galaxies


def file_order(rng: np.random.Generator, ra: Ints, dec: Ints) -> Ints:
    """Bins of 0.1 deg of declination, right ascension inside, one row in a thousand elsewhere."""
    place = (dec + 90_000_000) // 100_000 * 360_000_000 + ra
    astray = rng.random(ra.size) < OUT_OF_ORDER
    place[astray] += rng.integers(-180_000_000, 180_000_000, int(astray.sum()))
    return np.argsort(place, kind="stable")


@dataclass(frozen=True)
class Plan:
    """A synthetic release of so many rows in the two catalogues."""

    psc_rows: int
    xsc_rows: int
    seed: int

    def stream(self, *path: int) -> np.random.Generator:
        """Random numbers for one purpose, always the same ones."""
        return np.random.default_rng([self.seed, self.psc_rows, self.xsc_rows, *path])

    @cached_property
    def sky(self) -> Cells:
        return cells(12 if self.psc_rows <= MANY_ROWS else 60)

    @cached_property
    def paired(self) -> Ints:
        """Extended sources of each cell that are point sources too."""
        wanted = min(round(PAIRED * self.xsc_rows), self.psc_rows // 2)
        return self.stream(1).multinomial(wanted, self._galaxies)

    @cached_property
    def lone(self) -> Ints:
        """Extended sources of each cell that are not."""
        return self.stream(2).multinomial(self.xsc_rows - int(self.paired.sum()), self._galaxies)

    @cached_property
    def stars(self) -> Ints:
        share = denser(self.sky.stars, is_field(self.sky), self.psc_rows, PSC_ROWS, MOST)
        return self.stream(3).multinomial(self.psc_rows - int(self.paired.sum()), share)

    @cached_property
    def _galaxies(self) -> Floats:
        return denser(self.sky.galaxies, is_field(self.sky), self.xsc_rows, XSC_ROWS, MOST_GALAXIES)

    @cached_property
    def strip_rows(self) -> Ints:
        """Point sources of each strip."""
        return np.add.reduceat(self.stars + self.paired, self.sky.first[:-1])

    @cached_property
    def _psc_numbers(self) -> Numbering:
        return number(self.sky, self.stars + self.paired, 10, MAX_PTS_KEY)

    @cached_property
    def _xsc_numbers(self) -> Numbering:
        return number(self.sky, self.paired + self.lone, 1, MAX_EXT_KEY)

    @cached_property
    def depths(self) -> Floats:
        """Magnitude of SNR 10 in J, H, Ks for each tile: deeper in the north, shallower where stars
        crowd."""
        plan = survey()
        clean = np.array([[16.2], [15.4], [14.7]]) + np.array([[0.05], [0.04], [0.04]]) * np.where(plan.south, -1, 1)
        clean = clean + np.array([[0.15], [0.12], [0.12]]) * self.stream(4).standard_normal((3, TILES)).clip(-2, 2)
        steps = np.rint((clean - np.array([[0.6], [1.4], [1.1]]) * self.crowding) / 0.0375)
        return np.asarray(steps * 0.0375)

    @cached_property
    def crowding(self) -> Floats:
        """0 where stars are sparse to 1 where they are densest, for each tile."""
        sky = self.sky
        mean = np.bincount(sky.tile, sky.density, minlength=TILES) / sky.strips_per_zone
        return np.asarray(np.clip(np.log(mean / 8_000) / np.log(100_000 / 8_000), 0, 1))

    def _spread(self, counts: Ints, strip: int) -> Ints:
        first, last = self.sky.first[strip : strip + 2]
        return np.repeat(np.arange(first, last), counts[first:last])

    def _keys(self, numbers: Numbering, rng: np.random.Generator, cell: Ints, dec: Ints) -> tuple[Ints, Ints]:
        order = np.argsort(cell * self.sky.height + (dec - self.sky.south[cell]), kind="stable")
        rank = np.empty(cell.size, np.int64)
        rank[order] = ranks(cell[order])[0]
        return numbers.keys(cell, rank, rng.random(cell.size)), numbers.before[cell] + rank

    def galaxies(self, strip: int) -> Galaxies:
        rng = self.stream(5, strip)
        paired = self._spread(self.paired, strip)
        cell = np.concatenate((paired, self._spread(self.lone, strip)))
        ra, dec = scatter(rng, self.sky, cell)
        shapes = draw_shapes(rng, self.sky.extinction[cell])
        key, rank = self._keys(self._xsc_numbers, rng, cell, dec)
        return Galaxies(cell, ra, dec, paired.size, key, rank, shapes)

    def strip(self, strip: int) -> Strip:
        rng, sky, galaxies = self.stream(6, strip), self.sky, self.galaxies(strip)
        stars = self._spread(self.stars, strip)
        ra, dec = scatter(rng, sky, stars)
        core = self._cores(rng, galaxies)
        cell = np.concatenate((galaxies.cell[: galaxies.paired], stars))
        ra, dec = np.concatenate((core[0], ra)), np.concatenate((core[1], dec))
        galaxy = np.concatenate((np.arange(galaxies.paired), np.full(stars.size, -1)))
        key = self._keys(self._psc_numbers, rng, cell, dec)[0]
        order = file_order(rng, ra, dec)
        return Strip(ra[order], dec[order], cell[order], key[order], galaxy[order], galaxies)

    def _cores(self, rng: np.random.Generator, galaxies: Galaxies) -> tuple[Ints, Ints]:
        """Where the point source catalogue puts a galaxy: some 0.3" from its peak pixel, in the
        same cell."""
        cell, sky = galaxies.cell[: galaxies.paired], self.sky
        off = rng.normal(0, 0.3e6 / 3600, (2, galaxies.paired)).clip(-250, 250)
        dec = galaxies.dec[: galaxies.paired]
        ra = galaxies.ra[: galaxies.paired] + (off[0] / np.cos(np.radians(dec / 1e6))).astype(np.int64)
        dec = dec + off[1].astype(np.int64)
        return np.clip(ra, sky.west[cell], sky.east[cell] - 1), np.clip(dec, sky.south[cell] + 1, sky.north[cell] - 1)


def bands(rows_of_strip: Ints, rows: int) -> list[range]:
    """Runs of strips, none across the equator, that hold ``rows`` rows or a little more."""
    found, start, held = list[range](), 0, 0
    ends = (rows_of_strip.size // 2, rows_of_strip.size)
    for strip, here in enumerate(rows_of_strip, start=1):
        held += int(here)
        if strip in ends or held >= rows:
            found.append(range(start, strip))
            start, held = strip, 0
    return found

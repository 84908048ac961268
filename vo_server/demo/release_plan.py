"""The plan of a synthetic release: the rows of each cell, their keys, and their positions strip by strip.

Everything in a strip follows from the seed, the two numbers of rows and the number of the strip. So strips can be
generated in any order, discarded and generated again, which bounds the memory and keeps the two catalogues consistent.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vo_server.demo.density import PSC_ROWS, XSC_ROWS, SkyCells, draw_positions, make_cells
from vo_server.demo.galaxies import GalaxyShapes, draw_shapes
from vo_server.demo.image_field import MAX_GALAXY_SHARE, MAX_ROW_SHARE, is_in_field, raise_density
from vo_server.demo.survey import (
    TILES,
    ZONES,
    Floats,
    Ints,
    make_survey,
    rank_in_runs,
)

MAX_PTS_KEY = 1_340_037_339
MAX_EXT_KEY = 2_656_639
MAX_ROWS_IN_HIGH_STRIPS = 60_000_000
"""Above so many rows strips are 0.1 deg high instead of 0.5, to bound the memory of a strip."""

PAIRED_SHARE = 0.9
"""Share of the extended sources that are also in the point source catalogue."""

OUT_OF_ORDER_SHARE = 0.001


@dataclass(frozen=True)
class KeyNumbering:
    """The keys of rows: rising with declination in a northward scan, else falling, in the order of scan_key.

    `tile` and `before` (cells,) are the tile of each cell and the rows of its scan in cells to the south; `rows` and
    `base` (tiles,) are the rows and the first key of each tile.
    """

    tile: Ints
    before: Ints
    rows: Ints
    base: Ints
    step: int

    def compute_keys(self, cell: Ints, rank: Ints, gap: Floats) -> Ints:
        """Return the keys (n,) of rows.

        `rank` (n,) counts the rows to the south in the same cell; `gap` (n,) in 0..1 spaces the keys unevenly.
        """
        tile = self.tile[cell]
        northward = self.before[cell] + rank
        along = np.where(make_survey().northward[tile], northward, self.rows[tile] - 1 - northward)
        return np.asarray(self.base[tile] + along * self.step + (gap * self.step).astype(np.int64))


def number_rows(sky: SkyCells, counts: Ints, lowest: int, highest: int) -> KeyNumbering:
    """Return the numbering of `counts` (cells,) rows with keys in lowest..highest."""
    before = np.empty_like(counts)
    for zone in range(ZONES):
        start, stop = sky.zone_cells(zone)
        block = counts[start:stop].reshape(sky.strips_per_zone, -1)
        before[start:stop] = (np.cumsum(block, axis=0) - block).ravel()
    rows = np.bincount(sky.tile, counts, minlength=TILES).astype(np.int64)
    step = max(1, (highest - lowest) // max(1, int(rows.sum())))
    order = np.argsort(make_survey().scan_key)
    base = np.empty(TILES, np.int64)
    base[order] = lowest + step * (np.cumsum(rows[order]) - rows[order])
    return KeyNumbering(sky.tile, before, rows, base, step)


@dataclass(frozen=True)
class StripGalaxies:
    """The n extended sources of a strip, positions in micro-degrees; the first `paired` are point sources, too."""

    cell: Ints
    ra: Ints
    dec: Ints
    paired: int
    key: Ints
    rank: Ints
    shapes: GalaxyShapes


@dataclass(frozen=True)
class PointSourceStrip:
    """The n point sources of a strip in the order of the files; positions in micro-degrees.

    `galaxy` (n,) is the index into `galaxies`, or -1.
    """

    ra: Ints
    dec: Ints
    cell: Ints
    key: Ints
    galaxy: Ints
    galaxies: StripGalaxies


def order_rows(rng: np.random.Generator, ra: Ints, dec: Ints) -> Ints:
    """Return the order (n,) of rows in the files: by 0.1 deg of declination, then right ascension; a few are astray."""
    sort_key = (dec + 90_000_000) // 100_000 * 360_000_000 + ra
    astray = rng.random(ra.size) < OUT_OF_ORDER_SHARE
    sort_key[astray] += rng.integers(-180_000_000, 180_000_000, int(astray.sum()))
    return np.argsort(sort_key, kind="stable")


@dataclass(frozen=True)
class ReleasePlan:
    """A synthetic release with so many rows in the two catalogues, from which everything else follows."""

    psc_rows: int
    xsc_rows: int
    seed: int

    def make_rng(self, *path: int) -> np.random.Generator:
        """Return a generator of random numbers for one purpose, always the same ones."""
        return np.random.default_rng([self.seed, self.psc_rows, self.xsc_rows, *path])

    @cached_property
    def sky(self) -> SkyCells:
        """The cells of the sky."""
        return make_cells(12 if self.psc_rows <= MAX_ROWS_IN_HIGH_STRIPS else 60)

    @cached_property
    def paired(self) -> Ints:
        """Extended sources of each cell that are also point sources, shape (cells,)."""
        count = min(round(PAIRED_SHARE * self.xsc_rows), self.psc_rows // 2)
        return self.make_rng(1).multinomial(count, self._galaxy_shares)

    @cached_property
    def lone(self) -> Ints:
        """Extended sources of each cell that are not point sources, shape (cells,)."""
        return self.make_rng(2).multinomial(self.xsc_rows - int(self.paired.sum()), self._galaxy_shares)

    @cached_property
    def stars(self) -> Ints:
        """Point sources of each cell that are not extended sources, shape (cells,)."""
        share = raise_density(self.sky.stars, is_in_field(self.sky), self.psc_rows, PSC_ROWS, MAX_ROW_SHARE)
        return self.make_rng(3).multinomial(self.psc_rows - int(self.paired.sum()), share)

    @cached_property
    def _galaxy_shares(self) -> Floats:
        return raise_density(self.sky.galaxies, is_in_field(self.sky), self.xsc_rows, XSC_ROWS, MAX_GALAXY_SHARE)

    @cached_property
    def strip_rows(self) -> Ints:
        """Point sources of each strip, shape (strips,)."""
        return np.add.reduceat(self.stars + self.paired, self.sky.first[:-1])

    @cached_property
    def _psc_numbers(self) -> KeyNumbering:
        return number_rows(self.sky, self.stars + self.paired, 10, MAX_PTS_KEY)

    @cached_property
    def _xsc_numbers(self) -> KeyNumbering:
        return number_rows(self.sky, self.paired + self.lone, 1, MAX_EXT_KEY)

    @cached_property
    def depths(self) -> Floats:
        """Magnitudes of SNR 10 in J, H, Ks (3, tiles): deeper in the north, shallower in crowded fields."""
        plan = make_survey()
        clean = np.array([[16.2], [15.4], [14.7]]) + np.array([[0.05], [0.04], [0.04]]) * np.where(plan.south, -1, 1)
        clean = clean + np.array([[0.15], [0.12], [0.12]]) * self.make_rng(4).standard_normal((3, TILES)).clip(-2, 2)
        steps = np.rint((clean - np.array([[0.6], [1.4], [1.1]]) * self.crowding) / 0.0375)
        return np.asarray(steps * 0.0375)

    @cached_property
    def crowding(self) -> Floats:
        """Crowding of each tile (tiles,), 0 where stars are sparse to 1 where they are densest."""
        sky = self.sky
        mean = np.bincount(sky.tile, sky.density, minlength=TILES) / sky.strips_per_zone
        return np.asarray(np.clip(np.log(mean / 8_000) / np.log(100_000 / 8_000), 0, 1))

    def _repeat_cells(self, counts: Ints, strip: int) -> Ints:
        first, last = self.sky.first[strip : strip + 2]
        return np.repeat(np.arange(first, last), counts[first:last])

    def _assign_keys(self, numbers: KeyNumbering, rng: np.random.Generator, cell: Ints, dec: Ints) -> tuple[Ints, Ints]:
        order = np.argsort(cell * self.sky.height + (dec - self.sky.south[cell]), kind="stable")
        rank = np.empty(cell.size, np.int64)
        rank[order] = rank_in_runs(cell[order])[0]
        return numbers.compute_keys(cell, rank, rng.random(cell.size)), numbers.before[cell] + rank

    def make_galaxies(self, strip: int) -> StripGalaxies:
        """Return the extended sources of a strip."""
        rng = self.make_rng(5, strip)
        paired = self._repeat_cells(self.paired, strip)
        cell = np.concatenate((paired, self._repeat_cells(self.lone, strip)))
        ra, dec = draw_positions(rng, self.sky, cell)
        shapes = draw_shapes(rng, self.sky.extinction[cell])
        key, rank = self._assign_keys(self._xsc_numbers, rng, cell, dec)
        return StripGalaxies(cell, ra, dec, paired.size, key, rank, shapes)

    def make_strip(self, strip: int) -> PointSourceStrip:
        """Return the point sources of a strip."""
        rng, sky, galaxies = self.make_rng(6, strip), self.sky, self.make_galaxies(strip)
        stars = self._repeat_cells(self.stars, strip)
        ra, dec = draw_positions(rng, sky, stars)
        core = self._draw_cores(rng, galaxies)
        cell = np.concatenate((galaxies.cell[: galaxies.paired], stars))
        ra, dec = np.concatenate((core[0], ra)), np.concatenate((core[1], dec))
        galaxy = np.concatenate((np.arange(galaxies.paired), np.full(stars.size, -1)))
        key = self._assign_keys(self._psc_numbers, rng, cell, dec)[0]
        order = order_rows(rng, ra, dec)
        return PointSourceStrip(ra[order], dec[order], cell[order], key[order], galaxy[order], galaxies)

    def _draw_cores(self, rng: np.random.Generator, galaxies: StripGalaxies) -> tuple[Ints, Ints]:
        """Draw the positions (n,) of galaxies as point sources: some 0.3 arcsec from the peak, in the same cell."""
        cell, sky = galaxies.cell[: galaxies.paired], self.sky
        off = rng.normal(0, 0.3e6 / 3600, (2, galaxies.paired)).clip(-250, 250)
        dec = galaxies.dec[: galaxies.paired]
        ra = galaxies.ra[: galaxies.paired] + (off[0] / np.cos(np.radians(dec / 1e6))).astype(np.int64)
        dec = dec + off[1].astype(np.int64)
        return np.clip(ra, sky.west[cell], sky.east[cell] - 1), np.clip(dec, sky.south[cell] + 1, sky.north[cell] - 1)


def group_strips(rows_of_strip: Ints, rows: int) -> list[range]:
    """Return runs of strips with `rows` rows or a few more each, none across the equator."""
    runs, start, count = list[range](), 0, 0
    ends = (rows_of_strip.size // 2, rows_of_strip.size)
    for strip, strip_rows in enumerate(rows_of_strip, start=1):
        count += int(strip_rows)
        if strip in ends or count >= rows:
            runs.append(range(start, strip))
            start, count = strip, 0
    return runs

"""The survey behind the synthetic sky: tiles of 8.5' x 6 deg, the scan that observed each, its
images.

A source belongs to the tile whose centre line is nearest, in the 6-degree zone of declination it
lies in, so that the tiles cut the sky into boxes. Each scan reaches a little beyond its zone at
either end.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ZONE_DEG = 6
ZONES = 180 // ZONE_DEG
TILES = 59_731
SCAN_KEYS = 72_392
"""Largest scan_key: more than there are tiles, since it counts every scan that was ever archived.
"""

TILE_STEP_ARCMIN = 7.2616
"""Distance of neighbouring centre lines at the equatorward edge of a zone: with it the tiles number
59,730."""

HALF_WIDTH = 252.5
"""Half the width of a scan in arcsec, as ``dist_edge_ew`` counts it."""

SCAN_LENGTH = 22_038.0
"""Length of a scan in arcsec."""

MARGIN = (SCAN_LENGTH - 3600.0 * ZONE_DEG) / 2
"""How far in arcsec a scan reaches over each end of its zone."""

SCAN_RATE = 57.0
"""Speed of scanning, arcsec a second."""

IMAGES_PER_SCAN = 23
IMAGE_STEP = 970.0
"""Arcsec from the first row of an image to that of the next; images are 1024 rows, so they share
54."""

ROWS, LAST_ROWS, COLUMNS = 1024, 698, 512
"""Pixels of an image of 1 arcsec: the last of a scan is shorter."""

IMAGE_NUMBERS = np.array(
    [
        9,
        21,
        33,
        44,
        56,
        68,
        80,
        92,
        103,
        115,
        127,
        139,
        150,
        162,
        174,
        186,
        198,
        209,
        221,
        233,
        245,
        256,
        267,
    ]
)
"""Frame number nearest the centre of each image of a scan, in order."""

YEAR = 365.25
SOUTH_BELOW = 6
SCAN_MINUTES = 7.3
"""From one scan to the next, turning included."""

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class _Site:
    """An observatory: first and last night, and its local midnight as a fraction of the UT day."""

    first: date
    last: date
    midnight: float

    @property
    def nights(self) -> tuple[int, int]:
        return (self.first - EPOCH).days, (self.last - EPOCH).days


NORTH = _Site(date(1997, 6, 7), date(2000, 12, 1), 0.31)
SOUTH = _Site(date(1998, 3, 19), date(2001, 2, 15), 0.196)


@dataclass(frozen=True)
class Survey:
    """One entry a tile, zone after zone from the south pole, eastward in each.

    ``night`` counts days from 1970-01-01, ``centre`` and ``width`` are degrees of right ascension,
    ``start`` is the Julian date at which the scan began.
    """

    zone: Ints
    centre: Floats
    width: Floats
    south: Bools
    night: Ints
    scan: Ints
    start: Floats
    northward: Bools
    scan_key: Ints

    def lower(self, tile: Ints) -> Floats:
        """Declination in degrees of the southern edge of the tile's zone."""
        return np.asarray(self.zone[tile] * ZONE_DEG - 90, dtype=np.float64)


def tiles_per_zone() -> Ints:
    lower = np.arange(ZONES) * ZONE_DEG - 90
    nearest = np.minimum(np.abs(lower), np.abs(lower + ZONE_DEG))
    tiles = np.rint(360 * 60 * np.cos(np.radians(nearest)) / TILE_STEP_ARCMIN).astype(np.int64)
    tiles[-1] += TILES - tiles.sum()
    return tiles


def _nights(zone: Ints, centre: Floats, south: Bools) -> Ints:
    """The night of each tile: its right ascension culminates near midnight, neighbouring zones in
    different years."""
    equinox = date(1997, 3, 21)
    season = ((centre - 180.0) % 360.0) / 360.0 * YEAR
    night = np.zeros(zone.size, np.int64)
    for site, here in ((NORTH, ~south), (SOUTH, south)):
        first, last = site.nights
        wait = (season - (site.first - equinox).days) % YEAR
        own = first + np.floor(wait + YEAR * (zone % 3)).astype(np.int64)
        own = np.where(own > last, own - 365, own)
        night = np.where(here, own, night)
    return night


def ranks(*keys: Ints) -> tuple[Ints, Ints]:
    """Rank of each element among its neighbours of equal keys, and the number of those."""
    changed = np.any([np.diff(key) != 0 for key in keys], axis=0)
    first = np.concatenate(([0], np.flatnonzero(changed) + 1))
    size = np.diff(np.concatenate((first, [keys[0].size])))
    return np.arange(keys[0].size) - np.repeat(first, size), np.repeat(size, size)


@cache
def survey() -> Survey:
    """The tiling and the schedule, which hang on no seed: every sky is of the same survey."""
    count = tiles_per_zone()
    zone = np.repeat(np.arange(ZONES), count)
    width = 360.0 / count[zone]
    first = np.cumsum(count) - count
    centre = (np.arange(TILES) - first[zone] + 0.5) * width
    lower = zone * ZONE_DEG - 90
    south = (lower < SOUTH_BELOW) | ((lower == SOUTH_BELOW) & (centre // 90 % 2 == 0))
    night = _nights(zone, centre, south)
    order = np.lexsort((centre, zone, south, night))
    rank, of_night = np.zeros(TILES, np.int64), np.zeros(TILES, np.int64)
    rank[order], of_night[order] = ranks(night[order], south[order].astype(np.int64))
    # Calibration fields took a scan number after every six scans.
    scan = 5 + rank + rank // 6
    hours = (rank - (of_night - 1) / 2) * SCAN_MINUTES / 1440.0
    midnight = np.where(south, SOUTH.midnight, NORTH.midnight)
    scan_key = np.zeros(TILES, np.int64)
    scan_key[order] = 1 + np.arange(TILES) * SCAN_KEYS // TILES
    return Survey(
        zone=zone,
        centre=centre,
        width=width,
        south=south,
        night=night,
        scan=scan,
        start=night + EPOCH.toordinal() + 1_721_424.5 + midnight + hours,
        northward=scan % 2 == 0,
        scan_key=scan_key,
    )

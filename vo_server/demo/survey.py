"""The survey of the synthetic sky: tiles of 8.5' x 6 deg, the scan that observed each, and its images.

A source belongs to the tile with the nearest centre line in its 6-degree zone of declination, so that the tiles divide
the sky into boxes. Each scan extends slightly beyond its zone at either end.
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
"""Largest scan_key: more than the tiles, because it counts every archived scan."""

TILE_STEP_ARCMIN = 7.2616
"""Distance of neighbouring centre lines at the equatorward edge of a zone; it gives 59,730 tiles."""

SCAN_HALF_WIDTH_ARCSEC = 252.5
"""Half the width of a scan in arcsec, as `dist_edge_ew` counts it."""

SCAN_LENGTH_ARCSEC = 22_038.0
"""Length of a scan in arcsec."""

SCAN_MARGIN_ARCSEC = (SCAN_LENGTH_ARCSEC - 3600.0 * ZONE_DEG) / 2
"""Extension of a scan beyond each end of its zone, arcsec."""

SCAN_ARCSEC_PER_SECOND = 57.0
"""Speed of scanning, arcsec a second."""

IMAGES_PER_SCAN = 23
IMAGE_STEP_ARCSEC = 970.0
"""Arcsec from the first row of an image to that of the next; images have 1024 rows, so neighbours share 54."""

IMAGE_ROWS, LAST_IMAGE_ROWS, IMAGE_COLUMNS = 1024, 698, 512
"""Rows and columns of an image in pixels of 1 arcsec; the last image of a scan is shorter."""

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
"""The frame number nearest to the centre of each image of a scan, shape (23,)."""

YEAR_DAYS = 365.25
SOUTH_BELOW_DEGREES = 6
SCAN_MINUTES = 7.3
"""Minutes from one scan to the next, including the turn."""

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class _Observatory:
    """An observatory: its first and last night, and local midnight as a fraction of the UT day."""

    first: date
    last: date
    midnight: float

    @property
    def nights(self) -> tuple[int, int]:
        """The first and last night as days from 1970-01-01."""
        return (self.first - EPOCH).days, (self.last - EPOCH).days


NORTHERN_SITE = _Observatory(date(1997, 6, 7), date(2000, 12, 1), 0.31)
SOUTHERN_SITE = _Observatory(date(1998, 3, 19), date(2001, 2, 15), 0.196)


@dataclass(frozen=True)
class Survey:
    """The tiles and their scans, zone after zone from the south pole, eastward in each; arrays have shape (tiles,).

    `night` counts days from 1970-01-01, `centre` and `width` are degrees of right ascension, `start` is the Julian
    date of the start of the scan.
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

    def southern_edge(self, tile: Ints) -> Floats:
        """Return the declinations (n,) in degrees of the southern edges of the zones of tiles (n,)."""
        return np.asarray(self.zone[tile] * ZONE_DEG - 90, dtype=np.float64)


def count_tiles_per_zone() -> Ints:
    """Return the number of tiles in each zone (30,), from the south."""
    lower = np.arange(ZONES) * ZONE_DEG - 90
    nearest = np.minimum(np.abs(lower), np.abs(lower + ZONE_DEG))
    tiles = np.rint(360 * 60 * np.cos(np.radians(nearest)) / TILE_STEP_ARCMIN).astype(np.int64)
    tiles[-1] += TILES - tiles.sum()
    return tiles


def _schedule_nights(zone: Ints, centre: Floats, south: Bools) -> Ints:
    """Return the night of each tile (tiles,): it culminates near midnight, in different years in neighbouring zones."""
    equinox = date(1997, 3, 21)
    season = ((centre - 180.0) % 360.0) / 360.0 * YEAR_DAYS
    night = np.zeros(zone.size, np.int64)
    for site, here in ((NORTHERN_SITE, ~south), (SOUTHERN_SITE, south)):
        first, last = site.nights
        wait = (season - (site.first - equinox).days) % YEAR_DAYS
        own = first + np.floor(wait + YEAR_DAYS * (zone % 3)).astype(np.int64)
        own = np.where(own > last, own - 365, own)
        night = np.where(here, own, night)
    return night


def rank_in_runs(*keys: Ints) -> tuple[Ints, Ints]:
    """Return the rank (n,) of each element in its run of equal keys (n,), and the length (n,) of the run."""
    changed = np.any([np.diff(key) != 0 for key in keys], axis=0)
    first = np.concatenate(([0], np.flatnonzero(changed) + 1))
    size = np.diff(np.concatenate((first, [keys[0].size])))
    return np.arange(keys[0].size) - np.repeat(first, size), np.repeat(size, size)


@cache
def make_survey() -> Survey:
    """Return the tiling and the schedule, which do not depend on the seed."""
    count = count_tiles_per_zone()
    zone = np.repeat(np.arange(ZONES), count)
    width = 360.0 / count[zone]
    first = np.cumsum(count) - count
    centre = (np.arange(TILES) - first[zone] + 0.5) * width
    lower = zone * ZONE_DEG - 90
    south = (lower < SOUTH_BELOW_DEGREES) | ((lower == SOUTH_BELOW_DEGREES) & (centre // 90 % 2 == 0))
    night = _schedule_nights(zone, centre, south)
    order = np.lexsort((centre, zone, south, night))
    rank, of_night = np.zeros(TILES, np.int64), np.zeros(TILES, np.int64)
    rank[order], of_night[order] = rank_in_runs(night[order], south[order].astype(np.int64))
    # Calibration fields took a scan number after every six scans.
    scan = 5 + rank + rank // 6
    hours = (rank - (of_night - 1) / 2) * SCAN_MINUTES / 1440.0
    midnight = np.where(south, SOUTHERN_SITE.midnight, NORTHERN_SITE.midnight)
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

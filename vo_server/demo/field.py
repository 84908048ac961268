"""The field of the synthetic sky that has images: two neighbouring tiles about Praesepe, three coadds of each.

There the sky is as dense as the release, however few rows the whole of it has; elsewhere an image
would show one star or none. The field has no more than a hundredth of all rows.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from vo_server.demo.sky import Cells
from vo_server.demo.survey import (
    IMAGE_STEP,
    IMAGES_PER_SCAN,
    LAST_ROWS,
    MARGIN,
    ROWS,
    SCAN_LENGTH,
    Bools,
    Floats,
    survey,
)

RA, DEC = 129.04, 19.68
"""A place in the middle of the field, degrees."""

REACH = 0.45
"""How far in declination the centres of its images are from there, degrees."""

EDGE = 0.2
"""How far the field reaches beyond those centres, degrees: more than half of an image."""

MOST, MOST_GALAXIES = 0.01, 0.05
"""Share of all rows that the field may have. There are few galaxies, and some of them ought to be on the images."""


@dataclass(frozen=True)
class Coadd:
    """An image of a tile, the ``number``-th of its scan from 1; the centre in degrees."""

    tile: int
    number: int
    ra: float
    dec: float

    @property
    def rows(self) -> int:
        """Rows of pixels: the last image of a scan is shorter."""
        return LAST_ROWS if self.number == IMAGES_PER_SCAN else ROWS


def coadd(tile: int, number: int) -> Coadd:
    """An image of a tile; where it lies follows from the scan as for the sources (``places.place``)."""
    plan = survey()
    rows = LAST_ROWS if number == IMAGES_PER_SCAN else ROWS
    along = IMAGE_STEP * (number - 1) + rows / 2
    north = along if plan.northward[tile] else SCAN_LENGTH - along
    south_edge = float(plan.lower(np.array([tile]))[0])
    return Coadd(tile, number, float(plan.centre[tile]), south_edge + (north - MARGIN) / 3600)


@cache
def tiles() -> tuple[int, int]:
    """The two tiles, from west to east."""
    plan = survey()
    zone = np.flatnonzero(plan.zone == int((DEC + 90) // 6))
    nearest = int(zone[np.argmin(np.abs(plan.centre[zone] - RA))])
    return nearest, nearest + 1


@cache
def coadds() -> tuple[Coadd, ...]:
    """The images of the field, scan after scan."""
    all_of_them = (coadd(tile, n) for tile in tiles() for n in range(1, IMAGES_PER_SCAN + 1))
    return tuple(c for c in all_of_them if abs(c.dec - DEC) < REACH)


def is_field(sky: Cells) -> Bools:
    """The cells that the images show, with those of the tiles beside."""
    first, last = tiles()
    low, high = ((DEC + side * (REACH + EDGE)) * 1e6 for side in (-1, 1))
    beside = (sky.tile >= first - 1) & (sky.tile <= last + 1)
    return np.asarray(beside & (sky.north > low) & (sky.south < high))


def denser(share: Floats, field: Bools, rows: int, release: int, most: float) -> Floats:
    """The shares of cells in ``rows`` rows when those of the field have as many as in the ``release``, and
    ``most`` of all at the most."""
    held = float(share[field].sum())
    wanted = min(release * held / max(rows, 1), max(most, held))
    made = share * ((1 - wanted) / (1 - held))
    made[field] = share[field] * (wanted / held)
    return made

"""The field of the synthetic sky that has images: two neighbouring tiles around Praesepe, three coadds of each.

The field is as dense as the release, however few rows the sky has; elsewhere an image would show one star or none. It
has at most a hundredth of all rows.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from vo_server.demo.density import SkyCells
from vo_server.demo.survey import (
    IMAGE_ROWS,
    IMAGE_STEP_ARCSEC,
    IMAGES_PER_SCAN,
    LAST_IMAGE_ROWS,
    SCAN_LENGTH_ARCSEC,
    SCAN_MARGIN_ARCSEC,
    Bools,
    Floats,
    make_survey,
)

CENTRE_RA, CENTRE_DEC = 129.04, 19.68
"""The position at the centre of the field, degrees."""

HALF_HEIGHT_DEGREES = 0.45
"""Maximum distance of the centres of images from the centre of the field in declination, degrees."""

EDGE_DEGREES = 0.2
"""Extension of the field beyond the centres of its images, degrees: more than half an image."""

MAX_ROW_SHARE, MAX_GALAXY_SHARE = 0.01, 0.05
"""Maximum shares of all point and extended sources in the field; galaxies are few, and images should show some."""


@dataclass(frozen=True)
class Coadd:
    """An image of a tile, the `number`-th of its scan from 1; its centre is in degrees."""

    tile: int
    number: int
    ra: float
    dec: float

    @property
    def rows(self) -> int:
        """The rows of pixels; the last image of a scan is shorter."""
        return LAST_IMAGE_ROWS if self.number == IMAGES_PER_SCAN else IMAGE_ROWS


def make_coadd(tile: int, number: int) -> Coadd:
    """Return an image of a tile, whose position follows from the scan (see `scan_positions.locate_in_scan`)."""
    tiling = make_survey()
    rows = LAST_IMAGE_ROWS if number == IMAGES_PER_SCAN else IMAGE_ROWS
    along = IMAGE_STEP_ARCSEC * (number - 1) + rows / 2
    north = along if tiling.northward[tile] else SCAN_LENGTH_ARCSEC - along
    south_edge = float(tiling.southern_edge(np.array([tile]))[0])
    return Coadd(tile, number, float(tiling.centre[tile]), south_edge + (north - SCAN_MARGIN_ARCSEC) / 3600)


@cache
def find_tiles() -> tuple[int, int]:
    """Return the numbers of the two tiles, from west to east."""
    tiling = make_survey()
    zone = np.flatnonzero(tiling.zone == int((CENTRE_DEC + 90) // 6))
    nearest = int(zone[np.argmin(np.abs(tiling.centre[zone] - CENTRE_RA))])
    return nearest, nearest + 1


@cache
def list_coadds() -> tuple[Coadd, ...]:
    """Return the images of the field, scan after scan."""
    candidates = (make_coadd(tile, n) for tile in find_tiles() for n in range(1, IMAGES_PER_SCAN + 1))
    return tuple(c for c in candidates if abs(c.dec - CENTRE_DEC) < HALF_HEIGHT_DEGREES)


def is_in_field(sky: SkyCells) -> Bools:
    """Return whether cells (n,) are shown by the images or lie in the tiles beside them."""
    first, last = find_tiles()
    low, high = ((CENTRE_DEC + side * (HALF_HEIGHT_DEGREES + EDGE_DEGREES)) * 1e6 for side in (-1, 1))
    beside = (sky.tile >= first - 1) & (sky.tile <= last + 1)
    return np.asarray(beside & (sky.north > low) & (sky.south < high))


def raise_density(share: Floats, field: Bools, rows: int, release: int, max_share: float) -> Floats:
    """Return the shares (n,) of cells in `rows` rows, raised so that the field has as many rows as in the `release`.

    The cells of the `field` (n,) get at most the share `max_share` of all rows.
    """
    original = float(share[field].sum())
    raised = min(release * original / max(rows, 1), max(max_share, original))
    shares = share * ((1 - raised) / (1 - original))
    shares[field] = share[field] * (raised / original)
    return shares

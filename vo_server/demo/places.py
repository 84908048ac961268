"""Where a source fell in its scan and the columns that follow; both catalogues have them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vo_server.demo.arrow import Values
from vo_server.demo.sky import galactic, unit_vectors
from vo_server.demo.survey import (
    HALF_WIDTH,
    IMAGE_NUMBERS,
    IMAGE_STEP,
    IMAGES_PER_SCAN,
    MARGIN,
    SCAN_LENGTH,
    SCAN_RATE,
    Bools,
    Floats,
    Ints,
    survey,
)

EDGES = np.array([b"se", b"sw", b"ne", b"nw"])


@dataclass(frozen=True)
class Places:
    """Where rows fell on the detector and in the night; distances in arcsec, ``along`` from the
    start of the scan."""

    x_scan: Floats
    along: Floats
    edge_ns: Ints
    edge_ew: Ints
    edge_flag: NDArray[np.bytes_]
    image: Ints
    jdate: Floats
    overlap: Bools


def place(tile: Ints, ra: Floats, dec: Floats) -> Places:
    """Position in the scan of sources at ra, dec (deg). ``image`` counts from 1; ``overlap``: seen
    by another tile."""
    plan = survey()
    squeeze = np.cos(np.radians(dec)) * 3600.0
    x_scan = np.clip((plan.centre[tile] - ra) * squeeze, -HALF_WIDTH + 10, HALF_WIDTH - 10)
    north_of_start = (dec - plan.lower(tile)) * 3600.0 + MARGIN
    northward = plan.northward[tile]
    along = np.where(northward, north_of_start, SCAN_LENGTH - north_of_start)
    to_edge = np.minimum(north_of_start, SCAN_LENGTH - north_of_start)
    image = np.floor((along - (1024 - IMAGE_STEP) / 2) / IMAGE_STEP) + 1
    beyond = plan.width[tile] * squeeze - np.abs(x_scan)
    return Places(
        x_scan=np.rint(x_scan * 10) / 10,
        along=along,
        edge_ns=np.rint(to_edge).astype(np.int64),
        edge_ew=np.rint(HALF_WIDTH - np.abs(x_scan)).astype(np.int64),
        edge_flag=EDGES[2 * (north_of_start >= SCAN_LENGTH / 2) + (x_scan > 0)],
        image=np.clip(image, 1, IMAGES_PER_SCAN).astype(np.int64),
        jdate=np.rint((plan.start[tile] + along / SCAN_RATE / 86_400.0) * 1e4) / 1e4,
        overlap=(beyond < HALF_WIDTH) | (to_edge < 2 * MARGIN),
    )


def survey_columns(tile: Ints, ra: Floats, dec: Floats) -> dict[str, Values]:
    """What follows from the tile and the place (degrees) alone; the two catalogues share it."""
    plan, spot = survey(), place(tile, ra, dec)
    lon, lat = galactic(unit_vectors(ra, dec))
    scan_key = plan.scan_key[tile]
    return {
        "ra": ra,
        "decl": dec,
        "glon": lon,
        "glat": lat,
        "hemis": np.where(plan.south[tile], b"s", b"n"),
        "date": plan.night[tile],
        "scan": plan.scan[tile],
        "x_scan": spot.x_scan,
        "jdate": spot.jdate,
        "dist_edge_ns": spot.edge_ns,
        "dist_edge_ew": spot.edge_ew,
        "dist_edge_flg": spot.edge_flag,
        "scan_key": scan_key,
        "coadd_key": IMAGES_PER_SCAN * (scan_key - 1) + spot.image,
        "coadd": IMAGE_NUMBERS[spot.image - 1],
        "overlap": spot.overlap,
        "image": spot.image,
        "along": spot.along,
    }


def overlap_columns(rng: np.random.Generator, overlap: Bools) -> dict[str, Values]:
    """dup_src and use_src: most rows in an overlap were seen in the other tile too, and chosen of
    the two."""
    u = rng.random(overlap.size)
    matched = overlap & (u > 0.03)
    return {
        "dup_src": matched * (1 + (u > 0.999)),
        "use_src": (~overlap | matched).astype(np.int64),
    }

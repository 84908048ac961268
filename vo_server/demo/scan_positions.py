"""Positions of sources in their scans, and the columns of both catalogues that follow from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vo_server.demo.density import to_galactic
from vo_server.demo.record_batches import Values
from vo_server.demo.survey import (
    IMAGE_NUMBERS,
    IMAGE_STEP_ARCSEC,
    IMAGES_PER_SCAN,
    SCAN_ARCSEC_PER_SECOND,
    SCAN_HALF_WIDTH_ARCSEC,
    SCAN_LENGTH_ARCSEC,
    SCAN_MARGIN_ARCSEC,
    Bools,
    Floats,
    Ints,
    make_survey,
)
from vo_server.sky.vectors import unit_vectors

EDGE_FLAGS = np.array([b"se", b"sw", b"ne", b"nw"])


@dataclass(frozen=True)
class ScanPositions:
    """The positions of n rows on the detector and in the night, each of shape (n,).

    Distances are in arcsec, `along` from the start of the scan; `image` counts from 1; `overlap` where another tile
    covers the position.
    """

    x_scan: Floats
    along: Floats
    edge_ns: Ints
    edge_ew: Ints
    edge_flag: NDArray[np.bytes_]
    image: Ints
    jdate: Floats
    overlap: Bools


def locate_in_scan(tile: Ints, ra: Floats, dec: Floats) -> ScanPositions:
    """Return the positions in the scans of tiles (n,) of sources at `ra`, `dec` (n,) in degrees."""
    tiling = make_survey()
    squeeze = np.cos(np.radians(dec)) * 3600.0
    x_scan = np.clip((tiling.centre[tile] - ra) * squeeze, -SCAN_HALF_WIDTH_ARCSEC + 10, SCAN_HALF_WIDTH_ARCSEC - 10)
    north_of_start = (dec - tiling.southern_edge(tile)) * 3600.0 + SCAN_MARGIN_ARCSEC
    northward = tiling.northward[tile]
    along = np.where(northward, north_of_start, SCAN_LENGTH_ARCSEC - north_of_start)
    to_edge = np.minimum(north_of_start, SCAN_LENGTH_ARCSEC - north_of_start)
    image = np.floor((along - (1024 - IMAGE_STEP_ARCSEC) / 2) / IMAGE_STEP_ARCSEC) + 1
    beyond = tiling.width[tile] * squeeze - np.abs(x_scan)
    return ScanPositions(
        x_scan=np.rint(x_scan * 10) / 10,
        along=along,
        edge_ns=np.rint(to_edge).astype(np.int64),
        edge_ew=np.rint(SCAN_HALF_WIDTH_ARCSEC - np.abs(x_scan)).astype(np.int64),
        edge_flag=EDGE_FLAGS[2 * (north_of_start >= SCAN_LENGTH_ARCSEC / 2) + (x_scan > 0)],
        image=np.clip(image, 1, IMAGES_PER_SCAN).astype(np.int64),
        jdate=np.rint((tiling.start[tile] + along / SCAN_ARCSEC_PER_SECOND / 86_400.0) * 1e4) / 1e4,
        overlap=(beyond < SCAN_HALF_WIDTH_ARCSEC) | (to_edge < 2 * SCAN_MARGIN_ARCSEC),
    )


def make_survey_columns(tile: Ints, ra: Floats, dec: Floats) -> dict[str, Values]:
    """Return the columns (n,) that follow from tiles and positions (degrees) alone, which both catalogues have."""
    tiling, position = make_survey(), locate_in_scan(tile, ra, dec)
    lon, lat = to_galactic(unit_vectors(ra, dec))
    scan_key = tiling.scan_key[tile]
    return {
        "ra": ra,
        "decl": dec,
        "glon": lon,
        "glat": lat,
        "hemis": np.where(tiling.south[tile], b"s", b"n"),
        "date": tiling.night[tile],
        "scan": tiling.scan[tile],
        "x_scan": position.x_scan,
        "jdate": position.jdate,
        "dist_edge_ns": position.edge_ns,
        "dist_edge_ew": position.edge_ew,
        "dist_edge_flg": position.edge_flag,
        "scan_key": scan_key,
        "coadd_key": IMAGES_PER_SCAN * (scan_key - 1) + position.image,
        "coadd": IMAGE_NUMBERS[position.image - 1],
        "overlap": position.overlap,
        "image": position.image,
        "along": position.along,
    }


def draw_overlap_columns(rng: np.random.Generator, overlap: Bools) -> dict[str, Values]:
    """Draw dup_src and use_src (n,): most rows in an overlap were detected in the other tile, too, and selected."""
    u = rng.random(overlap.size)
    matched = overlap & (u > 0.03)
    return {
        "dup_src": matched * (1 + (u > 0.999)),
        "use_src": (~overlap | matched).astype(np.int64),
    }

"""The nearest other row of each row: distance, position angle and which one it is."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vo_server.demo.survey import Bools, Floats, Ints


def nearest(vectors: Floats, among: Floats, own: Ints) -> tuple[Floats, Ints]:
    """Angle in degrees to the nearest of the unit vectors ``among`` but the one at index ``own``,
    and its index."""
    tree = cKDTree(among, balanced_tree=False, compact_nodes=False)
    chord, index = tree.query(vectors, k=2)
    # Where there is no second one the tree says infinity and an index past the end.
    index = np.minimum(index, len(among) - 1)
    itself = index[:, 0] == own
    index = np.where(itself, index[:, 1], index[:, 0])
    chord = np.where(itself, chord[:, 1], chord[:, 0])
    return np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1))), index.astype(np.int64)


def position_angle(ra: Floats, dec: Floats, to_ra: Floats, to_dec: Floats) -> Floats:
    """Position angle east of north, 0..360, of the second place (degrees) seen from the first."""
    ra, dec, to_ra, to_dec = (np.radians(angle) for angle in (ra, dec, to_ra, to_dec))
    east = np.sin(to_ra - ra) * np.cos(to_dec)
    north = np.cos(dec) * np.sin(to_dec) - np.sin(dec) * np.cos(to_dec) * np.cos(to_ra - ra)
    return np.asarray(np.degrees(np.arctan2(east, north)) % 360.0)


@dataclass(frozen=True)
class Neighbours:
    """``prox`` in arcsec to 0.1, ``angle`` in whole degrees (none where ``alone``: prox 0),
    ``index`` of the other."""

    prox: Floats
    angle: Ints
    alone: Bools
    index: Ints


def nobody(rows: int) -> Neighbours:
    """What is said where there is no other row: distance 0 to itself."""
    none = np.zeros(rows, np.int64)
    return Neighbours(np.zeros(rows), none, np.ones(rows, bool), none)


def describe(ra: Floats, dec: Floats, to_ra: Floats, to_dec: Floats, apart: Floats, index: Ints) -> Neighbours:
    prox = np.rint(apart * 36_000) / 10
    angle = np.rint(position_angle(ra, dec, to_ra, to_dec)).astype(np.int64) % 360
    return Neighbours(prox, angle, prox == 0.0, index)

"""The nearest other row of each row: distance, position angle and index."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vo_server.demo.survey import Bools, Floats, Ints


def find_nearest(vectors: Floats, among: Floats, own: Ints) -> tuple[Floats, Ints]:
    """Return the distances (n,) in degrees of unit vectors (n, 3) to the nearest of `among` (m, 3), and its index (n,).

    The entry at index `own` (n,) of `among` is the row itself and does not count.
    """
    tree = cKDTree(among, balanced_tree=False, compact_nodes=False)
    chord, index = tree.query(vectors, k=2)
    # Without a second entry the tree returns infinity and an index past the end.
    index = np.minimum(index, len(among) - 1)
    itself = index[:, 0] == own
    index = np.where(itself, index[:, 1], index[:, 0])
    chord = np.where(itself, chord[:, 1], chord[:, 0])
    return np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1))), index.astype(np.int64)


def position_angle(ra: Floats, dec: Floats, to_ra: Floats, to_dec: Floats) -> Floats:
    """Return the position angles (n,) in degrees east of north, 0..360, of the second positions from the first."""
    ra, dec, to_ra, to_dec = (np.radians(angle) for angle in (ra, dec, to_ra, to_dec))
    east = np.sin(to_ra - ra) * np.cos(to_dec)
    north = np.cos(dec) * np.sin(to_dec) - np.sin(dec) * np.cos(to_dec) * np.cos(to_ra - ra)
    return np.asarray(np.degrees(np.arctan2(east, north)) % 360.0)


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of n rows.

    `prox` (n,) in arcsec, rounded to 0.1; position `angle` (n,) in whole degrees; `alone` (n,) where there is no angle,
    as prox is 0; `index` (n,) of the nearest row.
    """

    prox: Floats
    angle: Ints
    alone: Bools
    index: Ints


def make_lone_neighbours(rows: int) -> Neighbours:
    """Return the neighbours of rows without others: distance 0 to themselves."""
    none = np.zeros(rows, np.int64)
    return Neighbours(np.zeros(rows), none, np.ones(rows, bool), none)


def describe_neighbours(
    ra: Floats, dec: Floats, to_ra: Floats, to_dec: Floats, apart: Floats, index: Ints
) -> Neighbours:
    """Return the neighbours at `to_ra`, `to_dec` (n,), `apart` (n,), all in degrees, with `index` (n,)."""
    prox = np.rint(apart * 36_000) / 10
    angle = np.rint(position_angle(ra, dec, to_ra, to_dec)).astype(np.int64) % 360
    return Neighbours(prox, angle, prox == 0.0, index)

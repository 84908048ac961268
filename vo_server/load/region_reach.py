"""The check of the distance of regions from the positions of their rows.

A query searches for regions only as far from a position as `reaches` in the catalogue file allows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import Code, LoadError
from vo_server.model.column import Position
from vo_server.sky import regions, shapes, vectors
from vo_server.sky.vectors import Floats

_TOLERANCE_DEG = 1e-8
_MAX_VERTEX_DISTANCE_DEG = 60.0
"""Up to this distance, the farthest point of a polygon is one of its vertices."""


def check_reaches(table: pa.Table, position: Position) -> None:
    """Raise LoadError if a region extends farther than the catalogue file allows: queries would not find it."""
    for name, reach in position.reaches:
        ra, dec = (table[column].to_numpy() for column in (position.ra, position.dec))
        doubtful = _find_doubtful(table[name], ra, dec, reach)
        regions_of = zip(table[name].take(pa.array(doubtful)).to_pylist(), ra[doubtful], dec[doubtful], strict=True)
        farthest = max((_max_distance(*each) for each in regions_of), default=0.0)
        if farthest > reach + _TOLERANCE_DEG:
            raise LoadError(
                f"a region in {name} extends {farthest:.9g} degrees from the position of its row",
                hint=f"the catalogue file allows {reach:g}: set reaches = {{ {name} = ... }}",
                code=Code.LOAD_BAD_ROW,
            )


def _find_doubtful(column: pa.ChunkedArray, ra: Floats, dec: Floats, reach: float) -> npt.NDArray[np.int64]:
    """Return the indices of rows with a region that is not a polygon with all vertices within reach.

    Polygons are checked in one vectorised step; only the rest needs a check one by one.
    """
    if not pa.types.is_list(column.type):
        return np.flatnonzero(column.is_valid().to_numpy())
    counts = pc.list_value_length(column).fill_null(0).to_numpy()
    polygons = np.flatnonzero((counts >= 6) & (counts % 2 == 0))
    doubtful = column.is_valid().to_numpy().astype(bool)
    if len(polygons):
        numbers = pc.list_flatten(column.take(pa.array(polygons))).to_numpy().reshape(-1, 2)
        row = np.repeat(polygons, counts[polygons] // 2)
        away = vectors.distance(ra[row], dec[row], numbers[:, 0], numbers[:, 1])
        first = np.cumsum(counts[polygons] // 2) - counts[polygons] // 2
        doubtful[polygons] = ~np.logical_and.reduceat(away <= min(reach, _MAX_VERTEX_DISTANCE_DEG), first)
    return np.flatnonzero(doubtful)


def _max_distance(region: str | list[float], ra: float, dec: float) -> float:
    """Return the distance of the farthest point of a region from a position, degrees; 0 for an invalid region."""
    try:
        numbers = regions.parse_outline(region) if isinstance(region, str) else tuple(region)
        return shapes.max_distance(("region", numbers), ra, dec)
    except shapes.ShapeError:
        return 0.0

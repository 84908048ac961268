"""How far the regions of rows reach from their positions: a query looks for them no farther than the catalogue says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import LoadError
from vo_server.model.column import Position
from vo_server.sky import regions, shapes, vectors
from vo_server.sky.vectors import Floats

_TOUCH = 1e-8
_NEAR = 60.0
"""Degrees: a polygon whose vertices are all so near lies no farther out than the farthest of them."""


def check(table: pa.Table, position: Position) -> None:
    """Raises LoadError where a region lies farther out than the catalogue says: queries would not find it."""
    for name, reach in position.reaches:
        ra, dec = (table[column].to_numpy() for column in (position.ra, position.dec))
        looked_at = _doubtful(table[name], ra, dec, reach)
        found = zip(table[name].take(pa.array(looked_at)).to_pylist(), ra[looked_at], dec[looked_at], strict=True)
        farthest = max((_farthest(*each) for each in found), default=0.0)
        if farthest > reach + _TOUCH:
            raise LoadError(
                f"a region in {name} reaches {farthest:.9g} degrees from its row's position",
                hint=f"the catalogue says {reach:g} at most: write reaches = {{ {name} = ... }}",
            )


def _doubtful(column: pa.ChunkedArray, ra: Floats, dec: Floats, reach: float) -> npt.NDArray[np.int64]:
    """The rows that have a region but no polygon whose vertices are all within reach, which is told of many at once."""
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
        doubtful[polygons] = ~np.logical_and.reduceat(away <= min(reach, _NEAR), first)
    return np.flatnonzero(doubtful)


def _farthest(region: str | list[float], ra: float, dec: float) -> float:
    """How far a region reaches from a position, degrees; what is none is nowhere."""
    try:
        numbers = regions.outline(region) if isinstance(region, str) else tuple(region)
        return shapes.farthest(("region", numbers), ra, dec)
    except shapes.BadShape:
        return 0.0

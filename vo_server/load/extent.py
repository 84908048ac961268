"""What a load learns of its rows as they pass: where on the sky they are, when they were observed, in which bands."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.images import CLOCKS
from vo_server.sky.footprint import Footprint, Outlines

GAP = 31
"""Days without an observation that part one span of time from the next."""

MOST = 20
"""Spans of time at the most; then it is the widest gaps that part them."""

MJD_1970 = 40_587
NEVER = 1e9
"""Days from MJD 0 that no time is away."""

Numbers = npt.NDArray[np.int64]


class Extent:
    """What rows cover. They come in the order of their numbers."""

    def __init__(self, collection: Collection, threads: int = 1) -> None:
        table, images = collection.table, collection.images
        self._key = None if table.position is None else table.position.healpix
        self._outline = None if images is None else images.filled("sky", "footprint")
        self._band = None if images is None else images.band
        self._time, self._clock, self._half = _timing(collection)
        self._places = Footprint()
        self._outlines = Outlines(threads)
        self._days: Numbers = np.empty(0, dtype=np.int64)
        self._bands: set[str] = set()

    def add(self, table: pa.Table) -> None:
        """Take these rows."""
        if self._outline is not None and self._key is not None:
            self._outlines.add(table[self._key].to_numpy(), table[self._outline].to_numpy())
        elif self._key is not None:
            self._places.add(table[self._key].to_numpy())
        if self._time is not None:
            found = _days(table[self._time], self._clock, self._half)
            self._days = np.union1d(self._days, found)
        if self._band is not None:
            self._bands |= {str(band) for band in pc.unique(table[self._band]).to_pylist() if band is not None}

    def facts(self) -> dict[str, object]:
        """The map of the sky as an ASCII MOC, empty without positions; and as JSON the spans of time (MJD) and the
        bands."""
        places = self._places if self._outline is None else self._outlines
        return {
            "coverage": "" if self._key is None else places.text(),
            "extent": json.dumps({"times": spans(self._days), "bands": sorted(self._bands)}),
        }


def _timing(collection: Collection) -> tuple[str | None, float, float]:
    """The column of the time, what it says at MJD 0, and half of how long an observation takes, in days."""
    images, bounds = collection.images, collection.bounds
    if images is not None and images.time is not None:
        return images.time.column, CLOCKS["jd"], images.time.span / 2 / 86400
    return bounds.time, CLOCKS[bounds.clock], 0.0


def _days(column: pa.ChunkedArray, clock: float, half: float) -> Numbers:
    """The days (MJD) on which observations began and ended. Arrow finds them ten times as quickly as a sort."""
    known = column.drop_null()
    if pa.types.is_temporal(known.type):
        return np.asarray(pc.unique(known.cast(pa.date32())).cast(pa.int32())).astype(np.int64) + MJD_1970
    middle = known.to_numpy() - clock
    middle = middle[abs(middle) < NEVER]
    each = [pc.unique(pa.array(np.floor(middle + shift))) for shift in {-half, half}]
    return np.concatenate(each).astype(np.int64)


def spans(days: Numbers) -> list[tuple[int, int]]:
    """Days, ascending, as spans from the beginning of a day to the end of another."""
    if not len(days):
        return []
    gaps = np.diff(days)
    cuts = np.argsort(-gaps, kind="stable")[: MOST - 1]
    cuts = np.sort(cuts[gaps[cuts] > GAP])
    first, last = days[np.concatenate([[0], cuts + 1])], days[np.concatenate([cuts, [len(days) - 1]])]
    return [(int(a), int(b) + 1) for a, b in zip(first, last, strict=True)]

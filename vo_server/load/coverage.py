"""The coverage of loaded rows in space, time and bands, accumulated while they are written."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.images import CLOCKS
from vo_server.model.mjd import MJD_AT_1970
from vo_server.sky.footprint import Footprint, OutlineFootprint

MIN_GAP_DAYS = 31
"""Days without observations that separate two time intervals."""

MAX_INTERVALS = 20
"""Maximum number of time intervals; if there are more, the widest gaps separate them."""

MAX_MJD = 1e9
"""Absolute limit of valid times, in days from MJD 0."""

Numbers = npt.NDArray[np.int64]


class CoverageAccumulator:
    """The coverage of the rows added so far. Rows must be added in the order of their HEALPix numbers."""

    def __init__(self, collection: Collection, threads: int = 1) -> None:
        table, images = collection.table, collection.images
        self._key = None if table.position is None else table.position.healpix
        self._outline = None if images is None else images.find_column("sky", "footprint")
        self._band = None if images is None else images.band
        self._time, self._clock, self._half = _find_time_column(collection)
        self._places = Footprint()
        self._outlines = OutlineFootprint(threads)
        self._days: Numbers = np.empty(0, dtype=np.int64)
        self._bands: set[str] = set()

    def add(self, table: pa.Table) -> None:
        """Add the coverage of these rows."""
        if self._outline is not None and self._key is not None:
            self._outlines.add(table[self._key].to_numpy(), table[self._outline].to_numpy())
        elif self._key is not None:
            self._places.add(table[self._key].to_numpy())
        if self._time is not None:
            self._days = np.union1d(self._days, _list_days(table[self._time], self._clock, self._half))
        if self._band is not None:
            self._bands |= {str(band) for band in pc.unique(table[self._band]).to_pylist() if band is not None}

    def summarise(self) -> dict[str, object]:
        """Return the spatial coverage as an ASCII MOC, empty without positions, and time intervals (MJD) and bands as
        JSON."""
        footprint = self._places if self._outline is None else self._outlines
        return {
            "coverage": "" if self._key is None else footprint.to_text(),
            "extent": json.dumps({"times": merge_days(self._days), "bands": sorted(self._bands)}),
        }


def _find_time_column(collection: Collection) -> tuple[str | None, float, float]:
    """Return the column of the time, its value at MJD 0, and half the duration of an observation, in days."""
    images, coverage = collection.images, collection.coverage
    if images is not None and images.time is not None:
        return images.time.column, CLOCKS["jd"], images.time.span / 2 / 86400
    return coverage.time, CLOCKS[coverage.clock], 0.0


def _list_days(column: pa.ChunkedArray, clock: float, half: float) -> Numbers:
    """Return the days (MJD, unsorted, shape (n,)) on which observations began and ended.

    Arrow finds the distinct values ten times as quickly as a sort.
    """
    times = column.drop_null()
    if pa.types.is_temporal(times.type):
        return np.asarray(pc.unique(times.cast(pa.date32())).cast(pa.int32())).astype(np.int64) + MJD_AT_1970
    middle = times.to_numpy() - clock
    middle = middle[abs(middle) < MAX_MJD]
    each = [pc.unique(pa.array(np.floor(middle + shift))) for shift in {-half, half}]
    return np.concatenate(each).astype(np.int64)


def merge_days(days: Numbers) -> list[tuple[int, int]]:
    """Return ascending days, shape (n,), as intervals (begin of the first day, end of the last day)."""
    if not len(days):
        return []
    gaps = np.diff(days)
    cuts = np.argsort(-gaps, kind="stable")[: MAX_INTERVALS - 1]
    cuts = np.sort(cuts[gaps[cuts] > MIN_GAP_DAYS])
    first, last = days[np.concatenate([[0], cuts + 1])], days[np.concatenate([cuts, [len(days) - 1]])]
    return [(int(a), int(b) + 1) for a, b in zip(first, last, strict=True)]

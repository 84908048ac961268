"""The coverage of loaded rows in time and bands; tests/unit/sky has the spatial coverage."""

from __future__ import annotations

import datetime as dt
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy.time import Time

from tests.shipped import SHIPPED
from vo_server.catalogue.load import load_catalogue
from vo_server.errors import CatalogueError
from vo_server.load.coverage import CoverageAccumulator, merge_days

ROWS = """
id = "rows"
[schema]
name = "mine"
[table]
name = "rows"
[columns.seen]
type = "{type}"
description = "When."
[coverage]
time = "seen"
{more}
[origin]
title = "Rows"
publisher = "Nobody"
"""


def summarise(tmp_path: Path, type: str, values: list[Any], arrow: pa.DataType, more: str = "") -> Any:
    (tmp_path / "rows.toml").write_text(ROWS.format(type=type, more=more))
    coverage = CoverageAccumulator(load_catalogue([tmp_path]).get_collection("rows"))
    for half in (values[::2], values[1::2]):
        coverage.add(pa.table({"seen": pa.array(half, arrow)}))
    return coverage.summarise()


DAYS = ["1997-06-07T12:00:00", "1997-06-08T00:00:00", "2001-02-15T23:59:59"]
SPANS = [[50606, 50608], [51955, 51956]]


def test_times_in_every_type(tmp_path: Path) -> None:
    """The days are those of astropy."""
    jd, mjd = Time(DAYS).jd.tolist(), Time(DAYS).mjd.tolist()
    dates = [dt.date.fromisoformat(day[:10]) for day in DAYS]
    moments = [dt.datetime.fromisoformat(day) for day in DAYS]
    for type, values, arrow, more in (
        ("DOUBLE PRECISION", [*jd, None, float("nan"), 1e300, -float("inf")], pa.float64(), ""),
        ("DOUBLE PRECISION", [*mjd, None], pa.float64(), 'clock = "mjd"'),
        ("DATE", [*dates, None], pa.date32(), ""),
        ("TIMESTAMP", [None, *moments], pa.timestamp("us"), ""),
    ):
        summary = summarise(tmp_path, type, values, arrow, more)
        assert summary["coverage"] == ""
        assert json.loads(summary["extent"]) == {"times": SPANS, "bands": []}


def test_has_no_intervals_without_times(tmp_path: Path) -> None:
    assert json.loads(summarise(tmp_path, "DATE", [None, None], pa.date32())["extent"])["times"] == []


@pytest.mark.parametrize(
    ("type", "more", "fragment"),
    [
        ("VARCHAR(8)", "", "'time': 'seen'"),
        ("DATE", 'clock = "hour"', "'clock' 'hour'"),
    ],
)
def test_rejects_invalid_time(tmp_path: Path, type: str, more: str, fragment: str) -> None:
    with pytest.raises(CatalogueError, match=fragment):
        summarise(tmp_path, type, [], pa.date32(), more)


def test_month_without_observations_separates_intervals() -> None:
    assert merge_days(np.array([10, 11, 42, 74, 200])) == [(10, 43), (74, 75), (200, 201)]


def test_widest_gaps_separate_intervals() -> None:
    """Seasons of 40 days, apart by 40 to 139 days."""
    starts = np.cumsum([80 + n for n in range(100)])
    days = np.unique(np.concatenate([np.arange(start, start + 40) for start in starts]))
    found = merge_days(days)
    assert len(found) == 20
    gaps = [b[0] - a[1] for a, b in pairwise(found)]
    assert min(gaps) > max(120, *(40 + n for n in range(80)))
    assert all(any(a <= day < b for a, b in found) for day in days)


def test_images_cover_days_of_begin_and_end() -> None:
    """An Atlas image takes 26 s: one whose middle is 10 s after midnight began on the day before."""
    collection = SHIPPED.get_collection("atlas")
    coverage = CoverageAccumulator(collection)
    midnight = 2_451_000.5  # MJD 51000
    square = [10.0, 10.0, 10.1, 10.0, 10.1, 10.1, 10.0, 10.1]
    coverage.add(
        pa.table(
            {
                "jdate": pa.array([midnight + 10 / 86400, None, midnight + 40.5]),
                "band": ["J", "K", "J"],
                "footprint": pa.array([square] * 3, pa.list_(pa.float64())),
                collection.table.position.healpix: pa.array([5, 6, 7], pa.int64()),
            }
        )
    )
    summary = coverage.summarise()
    assert json.loads(summary["extent"]) == {"times": [[50999, 51001], [51040, 51041]], "bands": ["J", "K"]}
    assert summary["coverage"].startswith("10/")

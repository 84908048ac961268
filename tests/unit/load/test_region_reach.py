"""The distance of regions from their rows: vectorised against one by one."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vo_server.errors import LoadError
from vo_server.load import region_reach
from vo_server.model.column import Position
from vo_server.sky import shapes

LON = st.one_of(st.floats(0, 360), st.sampled_from([0.0, 1e-9, 180.0, 359.999999, 360.0]))
LAT = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 0.0, 89.9999, 90.0]))
PAIRS = st.lists(st.tuples(LON, LAT), min_size=1, max_size=5)
REGION = st.one_of(
    st.none(),
    PAIRS.map(lambda pairs: [x for pair in pairs for x in pair]),
    st.tuples(LON, LAT, st.floats(0, 30)).map(list),
    st.just([1.0, 2.0, float("nan"), 3.0, 4.0, 5.0]),
    st.just([]),
)
ROWS = st.lists(st.tuples(LON, LAT, REGION), min_size=1, max_size=6)


def max_distance(region: list[float] | None, ra: float, dec: float) -> float:
    try:
        return shapes.max_distance(("region", tuple(region)), ra, dec) if region is not None else 0.0
    except shapes.ShapeError:
        return 0.0


@given(ROWS, st.sampled_from([0.0, 0.16, 10.0, 59.0, 75.0, 150.0, 180.0]))
@settings(max_examples=300, deadline=None)
def test_finds_farthest_region(rows: list[tuple[float, float, list[float] | None]], reach: float) -> None:
    columns = dict(zip(("ra", "dec", "outline"), map(list, zip(*rows, strict=True)), strict=True))
    table = pa.table(columns, pa.schema({"ra": pa.float64(), "dec": pa.float64(), "outline": pa.list_(pa.float64())}))
    position = Position("ra", "dec", "healpix", (("outline", reach),))
    farthest = max(max_distance(region, ra, dec) for ra, dec, region in rows)
    if farthest > reach + 1e-8:
        with pytest.raises(LoadError, match=f" {farthest:.9g} degrees"):
            region_reach.check_reaches(table, position)
    else:
        region_reach.check_reaches(table, position)

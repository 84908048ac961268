"""Numbers from the table are told as Arrow's own cast tells them."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo_server.formats.write import decimals
from vo_server.formats.write.decimals import STEPS_PER_UNIT, TABLE_STEPS, format_reals

TYPES = (pa.float32(), pa.float64())


@pytest.mark.parametrize("type", TYPES, ids=str)
@pytest.mark.parametrize("steps", STEPS_PER_UNIT)
def test_all_numbers_of_the_table(type: pa.DataType, steps: int) -> None:
    array = pa.array(np.arange(-TABLE_STEPS + 1, TABLE_STEPS) / steps).cast(type)
    assert format_reals(array) == (array.cast(pa.string()), True)


@pytest.mark.parametrize("type", TYPES, ids=str)
@given(
    few=st.lists(st.none() | st.integers(-40_000, 40_000).map(lambda n: n / 1000), max_size=200),
    odd=st.lists(st.none() | st.floats(width=32), max_size=3),
    start=st.integers(0, 100),
)
def test_any_numbers(type: pa.DataType, few: list[float | None], odd: list[float | None], start: int) -> None:
    array = pa.array(few + odd, type).slice(start)
    made, finite = format_reals(array)
    made.validate(full=True)
    assert made.equals(array.cast(pa.string()))
    assert finite == all(v is None or math.isfinite(v) for v in array.to_pylist())


def test_values_under_nulls_are_ignored() -> None:
    values = np.full(100, 14.513, np.float32)
    values[5:50:9] = np.nan
    array = pa.array(values, mask=np.isnan(values))
    made, finite = format_reals(array)
    assert finite
    assert made.to_pylist() == [None if np.isnan(v) else "14.513" for v in values]


def test_negative_zero_keeps_its_sign() -> None:
    array = pa.array([-0.0] * decimals.SAMPLE_SIZE)
    assert set(format_reals(array)[0].to_pylist()) == {"-0"}

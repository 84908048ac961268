"""Any values of a table are the same in the database, from every format that can hold them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from vo_server.__main__ import main
from vo_server.engines.data_directory import DataDirectory

Values = dict[str, list[Any]]

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).map(lambda t: f"s{t}".rstrip())
LETTERS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["C", "Z"]), max_size=8).map(lambda t: f"s{t}")
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-(2**63) + 2, 2**63 - 1),
    "small": st.integers(-(2**15) + 2, 2**15 - 1),
    "dbl": st.floats(allow_nan=False),
    "text": TEXT,
    "letters": LETTERS,
    "truth": st.booleans(),
}


@st.composite
def tables(draw: st.DrawFn, names: tuple[str, ...]) -> Values:
    """Columns of up to twelve rows, a value or None; the first row has them all, so that types are known."""
    count = draw(st.integers(1, 12))
    made: Values = {"id": [10**12 + n for n in range(count)]}
    for name in names:
        rest = draw(st.lists(st.none() | KINDS[name], min_size=count - 1, max_size=count - 1))
        made[name] = [draw(KINDS[name]), *rest]
    return made


def masked(values: Values) -> Table:
    kinds = {"whole": "i8", "id": "i8", "small": "i2", "dbl": "f8", "truth": "?"}
    made = Table(masked=True)
    for name, column in values.items():
        plain = [next(v for v in column if v is not None) if v is None else v for v in column]
        data = np.array(plain, kinds[name]) if name in kinds else np.array(plain, str)
        made[name] = MaskedColumn(data, mask=[v is None for v in column])
    return made


def by_astropy(**how: Any) -> Callable[[Values, Path], None]:
    def write(values: Values, path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            masked(values).write(path, overwrite=True, **how)

    return write


def parquet(values: Values, path: Path) -> None:
    kinds = {"small": pa.int16()}
    pq.write_table(pa.table({n: pa.array(v, kinds.get(n)) for n, v in values.items()}), path)


ALL = ("whole", "small", "dbl", "text", "letters", "truth")
FORMATS: dict[str, tuple[Callable[[Values, Path], None], tuple[str, ...]]] = {
    "parquet": (parquet, ALL),
    "tabledata": (by_astropy(format="votable"), ALL),
    "binary2": (by_astropy(format="votable", tabledata_format="binary2"), ALL),
    "ecsv": (by_astropy(format="ascii.ecsv"), ALL),
    "fits": (by_astropy(format="fits"), ("whole", "small", "dbl", "text")),
    "csv": (by_astropy(format="ascii.csv"), ("small", "dbl", "text", "letters")),
}
"""Each format, and the kinds of values that its writer keeps: FITS has only ASCII, and astropy masks no booleans in it.
astropy splits characters of two UTF-16 units in VOTables, so there are none."""


def stored(data: Path) -> Values:
    with duckdb.connect(str(DataDirectory(data).find_current_file("t")), read_only=True) as file:
        rows = file.sql("SELECT * FROM rows ORDER BY id").to_arrow_table()
    return {name: rows[name].to_pylist() for name in rows.column_names}


def same(found: Any, wanted: Any) -> bool:
    return found == wanted if not isinstance(wanted, float) else found == wanted or math.isclose(found, wanted)


@pytest.mark.parametrize("form", FORMATS)
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_values_survive_publishing(tmp_path: Path, form: str, data: st.DataObject) -> None:
    write, names = FORMATS[form]
    values = data.draw(tables(names))
    write(values, tmp_path / "t")
    flags = ["--name", "t", "--data", str(tmp_path / "data"), "--force", "--no-check"]
    assert main(["publish", str(tmp_path / "t"), *flags]) == 0
    found = stored(tmp_path / "data")
    assert set(found) == set(values)
    wrong = {n: (found[n], v) for n, v in values.items() if not all(map(same, found[n], v))}
    assert not wrong

"""What a load keeps of the values of each column is what numpy says of them, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.engines.conftest import ENGINES
from vo_server.catalogue.load import load_catalogue
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.engines.engine import Engine, Facts, facts_of
from vo_server.engines.store import Store
from vo_server.load.load import load
from vo_server.load.sinks import sink
from vo_server.load.statistics import FEW
from vo_server.model.column import Table
from vo_server.model.statistics import Statistic, from_json, shown, to_json

MIXED = """
id = "mixed"
[schema]
name = "sky"
[table]
name = "mixed"
position = { ra = "ra", dec = "dec" }
[[views]]
name = "other"
rename = { whole = "number" }
[columns.ra]
type = "DOUBLE PRECISION"
description = "."
[columns.dec]
type = "DOUBLE PRECISION"
description = "."
[columns.whole]
type = "BIGINT"
description = "."
[columns.single]
type = "REAL"
description = "."
[columns.few]
type = "VARCHAR(*)"
description = "."
[columns.many]
type = "VARCHAR(*)"
description = "."
[columns.truth]
type = "BOOLEAN"
description = "."
[columns.day]
type = "DATE"
description = "."
[columns.instant]
type = "TIMESTAMP"
description = "."
[columns.row]
type = "DOUBLE PRECISION ARRAY"
description = "."
arraysize = "2"
[columns.none]
type = "INTEGER"
description = "."
[origin]
title = "Mixed"
publisher = "Nobody"
"""
ROWS = 5_000


def rows(seed: int) -> pa.Table:
    draw = np.random.default_rng(seed)
    gaps = draw.random(ROWS) < 0.1
    return pa.table(
        {
            "ra": draw.uniform(0, 360, ROWS),
            "dec": draw.uniform(-90, 90, ROWS),
            "whole": pa.array(draw.integers(-(2**60), 2**60, ROWS), mask=gaps),
            "single": pa.array(draw.normal(size=ROWS).astype("f4"), mask=gaps),
            "few": pa.array(draw.choice(["a", "b", "ç"], ROWS), mask=gaps),
            "many": [f"star {n}" for n in range(ROWS)],
            "truth": pa.array(draw.random(ROWS) < 0.5, mask=gaps),
            "day": pa.array(draw.integers(0, 20_000, ROWS).astype("i4")).cast(pa.date32()),
            "instant": pa.array(draw.integers(0, 10**15, ROWS)).cast(pa.timestamp("us")),
            "row": pa.array([[1.0, float(n)] if n % 3 else None for n in range(ROWS)]),
            "none": pa.nulls(ROWS, pa.int32()),
        }
    )


@pytest.fixture(params=ENGINES)
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., tuple[Engine, list[Table]]]:
    url = request.getfixturevalue("postgresql") if request.param == "postgres" else ""

    def fill(*tables: pa.Table) -> tuple[Engine, list[Table]]:
        (tmp_path / "mixed.toml").write_text(MIXED)
        catalogue, store = with_tap_schema(load_catalogue([tmp_path / "mixed.toml"])), Store(tmp_path / "data")
        for number, table in enumerate(tables):
            pq.write_table(table, tmp_path / "t.parquet")
            wanted = catalogue.collection("mixed")
            load(wanted, [tmp_path / "t.parquet"], store, sink=sink(url), append=number > 0)
        engine = ENGINES[request.param](store, catalogue, url)
        request.addfinalizer(engine.close)
        return engine, [t for t in catalogue.tables if t.schema == "sky"]

    return fill


@pytest.mark.parametrize("parts", [1, 2])
def test_statistics_are_those_of_the_rows(filled: Callable[..., tuple[Engine, list[Table]]], parts: int) -> None:
    """Those of rows that were appended, too."""
    tables = [rows(seed) for seed in range(parts)]
    whole = pa.concat_tables(tables)
    engine, (table, view) = filled(*tables)
    facts = engine.facts(table)
    assert facts is not None
    found = facts.statistics
    assert list(found) == whole.column_names
    assert {name: each.nulls for name, each in found.items()} == {n: whole[n].null_count for n in whole.column_names}
    for name in ("ra", "dec", "whole", "day", "instant"):
        ends = pc.min_max(whole[name]).as_py()
        want = {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in ends.items()}
        assert (found[name].low, found[name].high, found[name].values) == (want["min"], want["max"], None)
    low, high = found["single"].low, found["single"].high
    assert (np.float32(low), np.float32(high)) == tuple(pc.min_max(whole["single"]).as_py().values())
    assert found["few"] == Statistic(None, None, whole["few"].null_count, ("a", "b", "ç"))
    assert found["truth"].values == (False, True)
    assert found["many"].values is None
    assert found["none"] == Statistic(None, None, ROWS * parts, ())
    assert shown(view, found)["number"] == found["whole"]


def test_rows_that_an_earlier_version_has_loaded_have_none() -> None:
    assert facts_of({"loaded_at": None}).statistics == {}
    assert from_json(None) == from_json("") == {}


def test_what_is_kept_is_read_back() -> None:
    told = {"a": Statistic(1, 2.5, 3), "b": Statistic("x", "y", 0, ("x", True)), "c": Statistic(None, None, 0, ())}
    assert from_json(to_json(told)) == told
    assert len({Facts(statistics=told), Facts(statistics=told)}) == 1


def test_a_few_values_more_than_are_kept(filled: Callable[..., tuple[Engine, list[Table]]]) -> None:
    def with_values(count: int) -> Statistic:
        made = rows(1).set_column(2, "whole", pa.array([n % count for n in range(ROWS)], pa.int64()))
        engine, (table, _) = filled(made)
        facts = engine.facts(table)
        assert facts is not None
        return facts.statistics["whole"]

    assert with_values(FEW).values == tuple(range(FEW))
    assert with_values(FEW + 1) == Statistic(0, FEW, 0, None)

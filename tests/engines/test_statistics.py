"""Column statistics of a load agree with the rows, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.engines.conftest import ENGINE_NAMES, create_engine, get_engine_url
from vo_server.catalogue.load import load_catalogue
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.engines import open_sink
from vo_server.engines.data_directory import DataDirectory
from vo_server.engines.engine import Engine, TableFacts, parse_facts
from vo_server.load.load import load
from vo_server.load.statistics import MAX_VALUES
from vo_server.model.column import Table
from vo_server.model.statistics import Statistic, for_view, from_json, to_json

MIXED_TABLE = """
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


def make_rows(seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    gaps = rng.random(ROWS) < 0.1
    return pa.table(
        {
            "ra": rng.uniform(0, 360, ROWS),
            "dec": rng.uniform(-90, 90, ROWS),
            "whole": pa.array(rng.integers(-(2**60), 2**60, ROWS), mask=gaps),
            "single": pa.array(rng.normal(size=ROWS).astype("f4"), mask=gaps),
            "few": pa.array(rng.choice(["a", "b", "ç"], ROWS), mask=gaps),
            "many": [f"star {n}" for n in range(ROWS)],
            "truth": pa.array(rng.random(ROWS) < 0.5, mask=gaps),
            "day": pa.array(rng.integers(0, 20_000, ROWS).astype("i4")).cast(pa.date32()),
            "instant": pa.array(rng.integers(0, 10**15, ROWS)).cast(pa.timestamp("us")),
            "row": pa.array([[1.0, float(n)] if n % 3 else None for n in range(ROWS)]),
            "none": pa.nulls(ROWS, pa.int32()),
        }
    )


@pytest.fixture(params=ENGINE_NAMES)
def load_mixed(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., tuple[Engine, list[Table]]]:
    url = get_engine_url(request)

    def load_tables(*tables: pa.Table) -> tuple[Engine, list[Table]]:
        (tmp_path / "mixed.toml").write_text(MIXED_TABLE)
        catalogue, store = add_tap_schema(load_catalogue([tmp_path / "mixed.toml"])), DataDirectory(tmp_path / "data")
        for number, table in enumerate(tables):
            pq.write_table(table, tmp_path / "t.parquet")
            collection = catalogue.get_collection("mixed")
            load(collection, [tmp_path / "t.parquet"], store, sink=open_sink(url), append=number > 0)
        engine = create_engine(url, store, catalogue)
        request.addfinalizer(engine.close)
        return engine, [t for t in catalogue.tables if t.schema == "sky"]

    return load_tables


@pytest.mark.parametrize("parts", [1, 2])
def test_statistics_agree_with_rows(load_mixed: Callable[..., tuple[Engine, list[Table]]], parts: int) -> None:
    """Statistics agree with all rows, also after an append."""
    tables = [make_rows(seed) for seed in range(parts)]
    all_rows = pa.concat_tables(tables)
    engine, (table, view) = load_mixed(*tables)
    facts = engine.get_facts(table)
    assert facts is not None
    statistics = facts.statistics
    assert list(statistics) == all_rows.column_names
    assert {name: each.nulls for name, each in statistics.items()} == {
        n: all_rows[n].null_count for n in all_rows.column_names
    }
    for name in ("ra", "dec", "whole", "day", "instant"):
        ends = pc.min_max(all_rows[name]).as_py()
        expected = {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in ends.items()}
        assert (statistics[name].low, statistics[name].high, statistics[name].values) == (
            expected["min"],
            expected["max"],
            None,
        )
    low, high = statistics["single"].low, statistics["single"].high
    assert (np.float32(low), np.float32(high)) == tuple(pc.min_max(all_rows["single"]).as_py().values())
    assert statistics["few"] == Statistic(None, None, all_rows["few"].null_count, ("a", "b", "ç"))
    assert statistics["truth"].values == (False, True)
    assert statistics["many"].values is None
    assert statistics["none"] == Statistic(None, None, ROWS * parts, ())
    assert for_view(view, statistics)["number"] == statistics["whole"]


def test_rows_of_older_version_have_no_statistics() -> None:
    assert parse_facts({"loaded_at": None}).statistics == {}
    assert from_json(None) == from_json("") == {}


def test_statistics_round_trip_through_json() -> None:
    texts = Statistic("x", "y", 0, ("x", True))
    statistics = {"a": Statistic(1, 2.5, 3), "b": texts, "c": Statistic(None, None, 0, ())}
    assert from_json(to_json(statistics)) == statistics
    assert len({TableFacts(statistics=statistics), TableFacts(statistics=statistics)}) == 1


def test_values_are_dropped_above_limit(load_mixed: Callable[..., tuple[Engine, list[Table]]]) -> None:
    def load_values(count: int) -> Statistic:
        table = make_rows(1).set_column(2, "whole", pa.array([n % count for n in range(ROWS)], pa.int64()))
        engine, (published, _) = load_mixed(table)
        facts = engine.get_facts(published)
        assert facts is not None
        return facts.statistics["whole"]

    assert load_values(MAX_VALUES).values == tuple(range(MAX_VALUES))
    assert load_values(MAX_VALUES + 1) == Statistic(0, MAX_VALUES, 0, None)

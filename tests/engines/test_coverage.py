"""Where rows lie is known of every loaded table, and is the same on every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import astropy.units as u
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mocpy import MOC

from tests.engines.conftest import ENGINES, World
from vo_server.catalogue.load import load_catalogue
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.engines.engine import Engine
from vo_server.engines.generations import current
from vo_server.engines.links import Link
from vo_server.engines.store import Store
from vo_server.load.load import load
from vo_server.load.sinks import sink
from vo_server.model.column import Table


@pytest.mark.parametrize("name", ["stars", "spots"])
def test_the_map_is_that_of_the_rows(world: World, name: str) -> None:
    """600 stars and 40 spots are too few for any even map, so theirs are the cells of order 6 of the single rows."""
    rows = getattr(world, name)
    table = next(t for t in world.catalogue.tables if t.name == name)
    ra, dec = (np.array(rows[c]) * u.deg for c in ("ra", "dec"))
    assert MOC.from_string(world.engine.facts(table).coverage) == MOC.from_lonlat(ra, dec, max_norder=6)


def test_a_view_lies_where_its_table_does(world: World) -> None:
    found = {t.qualified: world.engine.facts(t) for t in world.catalogue.tables}
    assert found["sky.fp_stars"] == found["sky.stars"]


def test_what_has_no_position_has_no_map(world: World) -> None:
    assert {world.engine.facts(t) for t in world.catalogue.tables if t.schema == "tap_schema"} == {None}


PLAIN = """
id = "plain"
[schema]
name = "sky"
[table]
name = "plain"
{more}
[columns.n]
type = "INTEGER"
description = "A number."
nullable = false
[columns.ra]
type = "DOUBLE PRECISION"
description = "Right ascension."
nullable = false
[columns.dec]
type = "DOUBLE PRECISION"
description = "Declination."
nullable = false
[origin]
title = "Plain"
publisher = "Nobody"
"""


@pytest.fixture(params=ENGINES)
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., tuple[Engine, Table, str]]:
    """Three rows in a table of their own, whose description may say more; the engine, the table and the database."""
    url = request.getfixturevalue("postgresql") if request.param == "postgres" else ""

    def fill(more: str = "") -> tuple[Engine, Table, str]:
        (tmp_path / "plain.toml").write_text(PLAIN.format(more=more))
        catalogue, store = with_tap_schema(load_catalogue([tmp_path / "plain.toml"])), Store(tmp_path / "data")
        pq.write_table(
            pa.table({"n": [1, 2, 3], "ra": [1.0, 2.0, 3.0], "dec": [1.0, 2.0, 3.0]}), tmp_path / "n.parquet"
        )
        load(catalogue.collection("plain"), [tmp_path / "n.parquet"], store, sink=sink(url))
        engine = ENGINES[request.param](store, catalogue, url)
        request.addfinalizer(engine.close)
        return engine, catalogue.find([("plain", False)])[0], url or str(store.current("plain"))

    return fill


def test_rows_without_a_position(filled: Callable[..., tuple[Engine, Table, str]]) -> None:
    engine, table, _ = filled()
    assert (engine.rows(table), engine.facts(table).coverage) == (3, None)


def test_rows_that_an_earlier_version_has_loaded(filled: Callable[..., tuple[Engine, Table, str]]) -> None:
    engine, table, place = filled('position = { ra = "ra", dec = "dec" }')
    if place.startswith("postgresql"):
        link = Link(place, {})
        for name in ("coverage", "extent"):
            link.tell(f"ALTER TABLE {current(link)['plain'].schema}.meta DROP COLUMN {name}")
        link.close()
    else:
        with duckdb.connect(place) as file:
            for name in ("coverage", "extent"):
                file.execute(f"ALTER TABLE meta DROP COLUMN {name}")
    facts = engine.facts(table)
    assert (engine.rows(table), facts.coverage, facts.times) == (3, None, ())
    assert facts.loaded_at is not None

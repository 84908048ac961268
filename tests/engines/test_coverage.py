"""The sky coverage of every loaded table is known, and the same on every engine."""

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

from tests.engines.conftest import ENGINE_NAMES, World, create_engine, get_engine_url
from vo_server.catalogue.load import load_catalogue
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.engines import open_sink
from vo_server.engines.data_directory import DataDirectory
from vo_server.engines.engine import Engine
from vo_server.engines.postgres_connections import Connection
from vo_server.engines.postgres_generations import read_served
from vo_server.load.load import load
from vo_server.model.column import Table


@pytest.mark.parametrize("name", ["stars", "spots"])
def test_coverage_agrees_with_rows(world: World, name: str) -> None:
    """600 stars and 40 spots are too few for a contiguous coverage: it is the cells of order 6 of the single rows."""
    rows = getattr(world, name)
    table = next(t for t in world.catalogue.tables if t.name == name)
    ra, dec = (np.array(rows[c]) * u.deg for c in ("ra", "dec"))
    assert MOC.from_string(world.engine.get_facts(table).coverage) == MOC.from_lonlat(ra, dec, max_norder=6)


def test_view_has_coverage_of_its_table(world: World) -> None:
    facts = {t.qualified_name: world.engine.get_facts(t) for t in world.catalogue.tables}
    assert facts["sky.fp_stars"] == facts["sky.stars"]


def test_tap_schema_has_no_coverage(world: World) -> None:
    assert {world.engine.get_facts(t) for t in world.catalogue.tables if t.schema == "tap_schema"} == {None}


PLAIN_TABLE = """
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


@pytest.fixture(params=ENGINE_NAMES)
def load_plain(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., tuple[Engine, Table, str]]:
    """Return a function that loads three rows and returns engine, table, and the URL or file of the database."""
    url = get_engine_url(request)

    def load_rows(settings: str = "") -> tuple[Engine, Table, str]:
        (tmp_path / "plain.toml").write_text(PLAIN_TABLE.format(more=settings))
        catalogue, store = add_tap_schema(load_catalogue([tmp_path / "plain.toml"])), DataDirectory(tmp_path / "data")
        pq.write_table(
            pa.table({"n": [1, 2, 3], "ra": [1.0, 2.0, 3.0], "dec": [1.0, 2.0, 3.0]}), tmp_path / "n.parquet"
        )
        load(catalogue.get_collection("plain"), [tmp_path / "n.parquet"], store, sink=open_sink(url))
        engine = create_engine(url, store, catalogue)
        request.addfinalizer(engine.close)
        return engine, catalogue.find_tables([("plain", False)])[0], url or str(store.find_current_file("plain"))

    return load_rows


def test_rows_without_position_have_no_coverage(load_plain: Callable[..., tuple[Engine, Table, str]]) -> None:
    engine, table, _ = load_plain()
    assert (engine.count_rows(table), engine.get_facts(table).coverage) == (3, None)


def test_rows_of_older_version_have_no_coverage(load_plain: Callable[..., tuple[Engine, Table, str]]) -> None:
    engine, table, database = load_plain('position = { ra = "ra", dec = "dec" }')
    if database.startswith("postgresql"):
        connection = Connection(database, {})
        for name in ("coverage", "extent"):
            connection.execute(f"ALTER TABLE {read_served(connection)['plain'].schema}.meta DROP COLUMN {name}")
        connection.close()
    else:
        with duckdb.connect(database) as file:
            for name in ("coverage", "extent"):
                file.execute(f"ALTER TABLE meta DROP COLUMN {name}")
    facts = engine.get_facts(table)
    assert (engine.count_rows(table), facts.coverage, facts.times) == (3, None, ())
    assert facts.loaded_at is not None

"""Images are found by their names through an index, with little memory without it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from vo_server.app import catalogue_of, site_of
from vo_server.engines.store import Store
from vo_server.obscore.query import Row
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import looked_up
from vo_server.settings import Settings


@pytest.mark.parametrize(("id", "indexed"), [("atlas", ["[image]"]), ("stamps", ["[stamp]"]), ("psc", [])])
def test_image_collections_have_an_index_of_names(sky: Path, id: str, indexed: list[str]) -> None:
    path = Store(sky).current(id)
    assert path is not None
    with duckdb.connect(str(path), read_only=True) as link:
        assert [found for (found,) in link.execute("SELECT expressions FROM duckdb_indexes()").fetchall()] == indexed


@pytest.mark.parametrize("memory", ["4GB", "64MB"])
def test_every_image_is_found_by_its_name(sky: Path, memory: str) -> None:
    site = site_of(Settings(data=sky, memory=memory))
    row = Row(catalogue_of(Settings()).collection("atlas"), "image")
    try:
        known = looked_up(site, row, (row.name, row.field("path")), None)
        assert len(known) == 18
        for name, path in known:
            assert looked_up(site, row, (row.field("path"),), parameters.among(row.name, [name])) == [(path,)]
        assert len(looked_up(site, row, (row.name,), parameters.among(row.name, [name for name, _ in known[:7]]))) == 7
    finally:
        site.engine.close()
        site.jobs.store.close()

"""Images are found by their names through an index, with little memory without it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from vo_server.assembly import load_site_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.obscore.query import InventoryRow
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import fetch_images
from vo_server.settings import Settings
from vo_server.site import open_site


@pytest.mark.parametrize(("id", "indexed"), [("atlas", ["[image]"]), ("stamps", ["[stamp]"]), ("psc", [])])
def test_image_collections_have_index_of_names(sky: Path, id: str, indexed: list[str]) -> None:
    path = DataDirectory(sky).find_current_file(id)
    assert path is not None
    with duckdb.connect(str(path), read_only=True) as link:
        assert [found for (found,) in link.execute("SELECT expressions FROM duckdb_indexes()").fetchall()] == indexed


@pytest.mark.parametrize("memory", ["4GB", "64MB"])
def test_finds_every_image_by_name(sky: Path, memory: str) -> None:
    site = open_site(Settings(data=sky, memory=memory))
    row = InventoryRow(load_site_catalogue(Settings()).get_collection("atlas"), "image")
    try:
        known = fetch_images(site, row, (row.name, row.column("path")), None)
        assert len(known) == 18
        for name, path in known:
            assert fetch_images(site, row, (row.column("path"),), parameters.equals_any(row.name, [name])) == [(path,)]
        assert (
            len(fetch_images(site, row, (row.name,), parameters.equals_any(row.name, [name for name, _ in known[:7]])))
            == 7
        )
    finally:
        site.engine.close()
        site.jobs.store.close()

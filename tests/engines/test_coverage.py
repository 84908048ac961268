"""Where rows lie is known of every loaded table, and is the same on every engine."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from mocpy import MOC

from tests.engines.conftest import World


@pytest.mark.parametrize("name", ["stars", "spots"])
def test_the_map_is_that_of_the_rows(world: World, name: str) -> None:
    """600 stars and 40 spots are too few for any even map, so theirs are the cells of order 6 of the single rows."""
    rows = getattr(world, name)
    table = next(t for t in world.catalogue.tables if t.name == name)
    ra, dec = (np.array(rows[c]) * u.deg for c in ("ra", "dec"))
    assert MOC.from_string(world.engine.coverage(table)) == MOC.from_lonlat(ra, dec, max_norder=6)


def test_a_view_lies_where_its_table_does(world: World) -> None:
    found = {t.qualified: world.engine.coverage(t) for t in world.catalogue.tables}
    assert found["sky.fp_stars"] == found["sky.stars"]


def test_what_has_no_position_has_no_map(world: World) -> None:
    assert {world.engine.coverage(t) for t in world.catalogue.tables if t.schema == "tap_schema"} == {None}

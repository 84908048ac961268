"""IN_UNIT and the user-defined functions of the IVOA catalogue."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("column", "unit", "number"), [("ra", "arcsec", 3600.0), ("x", "deg", 1 / 3600), ("mag", "mmag", 1000.0)]
)
def test_in_unit(world: Any, column: str, unit: str, number: float) -> None:
    got = world.values(f"SELECT IN_UNIT({column}, '{unit}') FROM sky.stars ORDER BY id")
    wanted = [None if v is None else v * number for v in world.stars[column]]
    assert got == [None if w is None else pytest.approx(w, rel=1e-15) for w in wanted]


def test_in_unit_says_the_new_unit_and_keeps_the_ucd(world: Any) -> None:
    (column, same) = world.query("SELECT IN_UNIT(ra, 'rad'), IN_UNIT(mag, 'mag') AS m FROM sky.stars").columns
    assert (column.unit, column.ucd, column.type.name) == ("rad", "pos.eq.ra", "DOUBLE PRECISION")
    assert (same.unit, same.ucd, same.type.name) == ("mag", "phot.mag;em.IR.J", "REAL")


def test_in_unit_in_a_group(world: Any) -> None:
    rows = world.ask(
        "SELECT FLOOR(IN_UNIT(ra, 'arcmin')), COUNT(*) FROM sky.stars GROUP BY FLOOR(IN_UNIT(ra, 'arcmin'))"
    )
    assert sum(n for _, n in rows) == len(world.stars["ra"])

"""Units and UCDs of computed values: always VOUnits and UCD1+."""

from __future__ import annotations

import itertools
from pathlib import Path

import astropy.units as u
import pytest

from tests.shipped import SHIPPED
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics import units
from vo_server.adql.semantics.udfs import UDF_FORMS
from vo_server.model.column import Column
from vo_server.model.types import POINT, VARCHAR
from vo_server.sky.frames import FRAMES

WORDS = Path(__file__).resolve().parents[3].parent / "shared/standards/vocab/ucd-list.txt"
COLUMNS = [c for t in SHIPPED.tables for c in t.columns]
UNITS = sorted({c.unit for c in COLUMNS if c.unit})
UCDS = sorted({c.ucd for c in COLUMNS if c.ucd})


def letters() -> dict[str, str]:
    if not WORDS.is_file():
        pytest.skip(f"the list of UCDs is not at {WORDS}")
    rows = [line.split("|") for line in WORDS.read_text().splitlines() if line[1:3] == " |"]
    return {word.strip(): letter.strip() for letter, word, _ in rows}


def check_ucd(ucd: str | None, known: dict[str, str]) -> None:
    """UCD1+ 1.5 section 4: which words may come first and which after."""
    if ucd is not None:
        first, *rest = ucd.split(";")
        assert known[first] in "PQEVC", ucd
        assert all(known[word] in "SQEVC" for word in rest), ucd


@pytest.mark.parametrize("rule", [units.sum_unit, units.product_unit, units.quotient_unit])
def test_units_are_vounits(rule: object) -> None:
    for a, b in itertools.product([*UNITS, None], repeat=2):
        unit = rule(a, b)  # type: ignore[operator]
        if unit is not None and "%" not in unit:
            u.Unit(unit, format="vounit")


def test_units() -> None:
    assert units.sum_unit("mag", "mag") == "mag"
    assert units.sum_unit("mag", None) is None
    assert units.product_unit("deg", None) == "deg"
    assert units.product_unit("deg", "adu") == "deg.adu"
    assert units.quotient_unit("deg", "d") == "deg/d"
    assert units.quotient_unit("deg", "deg") is None
    assert units.quotient_unit(None, "deg") is None
    assert (units.power_unit("deg", 2), units.power_unit("deg", -1), units.power_unit("deg", 1)) == (
        *("deg**2", "deg**-1", "deg"),
    )
    assert [units.power_unit(*x) for x in (("deg", 0.5), ("deg", 0), ("deg**2", 2), (None, 2))] == [None] * 4
    assert (units.root_unit("deg**2"), units.root_unit("deg"), units.root_unit(None)) == ("deg", None, None)
    assert units.quotient_unit("mag.arcsec**-2", "deg") is None


def test_ucds_are_valid() -> None:
    known = letters()
    sound = [x for x in UCDS if all(word in known for word in x.split(";"))]
    assert len(sound) > 40
    for a, b in itertools.product([*sound, None], repeat=2):
        for operator in "+-":
            check_ucd(units.sum_ucd(operator, a, b), known)
    for ucd in sound:
        check_ucd(units.without_main(ucd), known)
        for word in ("stat.mean", "stat.min", "stat.max"):
            check_ucd(units.statistic_ucd(word, ucd), known)


@pytest.mark.parametrize("frame", FRAMES)
def test_ucds_of_user_defined_functions_are_valid(frame: str) -> None:
    known = letters()
    name, position = Column("", VARCHAR, ucd="meta.id;meta.main"), Column("", POINT, unit="deg", ucd="pos.eq")
    for function in UDF_FORMS:
        shaped = function.name == "ivo_geom_transform"
        given = [frame, frame, None] if shaped else [None, None, None]
        values = tuple(q.Constant(v, position if n == 2 else name) for n, v in enumerate(given))
        column = function.result(values)
        check_ucd(column.ucd, known)
        if column.unit:
            u.Unit(column.unit, format="vounit")


def test_ucds() -> None:
    j, k = "phot.mag;em.IR.J", "phot.mag;em.IR.K"
    assert units.sum_ucd("-", j, k) == "phot.color;em.IR.J;em.IR.K"
    assert units.sum_ucd("+", j, k) is None
    assert units.sum_ucd("-", j, j) == "phot.mag;em.IR.J;arith.diff"
    assert units.sum_ucd("-", "pos.eq.ra;meta.main", "pos.eq.ra") == "pos.eq.ra;arith.diff"
    assert units.sum_ucd("-", None, j) is None
    assert units.statistic_ucd("stat.max", "pos.eq.ra;meta.main") == "pos.eq.ra;stat.max"
    assert units.statistic_ucd("stat.max", None) is None

"""STILTS, the field's own tool, as a client and as an examiner. Each run starts a Java machine: few of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.stilts

Stilts = Callable[..., str]

STAGES = "TMV TME TMS TMC CPV CAP AVV QGE QPO QAS UWS MDQ OBS UPL EXA"

ACCEPTED = {
    "W-CAP-CULF": "taplint knows two kinds of language features only; those of ADQL 2.1 are new to it",
}
"""Warnings of taplint that are let stand, and why."""


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.slow
def test_taplint_finds_nothing(server: Any, stilts: Stilts) -> None:
    said = stilts("taplint", f"tapurl={server.url}/tap", f"stages={STAGES}", "report=EWF", "maxtable=20")
    assert re.search(r"^Totals: Errors: 0; ", said, re.M), said
    reports = re.findall(r"^([EWF]-\w{3}-\w{4})", said, re.M)
    assert {report for report in reports if report not in ACCEPTED} == set(), said
    assert set(ACCEPTED) <= set(reports), "a warning that is not given any more need not be accepted"
    assert len(re.findall(r"^Section ", said, re.M)) == len(STAGES.split())


def test_tapquery(server: Any, ask: Any, stilts: Stilts) -> None:
    query = 'SELECT TOP 40 designation, ra, j_m, ph_qual, pts_key, "date" FROM twomass.psc ORDER BY pts_key'
    said = stilts("tapquery", "sync=true", f"tapurl={server.url}/tap", f"adql={query}", "ofmt=csv", "out=-")
    got, wanted = rows(said), rows(ask(query, RESPONSEFORMAT="csv").text)
    assert len(got) == 40
    assert list(got[0]) == ["designation", "ra", "j_m", "ph_qual", "pts_key", "date"]
    for mine, theirs in zip(got, wanted, strict=True):
        assert mine == theirs | {"j_m": mine["j_m"]}
        assert mine["j_m"] == theirs["j_m"] or float(mine["j_m"]) == pytest.approx(float(theirs["j_m"]), rel=1e-6)


def test_cone(server: Any, stilts: Stilts) -> None:
    words = ("lon=0.2", "lat=-88", "radius=10", "verb=1", "ofmt=csv", "out=-")
    got = rows(stilts("cone", f"serviceurl={server.url}/cone/psc", "servicetype=cone", *words))
    plain = {"RA": "0.2", "DEC": "-88", "SR": "10", "VERB": "1", "RESPONSEFORMAT": "csv"}
    wanted = rows(httpx.get(f"{server.url}/cone/psc", params=plain).text)
    assert len(wanted) > 20
    assert [row["designation"] for row in got] == [row["designation"] for row in wanted]


def test_many_cones_at_once(server: Any, ask: Any, stilts: Stilts, tmp_path: Path) -> None:
    """A cone a row, five under way at a time: each finds the star that it is centred on."""
    stars = tmp_path / "stars.vot"
    stars.write_bytes(ask("SELECT TOP 60 designation AS name, ra, dec FROM psc ORDER BY pts_key").content)
    said = stilts(
        *("coneskymatch", f"in={stars}", "ra=ra", "dec=dec", "sr=0.001", "find=best", "parallel=5"),
        *(f"serviceurl={server.url}/cone/psc", "servicetype=cone", "verb=1", "ofmt=csv", "out=-"),
    )
    got = rows(said)
    assert len(got) == 60
    assert all(row["name"] == row["designation"] for row in got)


CONE = {"RA": "266.4", "DEC": "-29", "SR": "3"}
ANSWERS: dict[str, tuple[str, dict[str, str]]] = {
    **{
        f"query in {kind}": ("tap/sync", {"QUERY": "SELECT TOP 9 * FROM psc", "RESPONSEFORMAT": f"votable/{kind}"})
        for kind in ("td", "b", "b2")
    },
    "galaxies": ("tap/sync", {"QUERY": "SELECT TOP 3 * FROM xsc"}),
    "expressions": (
        "tap/sync",
        {"QUERY": "SELECT TOP 3 POINT(ra, dec) AS p, j_m - k_m AS jk, COUNT(*) AS n, 'a&<' || designation"
         " FROM psc GROUP BY ra, dec, j_m, k_m, designation"},
    ),
    "metadata": ("tap/sync", {"QUERY": "SELECT * FROM psc", "MAXREC": "0"}),
    "overflow": ("tap/sync", {"QUERY": "SELECT * FROM psc", "MAXREC": "5"}),
    "no rows": ("tap/sync", {"QUERY": "SELECT * FROM psc WHERE ra < 0"}),
    "columns": ("tap/sync", {"QUERY": "SELECT * FROM tap_schema.columns"}),
    "error": ("tap/sync", {"QUERY": "SELECT\n<a> FROM psc"}),
    "cone": ("cone/psc", CONE | {"VERB": "3"}),
    "cone in BINARY2": ("cone/psc", CONE | {"RESPONSEFORMAT": "votable/b2"}),
    "cone of galaxies": ("cone/xsc", CONE | {"SR": "20"}),
    "cone without radius": ("cone/psc", CONE | {"SR": "0"}),
    "cone that is cut": ("cone/psc", CONE | {"MAXREC": "1"}),
    "error of a cone": ("cone/psc", {"RA": "x"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_votlint(client: httpx.Client, stilts: Stilts, tmp_path: Path, name: str) -> None:
    """votlint has nothing to say but what single characters are."""
    path, parameters = ANSWERS[name]
    (tmp_path / "answer.vot").write_bytes(client.get(f"/{path}", params=parameters | {"LANG": "ADQL"}).content)
    said = stilts("votlint", str(tmp_path / "answer.vot")).splitlines()
    assert [line for line in said if "FIELD implies single character" not in line] == []

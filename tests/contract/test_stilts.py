"""STILTS as a client and as a validator. Each run starts a Java virtual machine, so runs are few."""

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

ACCEPTED_WARNINGS = {
    "W-CAP-CULF": "taplint knows two kinds of language features only; those of ADQL 2.1 are new to it",
}
"""Accepted warnings of taplint, each with its reason."""


def parse_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.slow
def test_taplint(server: Any, stilts: Stilts) -> None:
    output = stilts("taplint", f"tapurl={server.url}/tap", f"stages={STAGES}", "report=EWF", "maxtable=20")
    assert re.search(r"^Totals: Errors: 0; ", output, re.M), output
    reports = re.findall(r"^([EWF]-\w{3}-\w{4})", output, re.M)
    assert {report for report in reports if report not in ACCEPTED_WARNINGS} == set(), output
    assert set(ACCEPTED_WARNINGS) <= set(reports), "an accepted warning no longer occurs"
    assert len(re.findall(r"^Section ", output, re.M)) == len(STAGES.split())


def test_tapquery(server: Any, ask: Any, stilts: Stilts) -> None:
    query = 'SELECT TOP 40 designation, ra, j_m, ph_qual, pts_key, "date" FROM twomass.psc ORDER BY pts_key'
    output = stilts("tapquery", "sync=true", f"tapurl={server.url}/tap", f"adql={query}", "ofmt=csv", "out=-")
    rows, expected = parse_csv(output), parse_csv(ask(query, RESPONSEFORMAT="csv").text)
    assert len(rows) == 40
    assert list(rows[0]) == ["designation", "ra", "j_m", "ph_qual", "pts_key", "date"]
    for row, expected_row in zip(rows, expected, strict=True):
        assert row == expected_row | {"j_m": row["j_m"]}
        assert row["j_m"] == expected_row["j_m"] or float(row["j_m"]) == pytest.approx(
            float(expected_row["j_m"]), rel=1e-6
        )


def test_cone(server: Any, stilts: Stilts) -> None:
    arguments = ("lon=0.2", "lat=-88", "radius=10", "verb=1", "ofmt=csv", "out=-")
    rows = parse_csv(stilts("cone", f"serviceurl={server.url}/cone/psc", "servicetype=cone", *arguments))
    parameters = {"RA": "0.2", "DEC": "-88", "SR": "10", "VERB": "1", "RESPONSEFORMAT": "csv"}
    expected = parse_csv(httpx.get(f"{server.url}/cone/psc", params=parameters).text)
    assert len(expected) > 20
    assert [row["designation"] for row in rows] == [row["designation"] for row in expected]


def test_parallel_cones(server: Any, ask: Any, stilts: Stilts, tmp_path: Path) -> None:
    """One cone for each row, five at a time: each finds the star at its centre."""
    stars = tmp_path / "stars.vot"
    stars.write_bytes(ask("SELECT TOP 60 designation AS name, ra, dec FROM psc ORDER BY pts_key").content)
    output = stilts(
        *("coneskymatch", f"in={stars}", "ra=ra", "dec=dec", "sr=0.001", "find=best", "parallel=5"),
        *(f"serviceurl={server.url}/cone/psc", "servicetype=cone", "verb=1", "ofmt=csv", "out=-"),
    )
    rows = parse_csv(output)
    assert len(rows) == 60
    assert all(row["name"] == row["designation"] for row in rows)


CONE = {"RA": "266.4", "DEC": "-29", "SR": "3"}
RESPONSES: dict[str, tuple[str, dict[str, str]]] = {
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


@pytest.mark.parametrize("name", RESPONSES)
def test_votlint(client: httpx.Client, stilts: Stilts, tmp_path: Path, name: str) -> None:
    """votlint reports nothing but single characters without arraysize."""
    path, parameters = RESPONSES[name]
    (tmp_path / "answer.vot").write_bytes(client.get(f"/{path}", params=parameters | {"LANG": "ADQL"}).content)
    output = stilts("votlint", str(tmp_path / "answer.vot")).splitlines()
    assert [line for line in output if "FIELD implies single character" not in line] == []

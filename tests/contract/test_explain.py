"""/tap/explain: explanations compared with the answers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cdshealpix.nested
import httpx
import numpy as np
import pytest
from astropy.coordinates import Latitude, Longitude
from astropy.table import Table
from lxml import html

from vo_server.errors import Code

Ask = Callable[..., httpx.Response]

CONE = "SELECT ra, dec, k_m FROM twomass.psc AS p WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(266.4, -29, 5))"
JOIN = (
    "SELECT p.ra, x.ra AS xra FROM twomass.psc AS p JOIN twomass.xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01"
)
INVALID_QUERY = "SELECT ra,\n  decx FROM twomass.psc"


@pytest.fixture(scope="module")
def explain(client: httpx.Client) -> Callable[..., dict[str, Any]]:
    def explain(query: str, **parameters: str) -> dict[str, Any]:
        answer = client.get("/tap/explain", params={"LANG": "ADQL", "QUERY": query} | parameters)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        document: dict[str, Any] = answer.json()
        return document

    return explain


Explain = Callable[..., dict[str, Any]]


def test_columns_are_those_of_the_answer(explain: Explain, ask: Ask) -> None:
    query = "SELECT TOP 3 designation, j_m - k_m AS jk, POINT(ra, dec) AS p, jdate FROM twomass.psc"
    answered = ask(query, RESPONSEFORMAT="json").json()["metadata"]
    columns = explain(query)["columns"]
    assert [{n: v for n, v in c.items() if n != "type"} for c in columns] == answered
    assert [c["type"] for c in columns] == ["VARCHAR", "REAL", "POINT", "DOUBLE PRECISION"]


def test_ranges_contain_every_row_of_the_answer(explain: Explain, ask: Ask) -> None:
    (read,) = explain(CONE)["tables"]
    assert (read["table"], read["as"], read["rows"]) == ("twomass.psc", "p", 20_000)
    ranges = np.array(read["index"]["ranges"], dtype=np.uint64)
    rows = Table.read(io.BytesIO(ask(CONE, RESPONSEFORMAT="fits").content), format="fits")
    numbers = cdshealpix.nested.lonlat_to_healpix(Longitude(rows["ra"]), Latitude(rows["dec"]), 29)
    assert len(numbers) > 20
    assert ((numbers[:, None] >= ranges[:, 0]) & (numbers[:, None] <= ranges[:, 1])).any(axis=1).all()
    covered = float((ranges[:, 1] - ranges[:, 0] + 1).sum()) / (12 * 4**29)
    assert read["index"]["sky"] == pytest.approx(covered)
    assert covered > (1 - np.cos(np.radians(5))) / 2
    assert read["index"]["count"] == len(ranges)
    assert read["index"]["all"]


def test_rows_and_bytes_are_estimated(explain: Explain, ask: Ask) -> None:
    for query in ("SELECT TOP 3000 * FROM twomass.psc", "SELECT TOP 3000 designation, ra, j_m FROM twomass.psc"):
        estimate = explain(query)["estimate"]
        assert (estimate["rows"], estimate["most"]) == (3000, 3000)
        for name, size in estimate["bytes"].items():
            actual = len(ask(query, RESPONSEFORMAT=name, headers={"Accept-Encoding": "identity"}).content)
            assert 0.5 < size / actual < 2, (name, size, actual)


def test_maxrec_bounds_the_estimate(explain: Explain) -> None:
    estimate = explain("SELECT ra FROM twomass.psc", MAXREC="7")["estimate"]
    assert (estimate["rows"], estimate["found"], estimate["most"]) == (7, 20_000, 7)
    assert explain("SELECT ra FROM twomass.psc", MAXREC="0")["estimate"]["rows"] == 0
    assert explain("SELECT COUNT(*) AS n FROM twomass.psc")["estimate"]["rows"] == 1


def test_estimate_of_a_cone_follows_its_area(explain: Explain) -> None:
    query = "SELECT ra FROM twomass.psc WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(120, 40, 20))"
    estimate = explain(query)["estimate"]
    evenly = 20_000 * (1 - np.cos(np.radians(20))) / 2
    assert evenly < estimate["rows"] < 2 * evenly
    assert estimate["rows"] == estimate["by_index"] == explain(query)["tables"][0]["index"]["rows"]
    fewer = explain(f"{query} AND k_m < 12")["estimate"]
    assert fewer["rows"] == min(fewer["by_index"], fewer["by_engine"])


def test_lists_joins_through_cells(explain: Explain) -> None:
    document = explain(JOIN)
    (join,) = document["cell_joins"]
    assert (join["spread"], join["with"], join["indexed"]) == ("x", "p", True)
    assert join["width_deg"] >= 2 * 0.01
    assert join["width_deg"] ** 2 * 12 * 4 ** join["order"] == pytest.approx(41252.96, rel=1e-6)
    assert [t["as"] for t in document["tables"]] == ["p", "x"]


def test_shows_plan_and_sql_of_the_engine(explain: Explain) -> None:
    document = explain("SELECT ra FROM twomass.psc WHERE designation <> 'it''s' AND k_m < 12.5")
    assert document["engine"] == "DuckDB"
    assert "'it''s'" in document["sql"] and "12.5" in document["sql"] and "$" not in document["sql"]

    def names(plan: dict[str, Any]) -> list[str]:
        return [plan["step"], *(name for each in plan["inputs"] for name in names(each))]

    assert any("SCAN" in name for name in names(document["plan"]))


def test_an_upload_by_multipart(client: httpx.Client) -> None:
    query = "SELECT t.a, p.ra FROM TAP_UPLOAD.t AS t JOIN twomass.psc AS p ON DISTANCE(t.a, t.d, p.ra, p.dec) < 0.01"
    answer = client.post(
        "/tap/explain",
        data={"QUERY": query, "LANG": "ADQL", "UPLOAD": "t,param:f"},
        files={"f": ("t.csv", b"a,d\n10.5,20.5\n11.5,21.5\n", "text/csv")},
    )
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["tables"][0] == {"table": "TAP_UPLOAD.t", "as": "t", "rows": 2, "index": None}
    assert document["cell_joins"][0]["spread"] == "t"


# ------------------------------------------------------------------ forms


def test_text_format(client: httpx.Client) -> None:
    for asked in ({"params": {"RESPONSEFORMAT": "text"}}, {"headers": {"Accept": "text/plain"}}):
        asked["params"] = {"QUERY": CONE, "LANG": "ADQL"} | asked.get("params", {})
        answer = client.get("/tap/explain", **asked)  # type: ignore[arg-type]
        assert answer.headers["content-type"].startswith("text/plain")
        headings = [line for line in answer.text.splitlines() if line and not line.startswith(" ")]
        assert headings == ["Estimate", "Tables", "Columns (3)", "SQL of DuckDB", "Plan of DuckDB"]
        assert "twomass.psc p: 20,000 rows; " in answer.text


def test_a_browser_gets_a_page(client: httpx.Client) -> None:
    query = CONE + " AND k_m < 12 AND designation <> '<b>&'"
    answer = client.get("/tap/explain", params={"QUERY": query, "LANG": "ADQL"}, headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "text/html"
    assert "<h2>Plan of DuckDB</h2>" in answer.text
    assert "<b>" not in answer.text and "&lt;b&gt;&amp;" in answer.text


def test_the_front_page_has_a_button(client: httpx.Client) -> None:
    """It goes with the format that the form has for rows."""
    forms = html.fromstring(client.get("/").text).forms
    ((form, button),) = ((form, button) for form in forms for button in form.xpath(".//button[@formaction]"))
    path = urlsplit(button.get("formaction")).path
    for name in form.xpath(".//option/@value"):
        fields = dict(form.fields) | {"RESPONSEFORMAT": name}
        answer = client.get(path, params=fields, headers={"Accept": "text/html,application/xhtml+xml"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
        assert "Plan of DuckDB" in answer.text
    fields["RESPONSEFORMAT"] = "nonsense"
    assert client.get(path, params=fields, headers={"Accept": "text/html"}).status_code == 400


def test_head_has_the_type(client: httpx.Client) -> None:
    answer = client.head("/tap/explain", params={"QUERY": CONE, "LANG": "ADQL"})
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "application/json", b"")


@pytest.mark.parametrize("name", ["votable", "csv", "application/fits"])
def test_rejects_table_formats(client: httpx.Client, name: str) -> None:
    answer = client.get("/tap/explain", params={"QUERY": CONE, "LANG": "ADQL", "RESPONSEFORMAT": name})
    assert answer.status_code == 400
    assert answer.json()["code"] == answer.headers["vo-error-code"] == Code.REQUEST_UNSUPPORTED_FORMAT
    assert "json" in answer.json()["hint"]


# ----------------------------------------------------------------- faults


def test_error_has_line_and_column(client: httpx.Client) -> None:
    answer = client.get("/tap/explain", params={"QUERY": INVALID_QUERY, "LANG": "ADQL"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert {name: document[name] for name in ("status", "fault", "code", "message", "hint", "line", "column")} == {
        "status": "ERROR",
        "fault": "UsageFault",
        "code": "ADQL.UNKNOWN_COLUMN",
        "message": "no column decx",
        "hint": "did you mean dec?",
        "line": 2,
        "column": 3,
    }


def test_error_in_text_has_a_caret(client: httpx.Client) -> None:
    answer = client.get("/tap/explain", params={"QUERY": INVALID_QUERY, "LANG": "ADQL", "RESPONSEFORMAT": "text"})
    assert answer.status_code == 400
    lines = answer.text.splitlines()
    assert lines[lines.index("  decx FROM twomass.psc") + 1] == "  ^^^^"
    assert {"ERROR_CODE: ADQL.UNKNOWN_COLUMN", "ERROR_LINE: 2", "ERROR_COLUMN: 3"} <= set(lines)
    assert any(line.startswith("request_id: ") for line in lines)


@pytest.mark.parametrize("given", [{}, {"QUERY": CONE, "LANG": "SQL"}, {"QUERY": CONE, "MAXREC": "-1"}])
def test_parameters_are_those_of_sync(client: httpx.Client, given: dict[str, str]) -> None:
    answer, there = (client.get(path, params=given) for path in ("/tap/explain", "/tap/sync"))
    assert (answer.status_code, there.status_code) == (400, 400)
    assert answer.headers["vo-error-code"] == there.headers["vo-error-code"]
    assert answer.json()["message"] in there.text.replace("&apos;", "'")


def test_table_that_is_not_loaded(tmp_path: Path, listening: Callable[..., Any]) -> None:
    from vo_server.settings import Settings

    with listening(Settings(data=tmp_path)) as url:
        answer = httpx.get(f"{url}/tap/explain", params={"QUERY": CONE, "LANG": "ADQL"})
    assert answer.status_code == 400
    assert answer.json()["code"] == Code.QUERY_NOT_LOADED

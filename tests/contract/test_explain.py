"""/tap/explain: explanations compared with results."""

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
        response = client.get("/tap/explain", params={"LANG": "ADQL", "QUERY": query} | parameters)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        document: dict[str, Any] = response.json()
        return document

    return explain


Explain = Callable[..., dict[str, Any]]


def test_columns_agree_with_result(explain: Explain, ask: Ask) -> None:
    query = "SELECT TOP 3 designation, j_m - k_m AS jk, POINT(ra, dec) AS p, jdate FROM twomass.psc"
    answered = ask(query, RESPONSEFORMAT="json").json()["metadata"]
    columns = explain(query)["columns"]
    assert [{n: v for n, v in c.items() if n != "type"} for c in columns] == answered
    assert [c["type"] for c in columns] == ["VARCHAR", "REAL", "POINT", "DOUBLE PRECISION"]


def test_ranges_contain_all_rows(explain: Explain, ask: Ask) -> None:
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


def test_upload(client: httpx.Client) -> None:
    query = "SELECT t.a, p.ra FROM TAP_UPLOAD.t AS t JOIN twomass.psc AS p ON DISTANCE(t.a, t.d, p.ra, p.dec) < 0.01"
    response = client.post(
        "/tap/explain",
        data={"QUERY": query, "LANG": "ADQL", "UPLOAD": "t,param:f"},
        files={"f": ("t.csv", b"a,d\n10.5,20.5\n11.5,21.5\n", "text/csv")},
    )
    assert response.status_code == 200, response.text
    document = response.json()
    assert document["tables"][0] == {"table": "TAP_UPLOAD.t", "as": "t", "rows": 2, "index": None}
    assert document["cell_joins"][0]["spread"] == "t"


# ------------------------------------------------------------------ forms


def test_text_format(client: httpx.Client) -> None:
    for request in ({"params": {"RESPONSEFORMAT": "text"}}, {"headers": {"Accept": "text/plain"}}):
        request["params"] = {"QUERY": CONE, "LANG": "ADQL"} | request.get("params", {})
        response = client.get("/tap/explain", **request)  # type: ignore[arg-type]
        assert response.headers["content-type"].startswith("text/plain")
        headings = [line for line in response.text.splitlines() if line and not line.startswith(" ")]
        assert headings == ["Estimate", "Tables", "Columns (3)", "SQL of DuckDB", "Plan of DuckDB"]
        assert "twomass.psc p: 20,000 rows; " in response.text


def test_browser_gets_page(client: httpx.Client) -> None:
    query = CONE + " AND k_m < 12 AND designation <> '<b>&'"
    response = client.get("/tap/explain", params={"QUERY": query, "LANG": "ADQL"}, headers={"Accept": "text/html"})
    assert response.headers["content-type"] == "text/html"
    assert "<h2>Plan of DuckDB</h2>" in response.text
    assert "<b>" not in response.text and "&lt;b&gt;&amp;" in response.text


def test_front_page_has_button(client: httpx.Client) -> None:
    """The button works with any format that the form has for rows."""
    forms = html.fromstring(client.get("/").text).forms
    ((form, button),) = ((form, button) for form in forms for button in form.xpath(".//button[@formaction]"))
    path = urlsplit(button.get("formaction")).path
    for name in form.xpath(".//option/@value"):
        fields = dict(form.fields) | {"RESPONSEFORMAT": name}
        response = client.get(path, params=fields, headers={"Accept": "text/html,application/xhtml+xml"})
        assert (response.status_code, response.headers["content-type"]) == (200, "text/html")
        assert "Plan of DuckDB" in response.text
    fields["RESPONSEFORMAT"] = "nonsense"
    assert client.get(path, params=fields, headers={"Accept": "text/html"}).status_code == 400


def test_head_has_the_type(client: httpx.Client) -> None:
    response = client.head("/tap/explain", params={"QUERY": CONE, "LANG": "ADQL"})
    assert (response.status_code, response.headers["content-type"], response.content) == (200, "application/json", b"")


@pytest.mark.parametrize("name", ["votable", "csv", "application/fits"])
def test_rejects_table_formats(client: httpx.Client, name: str) -> None:
    response = client.get("/tap/explain", params={"QUERY": CONE, "LANG": "ADQL", "RESPONSEFORMAT": name})
    assert response.status_code == 400
    assert response.json()["code"] == response.headers["vo-error-code"] == Code.REQUEST_UNSUPPORTED_FORMAT
    assert "json" in response.json()["hint"]


# ----------------------------------------------------------------- errors


def test_error_has_line_and_column(client: httpx.Client) -> None:
    response = client.get("/tap/explain", params={"QUERY": INVALID_QUERY, "LANG": "ADQL"})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    document = response.json()
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
    response = client.get("/tap/explain", params={"QUERY": INVALID_QUERY, "LANG": "ADQL", "RESPONSEFORMAT": "text"})
    assert response.status_code == 400
    lines = response.text.splitlines()
    assert lines[lines.index("  decx FROM twomass.psc") + 1] == "  ^^^^"
    assert {"ERROR_CODE: ADQL.UNKNOWN_COLUMN", "ERROR_LINE: 2", "ERROR_COLUMN: 3"} <= set(lines)
    assert any(line.startswith("request_id: ") for line in lines)


@pytest.mark.parametrize("parameters", [{}, {"QUERY": CONE, "LANG": "SQL"}, {"QUERY": CONE, "MAXREC": "-1"}])
def test_parameters_are_checked_like_those_of_sync(client: httpx.Client, parameters: dict[str, str]) -> None:
    response, sync_response = (client.get(path, params=parameters) for path in ("/tap/explain", "/tap/sync"))
    assert (response.status_code, sync_response.status_code) == (400, 400)
    assert response.headers["vo-error-code"] == sync_response.headers["vo-error-code"]
    assert response.json()["message"] in sync_response.text.replace("&apos;", "'")


def test_table_that_is_not_loaded(tmp_path: Path, listening: Callable[..., Any]) -> None:
    from vo_server.settings import Settings

    with listening(Settings(data=tmp_path)) as url:
        response = httpx.get(f"{url}/tap/explain", params={"QUERY": CONE, "LANG": "ADQL"})
    assert response.status_code == 400
    assert response.json()["code"] == Code.QUERY_NOT_LOADED

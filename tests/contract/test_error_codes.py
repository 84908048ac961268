"""Every error has one stable code, the same in its document, in its header and in the access log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.clients import until
from vo_server.errors import Code

UNKNOWN_COLUMN = "SELECT nothing FROM psc"

CASES: tuple[tuple[str, dict[str, str], Code], ...] = (
    ("/cone/psc", {}, Code.REQUEST_MISSING_PARAMETER),
    ("/cone/psc", {"RA": "x", "DEC": "0", "SR": "1"}, Code.REQUEST_BAD_PARAMETER),
    ("/cone/psc", {"RA": "1", "DEC": "0", "SR": "1", "VERB": "9"}, Code.REQUEST_BAD_PARAMETER),
    ("/sia1/atlas", {"POS": "x", "SIZE": "1"}, Code.REQUEST_BAD_PARAMETER),
    ("/tap/sync", {"LANG": "ADQL"}, Code.REQUEST_MISSING_PARAMETER),
    ("/tap/sync", {"LANG": "SQL", "QUERY": UNKNOWN_COLUMN}, Code.REQUEST_BAD_PARAMETER),
    ("/tap/sync", {"LANG": "ADQL", "QUERY": "SELECT FROM psc"}, Code.ADQL_SYNTAX),
    ("/tap/sync", {"LANG": "ADQL", "QUERY": UNKNOWN_COLUMN}, Code.ADQL_UNKNOWN_COLUMN),
    ("/tap/sync", {"LANG": "ADQL", "QUERY": UNKNOWN_COLUMN, "RESPONSEFORMAT": "json"}, Code.ADQL_UNKNOWN_COLUMN),
    ("/tap/sync", {"LANG": "ADQL", "QUERY": UNKNOWN_COLUMN, "RESPONSEFORMAT": "toys"}, Code.REQUEST_UNSUPPORTED_FORMAT),
    ("/tap/sync", {"LANG": "ADQL", "QUERY": UNKNOWN_COLUMN, "MAXREC": "-1"}, Code.REQUEST_BAD_PARAMETER),
    ("/tap/sync", {"LANG": "ADQL", "QUERY": UNKNOWN_COLUMN, "UPLOAD": "x"}, Code.UPLOAD_BAD_REFERENCE),
    ("/tap/explain", {"LANG": "ADQL", "QUERY": UNKNOWN_COLUMN}, Code.ADQL_UNKNOWN_COLUMN),
    ("/tap/async/none", {}, Code.JOB_NOT_FOUND),
    ("/tap/tables/none", {}, Code.TABLE_NOT_FOUND),
    ("/tap/tables", {"DETAIL": "some"}, Code.REQUEST_BAD_PARAMETER),
    ("/coverage/none.fits", {}, Code.TABLE_NOT_FOUND),
    ("/table/none", {}, Code.TABLE_NOT_FOUND),
    ("/oai", {"verb": "Sing"}, Code.REQUEST_BAD_PARAMETER),
    ("/oai", {"verb": "GetRecord", "identifier": "ivo://x/y", "metadataPrefix": "oai_dc"}, Code.REQUEST_NOT_FOUND),
    ("/nothing", {}, Code.REQUEST_NOT_FOUND),
)
"""A path, parameters, and the code of the error."""


@pytest.fixture(scope="module")
def server_log(serving: Any, sky: Path) -> Iterator[tuple[httpx.Client, Any]]:
    """Return a client of a server process whose log is JSON lines, and the server."""
    with (
        serving(sky, VO_SERVER_LOG_LEVEL="info", VO_SERVER_LOG_FORMAT="json") as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client, server


@pytest.mark.parametrize(("path", "parameters", "code"), CASES)
def test_error_has_one_code(
    server_log: tuple[httpx.Client, Any], path: str, parameters: dict[str, str], code: Code
) -> None:
    client, server = server_log
    response = client.get(path, params=parameters)
    assert response.headers["vo-error-code"] == code
    assert path == "/oai" or find_code(response) == code  # OAI-PMH has codes of its own in its documents
    assert until(lambda: read_logged_code(server, response.headers["x-request-id"]) == code)


def test_wrong_method_has_code(server_log: tuple[httpx.Client, Any]) -> None:
    client, server = server_log
    response = client.delete("/tap/sync")
    assert (response.status_code, response.headers["vo-error-code"]) == (405, Code.REQUEST_METHOD_NOT_ALLOWED)
    assert find_code(response) == Code.REQUEST_METHOD_NOT_ALLOWED
    logged = Code.REQUEST_METHOD_NOT_ALLOWED
    assert until(lambda: read_logged_code(server, response.headers["x-request-id"]) == logged)


def find_code(response: httpx.Response) -> str | None:
    """Return the code in an error document: of an INFO, of JSON, or of a line of text."""
    if response.headers["content-type"].startswith("application/json"):
        return find_json_code(response.json())
    if response.content.startswith((b"<?xml", b"<VOTABLE")):
        infos = etree.fromstring(response.content).iter("{*}INFO")
        return next((info.get("value") for info in infos if info.get("name") == "ERROR_CODE"), None)
    lines = (line.partition(": ") for line in response.text.splitlines())
    return next((value for name, _, value in lines if name == "ERROR_CODE"), None)


def find_json_code(value: Any) -> str | None:
    if isinstance(value, dict):
        code = value.get("code", value.get("ERROR_CODE"))
        return code if isinstance(code, str) else next(filter(None, map(find_json_code, value.values())), None)
    return next(filter(None, map(find_json_code, value)), None) if isinstance(value, list) else None


def read_logged_code(server: Any, request_id: str) -> str | None:
    """Return the code in the line of the access log with a request's id."""
    lines = [json.loads(line) for line in server.said.splitlines() if line.startswith("{") and request_id in line]
    codes = [line["error_code"] for line in lines if "error_code" in line]
    return codes[-1] if codes else None

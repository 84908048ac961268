"""Errors in the forms of the protocols, with Retry-After and the id of the request."""

from __future__ import annotations

from typing import Any, cast

from lxml import etree
from starlette.requests import Request
from starlette.responses import Response

from vo_server.errors import BusyError
from vo_server.http.access_log import RequestInfo
from vo_server.http.errors import text_error
from vo_server.http.service import Site
from vo_server.protocols import cone
from vo_server.protocols.tap import tap

BUSY = BusyError("the service is busy", hint="repeat the request in 42 s", retry_after_seconds=42)
SITE = cast(Site, None)


def make_request() -> Request:
    return Request({"type": "http", "headers": [], "state": {"info": RequestInfo("id-1")}})


def read_infos(response: Response) -> dict[str, Any]:
    return {i.get("name"): i.get("value") for i in etree.fromstring(bytes(response.body)).iter("{*}INFO")}


def test_busy_error_in_each_form() -> None:
    responses = [
        tap.render_error(make_request(), SITE, BUSY),
        cone.render_error(make_request(), SITE, BUSY),
        text_error(make_request(), BUSY),
    ]
    assert [(f.status_code, f.headers["retry-after"]) for f in responses] == [(503, "42")] * 3
    assert read_infos(responses[0]) == {"request_id": "id-1", "QUERY_STATUS": "ERROR", "ERROR_CODE": "SERVICE.BUSY"}
    assert read_infos(responses[1])["Error"] == "the service is busy (repeat the request in 42 s)"
    assert read_infos(responses[1])["request_id"] == "id-1"
    assert (
        bytes(responses[2].body).decode()
        == "the service is busy (repeat the request in 42 s)\nrequest_id: id-1\nERROR_CODE: SERVICE.BUSY\n"
    )

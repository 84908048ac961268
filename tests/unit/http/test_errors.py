"""Faults in the protocols' own forms, with when to ask again and the id of the request."""

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

BUSY = BusyError("the service is busy", hint="ask again in 42 s", retry_after_seconds=42)
SITE = cast(Site, None)


def request() -> Request:
    return Request({"type": "http", "headers": [], "state": {"info": RequestInfo("id-1")}})


def infos(answer: Response) -> dict[str, Any]:
    return {i.get("name"): i.get("value") for i in etree.fromstring(bytes(answer.body)).iter("{*}INFO")}


def test_busy_in_every_form() -> None:
    forms = [
        tap.render_error(request(), SITE, BUSY),
        cone.render_error(request(), SITE, BUSY),
        text_error(request(), BUSY),
    ]
    assert [(f.status_code, f.headers["retry-after"]) for f in forms] == [(503, "42")] * 3
    assert infos(forms[0]) == {"request_id": "id-1", "QUERY_STATUS": "ERROR", "ERROR_CODE": "SERVICE.BUSY"}
    assert infos(forms[1])["Error"] == "the service is busy (ask again in 42 s)"
    assert infos(forms[1])["request_id"] == "id-1"
    assert (
        bytes(forms[2].body).decode()
        == "the service is busy (ask again in 42 s)\nrequest_id: id-1\nERROR_CODE: SERVICE.BUSY\n"
    )

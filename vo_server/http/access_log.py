"""The access log: the id, the duration and the figures of each request."""

from __future__ import annotations

import hashlib
import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vo_server import logs
from vo_server.http.urls import get_client_address
from vo_server.metrics import Metrics, RequestMetrics
from vo_server.model.result import Info

log = logging.getLogger("vo_server.access")

REQUEST_ID_HEADER = "X-Request-Id"

_RANDOM = random.Random()
"""Needs no system call, which would release the interpreter lock and wait for it among the threads at work."""

_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,99}")


_JOB_ID_PATTERN = re.compile(r"(?i)(?<=/async/)[^/]+")


@dataclass(slots=True)
class RequestInfo:
    """The facts about a request that its log line and the metrics tell.

    `count_rows` is called when the response is complete; `queue` is the admission queue of its query, `query` the query
    text, `runid` the client's name for the request (DALI 1.1 section 3.4.6).
    """

    id: str
    service: str = "none"
    resource: str = ""
    count_rows: Callable[[], int] = int
    queue: str | None = None
    wait_seconds: float = 0.0
    runid: str | None = None
    query: str | None = None
    error_code: str | None = None


def _generate_id() -> str:
    return f"{_RANDOM.getrandbits(64):016x}"


def get_request_info(request: Request) -> RequestInfo:
    """Return the facts about a request, which endpoints fill in."""
    found: RequestInfo = request.state.account
    return found


def describe_request_id(request: Request) -> tuple[Info, ...]:
    """Return the INFO with which a document names its request, so that the operator finds it in the log."""
    return (Info("request_id", get_request_info(request).id),)


class AccessLogMiddleware:
    """Middleware that gives each request an id and, when it is over, writes a log line (level info) and counts it in
    the metrics.

    An id that a proxy has assigned already is used.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        kept = RequestInfo(given if _ID_PATTERN.fullmatch(given) else _generate_id())
        scope.setdefault("state", {})["account"] = kept
        begun, status, size = time.perf_counter(), 500, 0

        async def noted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = kept.id
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        token = logs.REQUEST_ID.set(kept.id)
        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - begun
            self._record(scope, kept, RequestMetrics(
                kept.service, kept.resource, status, seconds, size, kept.count_rows(), kept.queue, kept.wait_seconds
            ))  # fmt: skip
            logs.REQUEST_ID.reset(token)

    def _record(self, scope: Scope, kept: RequestInfo, served: RequestMetrics) -> None:
        self._metrics.count(served)
        if log.isEnabledFor(logging.INFO):
            path = mask_job_ids(scope["path"])
            facts = {
                "method": scope["method"], "path": path, "service": kept.service, "status": served.status,
                "seconds": round(served.seconds, 4), "waited": round(kept.wait_seconds, 4), "bytes": served.bytes,
                "rows": served.rows, "runid": kept.runid, "error_code": kept.error_code,
            }  # fmt: skip
            who = logs.private_fields(
                client=get_client_address(Request(scope)), query=kept.query or _decode_query(scope)
            )
            text = f"{scope['method']} {path} {served.status} {served.seconds:.3f} s, {served.bytes} bytes"
            text += f", {kept.error_code}" if kept.error_code else ""
            log.info(text, extra=logs.fields(**facts) | who)


def mask_job_ids(path: str) -> str:
    """Return a path with a hash in the place of a job's id, which would allow to read and delete the job. All log lines
    about one job have the same hash."""
    return _JOB_ID_PATTERN.sub(lambda id: f"~{hashlib.blake2b(id[0].encode(), digest_size=4).hexdigest()}", path)


def _decode_query(scope: Scope) -> str:
    return bytes(scope["query_string"]).decode("latin-1")

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
"""Needs no system call: one would release the interpreter lock and wait for it among the worker threads."""

_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,99}")

_JOB_ID_PATTERN = re.compile(r"(?i)(?<=/async/)[^/]+")


@dataclass(slots=True)
class RequestInfo:
    """The facts about a request for its log line and the metrics.

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
    info: RequestInfo = request.state.info
    return info


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
        requested_id = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        info = RequestInfo(requested_id if _ID_PATTERN.fullmatch(requested_id) else _generate_id())
        scope.setdefault("state", {})["info"] = info
        started_at, status, size = time.perf_counter(), 500, 0

        async def send_and_count(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = info.id
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        token = logs.REQUEST_ID.set(info.id)
        try:
            await self._app(scope, receive, send_and_count)
        finally:
            seconds = time.perf_counter() - started_at
            self._record(scope, info, RequestMetrics(
                info.service, info.resource, status, seconds, size, info.count_rows(), info.queue, info.wait_seconds
            ))  # fmt: skip
            logs.REQUEST_ID.reset(token)

    def _record(self, scope: Scope, info: RequestInfo, figures: RequestMetrics) -> None:
        self._metrics.count(figures)
        if log.isEnabledFor(logging.INFO):
            path = mask_job_ids(scope["path"])
            fields = {
                "method": scope["method"], "path": path, "service": info.service, "status": figures.status,
                "seconds": round(figures.seconds, 4), "waited": round(info.wait_seconds, 4), "bytes": figures.bytes,
                "rows": figures.rows, "runid": info.runid, "error_code": info.error_code,
            }  # fmt: skip
            private = logs.private_fields(
                client=get_client_address(Request(scope)), query=info.query or _decode_query(scope)
            )
            text = f"{scope['method']} {path} {figures.status} {figures.seconds:.3f} s, {figures.bytes} bytes"
            text += f", {info.error_code}" if info.error_code else ""
            log.info(text, extra=logs.fields(**fields) | private)


def mask_job_ids(path: str) -> str:
    """Return a path with a hash in place of a job's id, which gives access to the job. All log lines
    about one job have the same hash."""
    return _JOB_ID_PATTERN.sub(lambda id: f"~{hashlib.blake2b(id[0].encode(), digest_size=4).hexdigest()}", path)


def _decode_query(scope: Scope) -> str:
    return bytes(scope["query_string"]).decode("latin-1")

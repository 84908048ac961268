"""Query results and documents as HTTP responses: streamed, compressed on request, cancelled when the client
disconnects."""

from __future__ import annotations

import hashlib
import logging
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TypeVar

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from vo_server.answer import QueryExecution
from vo_server.errors import BusyError, QueryCancelledError
from vo_server.http.access_log import get_request_info
from vo_server.http.admission import Slot
from vo_server.http.conditional import etag_matches
from vo_server.http.files import accepts_gzip
from vo_server.http.service import Site
from vo_server.http.urls import get_client_address

log = logging.getLogger(__name__)

T = TypeVar("T")

BUFFER_BYTES = 256 * 1024
"""Bytes to produce before the response begins: a shorter one is sent whole, with its Content-Length."""

FIRST_BYTE_SECONDS = 0.02
"""Seconds after which a response begins with what has been produced."""


QUERY_STATUS_HEADER = "Query-Status"
"""A header of truncated responses, where that is known before the first byte: of short ones, and of stored results."""


async def stream(request: Request, site: Site, execution: QueryExecution, media_type: str, filename: str) -> Response:
    """Return the response of a query, once it has a slot and its first rows have been produced.

    Raises the errors of the query up to then, and BusyError. A disconnect of the client while it waits cancels the
    query.
    """
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f'inline; filename="{filename}"',
        "Vary": "Accept-Encoding, Accept, Origin, Sec-Fetch-Mode",
    }
    compressed = accepts_gzip(request)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    started = await _start_response(request, site, execution, compressed)
    if execution.overflow:
        headers[QUERY_STATUS_HEADER] = "OVERFLOW"
    if started.rest is None:
        return Response(started.head, headers=headers)
    if request.method == "HEAD":
        started.close()
        response = Response(headers=headers)
        del response.headers["Content-Length"]  # the length is unknown
        return response
    return _ResponseStream(request, started, headers)


@dataclass(slots=True)
class _StartedResponse:
    """The first bytes of a response and the chunks that follow, None if there are none. It holds its slot until it is
    closed."""

    execution: QueryExecution
    slot: Slot
    head: bytes
    rest: Iterator[bytes] | None

    def close(self) -> None:
        """Stop the query if it runs, and release the slot."""
        self.execution.cancel()
        with suppress(ValueError, AttributeError):
            self.rest.close()  # type: ignore[union-attr]
        self.slot.release()


async def _start_response(
    request: Request, site: Site, execution: QueryExecution, compressed: bool
) -> _StartedResponse:
    client, info = get_client_address(request), get_request_info(request)
    info.count_rows = lambda: execution.rows

    async def begin() -> _StartedResponse:
        await anyio.to_thread.run_sync(execution.prepare)
        started_waiting = time.perf_counter()
        slot = await site.admission.acquire(client, execution.is_short)
        info.queue, info.wait_seconds = slot.queue, time.perf_counter() - started_waiting
        is_complete = True
        try:
            head, rest = await anyio.to_thread.run_sync(_fill_buffer, execution, compressed)
            is_complete = rest is None
            return _StartedResponse(execution, slot, head, rest)
        finally:
            if is_complete:
                slot.release()

    try:
        return await _run_while_connected(request, execution, begin)
    except anyio.get_cancelled_exc_class():  # the server stops, and no longer waits for requests
        raise BusyError(
            "the service is stopping", hint="repeat the request in a minute", retry_after_seconds=60
        ) from None


async def _run_while_connected(request: Request, execution: QueryExecution, work: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `work`. If the client disconnects before, the query is stopped and QueryCancelledError
    raised."""
    done: list[T] = []
    errors: list[Exception] = []

    async def watch(cancel_scope: anyio.CancelScope) -> None:
        try:
            while (await request.receive())["type"] != "http.disconnect":
                pass
        finally:
            if not (done or errors):
                execution.cancel()
                cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        try:
            with anyio.CancelScope() as cancel_scope:
                group.start_soon(watch, cancel_scope)
                done.append(await work())
        except Exception as error:  # noqa: BLE001 - raised again, out of the task group
            errors.append(error)
        group.cancel_scope.cancel()
    if errors:
        raise errors[0]
    if not done:
        raise QueryCancelledError("the client disconnected")
    return done[0]


async def run_in_slot(request: Request, site: Site, work: Callable[[], T]) -> T:
    """Return the result of `work`, which runs in a worker thread in a slot of the short queue.

    Raises the errors of the work, and BusyError.
    """
    slot = await site.admission.acquire(get_client_address(request), is_short=True)
    try:
        return await anyio.to_thread.run_sync(work)
    finally:
        slot.release()


def _fill_buffer(execution: QueryExecution, compressed: bool) -> tuple[bytes, Iterator[bytes] | None]:
    content = execution.start()
    chunks = _gzip_chunks(content) if compressed else iter(content)
    head, started_at = bytearray(), time.monotonic()
    for chunk in chunks:
        head += chunk
        if not execution.is_small or len(head) >= BUFFER_BYTES or time.monotonic() - started_at > FIRST_BYTE_SECONDS:
            return bytes(head), chunks
    return bytes(head), None


class _ResponseStream(StreamingResponse):
    """A response whose chunks are produced in worker threads. If the client disconnects, the query is stopped."""

    def __init__(self, request: Request, started: _StartedResponse, headers: dict[str, str]) -> None:
        super().__init__(self._iterate_chunks(request, started), headers=headers)
        self._started = started

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._started.close()

    @staticmethod
    async def _iterate_chunks(request: Request, started: _StartedResponse) -> AsyncIterator[bytes]:
        chunks = started.rest or iter(())

        async def produce_next() -> bytes | None:
            return await anyio.to_thread.run_sync(lambda: next(chunks, None))

        chunk: bytes | None = started.head
        try:
            while chunk is not None:
                with started.slot.yield_if_slow():
                    yield chunk
                chunk = await _run_while_connected(request, started.execution, produce_next)
        except QueryCancelledError:
            log.info("the client disconnected")


def _gzip_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks compressed at level 1, since responses are long and produced fast. The first chunk is flushed to
    leave at once, as is all that precedes an error."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    first = True
    try:
        for chunk in chunks:
            compressed = compressor.compress(chunk)
            if first:
                compressed += compressor.flush(zlib.Z_SYNC_FLUSH)
                first = False
            if compressed:
                yield compressed
    except Exception:
        yield compressor.flush(zlib.Z_SYNC_FLUSH)
        raise
    yield compressor.flush()


def cacheable_response(
    request: Request,
    body: bytes,
    media_type: str,
    changed: datetime | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return a document that clients may cache if they revalidate it with each request; an unchanged one gets 304.

    `changed` is the time of its last change, or a later one.
    """
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    all_headers = {"ETag": f"W/{tag}", "Cache-Control": "no-cache", "Vary": "Accept-Encoding", **(headers or {})}
    if changed is not None:
        all_headers["Last-Modified"] = format_datetime(changed.astimezone(UTC), usegmt=True)
    if _is_unchanged(request, tag, changed):
        return Response(status_code=304, headers=all_headers)
    return document_response(request, body, media_type, all_headers)


def _is_unchanged(request: Request, tag: str, changed: datetime | None) -> bool:
    """Return whether the client has the document already. A tag precedes a date (RFC 9110 section 13.1.3)."""
    tags, since = (request.headers.get(name) for name in ("if-none-match", "if-modified-since"))
    if tags is not None or since is None or changed is None:
        return etag_matches(tags or "", tag)
    with suppress(ValueError):
        return changed <= parsedate_to_datetime(since)
    return False


def document_response(
    request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    """Return a whole document, compressed if the client accepts that."""
    all_headers = {"Content-Type": media_type, "Vary": "Accept-Encoding", **(headers or {})}
    if accepts_gzip(request) and len(body) > 1_000:
        body = b"".join(_gzip_chunks([body]))
        all_headers["Content-Encoding"] = "gzip"
    return Response(body, headers=all_headers)

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


async def stream(request: Request, site: Site, question: QueryExecution, media_type: str, filename: str) -> Response:
    """Return the response of a query, after it has waited for a slot and its first rows are there.

    Raises the errors of the query up to then, and BusyError. A disconnect of the client while it waits cancels the
    query.
    """
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f'inline; filename="{filename}"',
        "Vary": "Accept-Encoding, Accept, Origin, Sec-Fetch-Mode",
    }
    packed = accepts_gzip(request)
    if packed:
        headers["Content-Encoding"] = "gzip"
    begun = await _start_answer(request, site, question, packed)
    if question.overflow:
        headers[QUERY_STATUS_HEADER] = "OVERFLOW"
    if begun.rest is None:
        return Response(begun.head, headers=headers)
    if request.method == "HEAD":
        begun.close()
        answer = Response(headers=headers)
        del answer.headers["Content-Length"]  # of which nothing is known
        return answer
    return _AnswerStream(request, begun, headers)


@dataclass(slots=True)
class _StartedAnswer:
    """The first bytes of a response and the chunks that follow, None if there are none. It holds its slot until it is
    closed."""

    question: QueryExecution
    slot: Slot
    head: bytes
    rest: Iterator[bytes] | None

    def close(self) -> None:
        """Stop the query if it runs, and release the slot."""
        self.question.cancel()
        with suppress(ValueError, AttributeError):
            self.rest.close()  # type: ignore[union-attr]
        self.slot.release()


async def _start_answer(request: Request, site: Site, question: QueryExecution, packed: bool) -> _StartedAnswer:
    client, kept = get_client_address(request), get_request_info(request)
    kept.count_rows = lambda: question.rows

    async def begin() -> _StartedAnswer:
        await anyio.to_thread.run_sync(question.prepare)
        asked = time.perf_counter()
        turn = await site.admission.acquire(client, question.is_short)
        kept.queue, kept.wait_seconds = turn.queue, time.perf_counter() - asked
        whole = True
        try:
            head, rest = await anyio.to_thread.run_sync(_fill_buffer, question, packed)
            whole = rest is None
            return _StartedAnswer(question, turn, head, rest)
        finally:
            if whole:
                turn.release()

    try:
        return await _run_while_connected(request, question, begin)
    except anyio.get_cancelled_exc_class():  # the server stops, and has waited for us as long as it does
        raise BusyError("the service is stopping", hint="ask again in a minute", retry_after_seconds=60) from None


async def _run_while_connected(request: Request, question: QueryExecution, work: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `work`. If the client disconnects before, the query is stopped and QueryCancelledError
    raised."""
    done: list[T] = []
    faults: list[Exception] = []

    async def watch(waiting: anyio.CancelScope) -> None:
        try:
            while (await request.receive())["type"] != "http.disconnect":
                pass
        finally:
            if not (done or faults):
                question.cancel()
                waiting.cancel()

    async with anyio.create_task_group() as group:
        try:
            with anyio.CancelScope() as waiting:
                group.start_soon(watch, waiting)
                done.append(await work())
        except Exception as error:  # noqa: BLE001 - raised again, out of the task group
            faults.append(error)
        group.cancel_scope.cancel()
    if faults:
        raise faults[0]
    if not done:
        raise QueryCancelledError("the client disconnected")
    return done[0]


async def run_in_slot(request: Request, site: Site, work: Callable[[], T]) -> T:
    """Return the result of `work`, which runs in a worker thread in a slot of the short queue.

    Raises the errors of the work, and BusyError.
    """
    turn = await site.admission.acquire(get_client_address(request), is_short=True)
    try:
        return await anyio.to_thread.run_sync(work)
    finally:
        turn.release()


def _fill_buffer(question: QueryExecution, packed: bool) -> tuple[bytes, Iterator[bytes] | None]:
    answer = question.start()
    pieces = _gzip_chunks(answer) if packed else iter(answer)
    head, begun = bytearray(), time.monotonic()
    for piece in pieces:
        head += piece
        if not question.is_small or len(head) >= BUFFER_BYTES or time.monotonic() - begun > FIRST_BYTE_SECONDS:
            return bytes(head), pieces
    return bytes(head), None


class _AnswerStream(StreamingResponse):
    """A response whose chunks are produced in worker threads. If the client disconnects, the query is stopped."""

    def __init__(self, request: Request, begun: _StartedAnswer, headers: dict[str, str]) -> None:
        super().__init__(self._iterate_chunks(request, begun), headers=headers)
        self._answer = begun

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()

    @staticmethod
    async def _iterate_chunks(request: Request, begun: _StartedAnswer) -> AsyncIterator[bytes]:
        pieces = begun.rest or iter(())

        async def make() -> bytes | None:
            return await anyio.to_thread.run_sync(lambda: next(pieces, None))

        piece: bytes | None = begun.head
        try:
            while piece is not None:
                with begun.slot.yield_if_slow():
                    yield piece
                piece = await _run_while_connected(request, begun.question, make)
        except QueryCancelledError:
            log.info("the client disconnected")


def _gzip_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks compressed at level 1, since responses are long and produced fast. The first chunk is flushed to
    leave at once, as is all that precedes an error."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    first = True
    try:
        for piece in pieces:
            packed = packer.compress(piece)
            if first:
                packed += packer.flush(zlib.Z_SYNC_FLUSH)
                first = False
            if packed:
                yield packed
    except Exception:
        yield packer.flush(zlib.Z_SYNC_FLUSH)
        raise
    yield packer.flush()


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
    mark = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    more = {"ETag": f"W/{mark}", "Cache-Control": "no-cache", "Vary": "Accept-Encoding", **(headers or {})}
    if changed is not None:
        more["Last-Modified"] = format_datetime(changed.astimezone(UTC), usegmt=True)
    if _is_unchanged(request, mark, changed):
        return Response(status_code=304, headers=more)
    return document_response(request, body, media_type, more)


def _is_unchanged(request: Request, mark: str, changed: datetime | None) -> bool:
    """Return whether the client has the document already. A tag precedes a date (RFC 9110 section 13.1.3)."""
    tags, since = (request.headers.get(name) for name in ("if-none-match", "if-modified-since"))
    if tags is not None or since is None or changed is None:
        return etag_matches(tags or "", mark)
    with suppress(ValueError):
        return changed <= parsedate_to_datetime(since)
    return False


def document_response(
    request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    """Return a whole document, compressed if the client accepts that."""
    more = {"Content-Type": media_type, "Vary": "Accept-Encoding", **(headers or {})}
    if accepts_gzip(request) and len(body) > 1_000:
        body = b"".join(_gzip_chunks([body]))
        more["Content-Encoding"] = "gzip"
    return Response(body, headers=more)

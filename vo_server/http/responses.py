"""Answers as HTTP responses: streamed, compressed when asked, stopped when the client goes away."""

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
"""Bytes to make before the answer begins: a shorter answer is sent whole, with its length."""

FIRST_BYTE_SECONDS = 0.02
"""Seconds after which an answer begins with what there is."""


QUERY_STATUS_HEADER = "Query-Status"
"""A header of answers of which rows are left out, where that is known before their first byte: of short ones, and of
files that are whole before they leave."""


async def stream(request: Request, site: Site, question: QueryExecution, media_type: str, filename: str) -> Response:
    """The answer to a question, once it has had its turn and its first rows are there.

    Raises what the question raises before them, and BusyError. A client that goes away while it waits stops the query.
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
    """The first bytes of an answer and the pieces that follow, None when these were all. It holds its turn until its
    end."""

    question: QueryExecution
    slot: Slot
    head: bytes
    rest: Iterator[bytes] | None

    def close(self) -> None:
        """Stop the query, if it is running, and let others have their turn."""
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
        raise BusyError("the service is being stopped", hint="ask again in a minute", retry_after_seconds=60) from None


async def _run_while_connected(request: Request, question: QueryExecution, work: Callable[[], Awaitable[T]]) -> T:
    """What work gives. When the client goes away before it is done, the question is stopped, and waits no longer."""
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
        except Exception as fault:  # noqa: BLE001 - raised again, out of the task group
            faults.append(fault)
        group.cancel_scope.cancel()
    if faults:
        raise faults[0]
    if not done:
        raise QueryCancelledError("the client went away")
    return done[0]


async def run_in_slot(request: Request, site: Site, work: Callable[[], T]) -> T:
    """What work gives in a worker thread, once it has had its turn with the short queries.

    Raises what the work raises, and BusyError.
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
    """The pieces, each made in a worker thread. When the client has gone the query is stopped and not read on."""

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
            log.info("the client went away")


def _gzip_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Level 1: the answers are long and made quickly. The first piece is flushed, so that it leaves at once, and so is
    what came before a fault."""
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
    """A document that a client may keep, if it asks each time whether it is still the same; then it is not sent again.
    `changed` is when it was another one at the latest."""
    mark = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    more = {"ETag": f"W/{mark}", "Cache-Control": "no-cache", "Vary": "Accept-Encoding", **(headers or {})}
    if changed is not None:
        more["Last-Modified"] = format_datetime(changed.astimezone(UTC), usegmt=True)
    if _is_unchanged(request, mark, changed):
        return Response(status_code=304, headers=more)
    return document_response(request, body, media_type, more)


def _is_unchanged(request: Request, mark: str, changed: datetime | None) -> bool:
    """Does the client have it? A tag counts for more than an instant (RFC 9110 section 13.1.3)."""
    tags, since = (request.headers.get(name) for name in ("if-none-match", "if-modified-since"))
    if tags is not None or since is None or changed is None:
        return etag_matches(tags or "", mark)
    with suppress(ValueError):
        return changed <= parsedate_to_datetime(since)
    return False


def document_response(
    request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    """A whole document, compressed when asked."""
    more = {"Content-Type": media_type, "Vary": "Accept-Encoding", **(headers or {})}
    if accepts_gzip(request) and len(body) > 1_000:
        body = b"".join(_gzip_chunks([body]))
        more["Content-Encoding"] = "gzip"
    return Response(body, headers=more)

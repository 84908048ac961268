"""Answers as HTTP responses: streamed, compressed when asked, stopped when the client goes away."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from vo_server.answer import Question
from vo_server.errors import BusyFault, CancelledFault

log = logging.getLogger(__name__)

T = TypeVar("T")

ENOUGH = 256 * 1024
"""Bytes to make before the answer begins: a shorter answer is sent whole, with its length."""

SOON = 0.02
"""Seconds after which an answer begins with what there is."""


STATUS = "Query-Status"
"""A header of answers of which rows are left out, where that is known before their first byte: of short ones, and of
files that are whole before they leave."""


async def stream(request: Request, question: Question, media_type: str, filename: str) -> Response:
    """The answer to a question, once its first rows are there.

    Raises what the question raises before them. A client that goes away while it waits stops the query.
    """
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f'inline; filename="{filename}"',
        "Vary": "Accept-Encoding, Accept, Origin, Sec-Fetch-Mode",
    }
    packed = _accepts_gzip(request)
    if packed:
        headers["Content-Encoding"] = "gzip"
    begun = await _begun(request, question, packed)
    if question.overflow:
        headers[STATUS] = "OVERFLOW"
    if begun.rest is None:
        return Response(begun.head, headers=headers)
    if request.method == "HEAD":
        _end(begun.rest, question)
        answer = Response(headers=headers)
        del answer.headers["Content-Length"]  # of which nothing is known
        return answer
    return StreamingResponse(_in_thread(request, begun.head, begun.rest, question), headers=headers)


@dataclass(slots=True)
class _Begun:
    """The first bytes of an answer and the pieces that follow, None when these were all."""

    head: bytes
    rest: Iterator[bytes] | None


async def _begun(request: Request, question: Question, packed: bool) -> _Begun:
    try:
        return await _watched(request, question, partial(_begin, question, packed))
    except anyio.get_cancelled_exc_class():  # the server stops, and has waited for us as long as it does
        raise BusyFault("the service is being stopped", hint="ask again in a minute") from None


async def _watched(request: Request, question: Question, work: Callable[[], T]) -> T:
    """What work done in a thread gives. When the client goes away before it is done, the question is stopped."""
    done: list[T] = []
    faults: list[Exception] = []

    async def watch() -> None:
        try:
            while (await request.receive())["type"] != "http.disconnect":
                pass
        finally:
            if not (done or faults):
                question.stop()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            done.append(await anyio.to_thread.run_sync(work))
        except Exception as fault:  # noqa: BLE001 - raised again, out of the task group
            faults.append(fault)
        group.cancel_scope.cancel()
    if faults:
        raise faults[0]
    return done[0]


def _begin(question: Question, packed: bool) -> _Begun:
    answer = question.answer()
    pieces = _gzipped(answer) if packed else iter(answer)
    head, begun = bytearray(), time.monotonic()
    for piece in pieces:
        head += piece
        if not question.brief or len(head) >= ENOUGH or time.monotonic() - begun > SOON:
            return _Begun(bytes(head), pieces)
    return _Begun(bytes(head), None)


async def _in_thread(
    request: Request, head: bytes, pieces: Iterator[bytes], question: Question
) -> AsyncIterator[bytes]:
    """The pieces, each made in a worker thread. When the client has gone the query is stopped and not read on."""
    try:
        yield head
        while (piece := await _watched(request, question, partial(next, pieces, None))) is not None:
            yield piece
    except CancelledFault:
        log.info("the client went away")
    finally:
        _end(pieces, question)


def _end(pieces: Iterator[bytes], question: Question) -> None:
    question.stop()
    with suppress(ValueError, AttributeError):
        pieces.close()  # type: ignore[attr-defined]


def _accepts_gzip(request: Request) -> bool:
    words = (w.partition(";") for w in request.headers.get("accept-encoding", "").split(","))
    return any(name.strip() in ("gzip", "x-gzip") and q.replace(" ", "") != "q=0" for name, _, q in words)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
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


def document(request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """A whole document, compressed when asked."""
    more = {"Content-Type": media_type, "Vary": "Accept-Encoding", **(headers or {})}
    if _accepts_gzip(request) and len(body) > 1_000:
        body = b"".join(_gzipped([body]))
        more["Content-Encoding"] = "gzip"
    return Response(body, headers=more)

"""Answers as HTTP responses: streamed, compressed when asked, stopped when the client goes away."""

from __future__ import annotations

import logging
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from vo_server.answer import Answer, Question
from vo_server.errors import CancelledFault

log = logging.getLogger(__name__)


async def stream(request: Request, question: Question, media_type: str, filename: str) -> Response:
    """The answer to a question, once its first rows are there.

    Raises what the question raises before them. A client that goes away while it waits stops the query.
    """
    answer = await _first_rows(request, question)
    packed = _accepts_gzip(request)
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f'inline; filename="{filename}"',
        "Vary": "Accept-Encoding, Accept",
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    pieces = _gzipped(answer) if packed else iter(answer)
    return StreamingResponse(_in_thread(pieces, question), headers=headers)


async def _first_rows(request: Request, question: Question) -> Answer:
    answers: list[Answer] = []
    faults: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(question.answer())
        except BaseException as fault:  # noqa: BLE001 - it is raised again, out of the task group
            faults.append(fault)

    async with anyio.create_task_group() as group:
        group.start_soon(_watch, request, question)
        await anyio.to_thread.run_sync(work)
        group.cancel_scope.cancel()
    if faults:
        raise faults[0]
    return answers[0]


async def _watch(request: Request, question: Question) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    question.stop()


async def _in_thread(pieces: Iterator[bytes], question: Question) -> AsyncIterator[bytes]:
    """The pieces, each made in a worker thread. When the client has gone the query is stopped and not read on."""
    try:
        while (piece := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
            yield piece
    except CancelledFault:
        log.info("the client went away")
    finally:
        question.stop()
        with suppress(ValueError, AttributeError):
            pieces.close()  # type: ignore[attr-defined]


def _accepts_gzip(request: Request) -> bool:
    words = (w.partition(";") for w in request.headers.get("accept-encoding", "").split(","))
    return any(name.strip() in ("gzip", "x-gzip") and q.replace(" ", "") != "q=0" for name, _, q in words)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Level 1: the answers are long and made quickly. The first piece is flushed, so that it leaves at once."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    first = True
    for piece in pieces:
        packed = packer.compress(piece)
        if first:
            packed += packer.flush(zlib.Z_SYNC_FLUSH)
            first = False
        if packed:
            yield packed
    yield packer.flush()


def document(request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """A whole document, compressed when asked."""
    more = {"Content-Type": media_type, "Vary": "Accept-Encoding", **(headers or {})}
    if _accepts_gzip(request) and len(body) > 1_000:
        body = b"".join(_gzipped([body]))
        more["Content-Encoding"] = "gzip"
    return Response(body, headers=more)

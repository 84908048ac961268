"""The server in this process, asked without a port: an application of ASGI behind a client of HTTP."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import anyio.from_thread
import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override


class Inside(httpx.BaseTransport):
    """Carries requests to an application that runs in a thread's event loop. What is below `prefix` is asked of it, as
    by a proxy that knows it there."""

    def __init__(self, app: ASGIApp, portal: anyio.from_thread.BlockingPortal, prefix: str = "") -> None:
        self._app = _below(app, prefix) if prefix else app
        self._portal = portal

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._carried, request.method, request.url, request.headers.raw, request.read())

    async def _carried(
        self, method: str, url: httpx.URL, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        answer = await transport.handle_async_request(httpx.Request(method, url, headers=headers, content=content))
        body = b"".join([piece async for piece in answer.stream])  # type: ignore[union-attr]
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(body))


def _below(app: ASGIApp, prefix: str) -> ASGIApp:
    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(prefix) or "/"
        await app({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    return asked


@contextmanager
def inside(
    app: Starlette, url: str, outer: ASGIApp | None = None, *, elsewhere: bool = False
) -> Iterator[httpx.Client]:
    """A client of an application, which is started and stopped with the block and thinks that it is at `url`.

    `outer` is what is asked instead, such as the application with something around it. What is asked of other servers
    is asked of the application, too, or of these if `elsewhere`.
    """
    place = urlsplit(url)
    with anyio.from_thread.start_blocking_portal() as portal, ExitStack() as ends:
        life = portal.wrap_async_context_manager(app.router.lifespan_context(app))
        life.__enter__()
        ends.callback(life.__exit__, None, None, None)  # faults of the block are none of the application's
        ends.callback(gc.unfreeze)
        here = Inside(outer or app, portal, place.path.rstrip("/"))
        there = httpx.HTTPTransport() if elsewhere else here
        with httpx.Client(transport=there, mounts={f"all://{place.netloc}": here}, timeout=60) as client:
            yield client

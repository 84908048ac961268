"""An HTTP client of an ASGI application in this process, without a port."""

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


class AsgiTransport(httpx.BaseTransport):
    """An httpx transport to an application that runs in the event loop of a thread.

    With `prefix` the application is mounted below that path, as behind a proxy.
    """

    def __init__(self, app: ASGIApp, portal: anyio.from_thread.BlockingPortal, prefix: str = "") -> None:
        self._app = _mount(app, prefix) if prefix else app
        self._portal = portal

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._send, request.method, request.url, request.headers.raw, request.read())

    async def _send(
        self, method: str, url: httpx.URL, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        response = await transport.handle_async_request(httpx.Request(method, url, headers=headers, content=content))
        body = b"".join([chunk async for chunk in response.stream])  # type: ignore[union-attr]
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))


def _mount(app: ASGIApp, prefix: str) -> ASGIApp:
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(prefix) or "/"
        await app({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    return mounted


@contextmanager
def connect(app: Starlette, url: str, outer: ASGIApp | None = None, *, network: bool = False) -> Iterator[httpx.Client]:
    """Start an application and yield a client of it; the application is stopped at the end of the block.

    The application is reached at `url`. `outer`, such as a wrapper of the application, receives the requests instead of
    it. Requests to other servers also go to the application, or through the network if `network`.
    """
    parts = urlsplit(url)
    with anyio.from_thread.start_blocking_portal() as portal, ExitStack() as cleanup:
        lifespan = portal.wrap_async_context_manager(app.router.lifespan_context(app))
        lifespan.__enter__()
        cleanup.callback(lifespan.__exit__, None, None, None)  # errors of the block are not raised in the application
        cleanup.callback(gc.unfreeze)
        local = AsgiTransport(outer or app, portal, parts.path.rstrip("/"))
        other = httpx.HTTPTransport() if network else local
        with httpx.Client(transport=other, mounts={f"all://{parts.netloc}": local}, timeout=60) as client:
            yield client

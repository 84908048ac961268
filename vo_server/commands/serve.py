"""vo-server serve: what is loaded, over HTTP."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from vo_server.app import SOFTWARE, catalogue_of, create_app
from vo_server.commands.catalogues import loaded, source
from vo_server.commands.command import Command, address, explained, strictly
from vo_server.commands.terminal import log_as, say
from vo_server.commands.worker import exported, working
from vo_server.errors import BusyError
from vo_server.metrics import FOLDER
from vo_server.settings import PREFIX, Settings, read

GRACE = 10
"""Seconds that answers under way get to finish when the server is told to stop."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    address(parser)
    parser.add_argument("--public-url", metavar="URL", help=explained("public_url"))
    strictly(parser)
    parser.add_argument("--workers", metavar="N", help=explained("workers"))


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Serve what is loaded."""
    if not loaded(settings, catalogue_of(settings)):
        say(f"warning: nothing is loaded in {source(settings)} yet (vo-server load)", "yellow")
    with listen(settings) as listening:
        return serve_until_stopped(
            settings, listening, lambda url: print(f"vo-server: serving {source(settings)} at {url}", flush=True)
        )


def application() -> Starlette:
    """The application of a worker process, whose settings are all in its environment."""
    settings = read({}, os.environ, None)
    log_as(settings)
    return create_app(settings)


def serve_until_stopped(settings: Settings, listening: socket.socket, ready: Callable[[str], None]) -> int:
    """Serve at a socket; `ready` is told the URL once the server answers."""
    host, port = listening.getsockname()[:2]
    url = settings.public_url.rstrip("/") or f"http://{_shown(host)}:{port}"
    threading.Thread(target=_announce, args=(host, port, lambda: ready(url)), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn passes it on after its own clean stop
    config = uvicorn.Config(
        "vo_server.commands.serve:application" if settings.workers > 1 else create_app(settings),
        factory=settings.workers > 1,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        headers=[("Server", SOFTWARE)],
        timeout_graceful_shutdown=GRACE,
        proxy_headers=False,
    )
    with working(settings), suppress(KeyboardInterrupt):
        if settings.workers > 1:
            os.environ.update(exported(settings))
            os.environ.pop(f"{PREFIX}CONFIG", None)
            with tempfile.TemporaryDirectory(prefix="vo-server-") as figures:
                os.environ[FOLDER] = figures
                Multiprocess(config, sockets=[listening]).run()
        else:
            server = uvicorn.Server(config)
            server.run(sockets=[listening])
            return 0 if server.started else 1
    return 0


def listen(settings: Settings) -> socket.socket:
    """A socket at the address of the settings.

    Raises BusyError where it cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        hint = "--port takes another, 0 any free one" if error.errno == errno.EADDRINUSE else None
        raise BusyError(
            f"cannot listen on {_shown(settings.host)}:{settings.port}: {error.strerror or error}", hint=hint
        ) from None
    listening.set_inheritable(True)
    return listening


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _announce(host: str, port: int, say: Callable[[], None]) -> None:
    """Say that the server is ready, once it answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not listened on
    while True:
        connection = HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/tap/availability")
            connection.getresponse().read()
        except (OSError, HTTPException):
            time.sleep(0.05)
            continue
        finally:
            connection.close()
        say()
        return


SERVE = Command("serve", "serve what is loaded", _run, _arguments)

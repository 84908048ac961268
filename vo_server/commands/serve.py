"""vo-server serve: serve the loaded catalogues over HTTP."""

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

from vo_server.app import create_app
from vo_server.assembly import SOFTWARE, load_site_catalogue
from vo_server.commands.catalogue_lookup import describe_source, find_loaded
from vo_server.commands.command import add_address_arguments, add_strict_argument, setting_help
from vo_server.commands.terminal import configure_logs, say
from vo_server.commands.worker import run_workers, to_environment
from vo_server.errors import BusyError, Code
from vo_server.metrics import FOLDER_VARIABLE
from vo_server.settings import PREFIX, Settings, read_settings

GRACE_SECONDS = 10
"""Seconds that responses in progress get to finish when the server stops."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_address_arguments(parser)
    parser.add_argument("--public-url", metavar="URL", help=setting_help("public_url"))
    add_strict_argument(parser)
    parser.add_argument("--workers", metavar="N", help=setting_help("workers"))


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Serve the loaded catalogues until a signal."""
    if not find_loaded(settings, load_site_catalogue(settings)):
        say(f"warning: nothing is loaded in {describe_source(settings)} yet (vo-server load)", "yellow")
    with open_socket(settings) as listening:
        return serve_until_stopped(
            settings,
            listening,
            lambda url: print(f"vo-server: serving {describe_source(settings)} at {url}", flush=True),
        )


def application() -> Starlette:
    """Create the application of a worker process, with its settings from the environment."""
    settings = read_settings({}, os.environ, None)
    configure_logs(settings)
    return create_app(settings)


def serve_until_stopped(settings: Settings, listening: socket.socket, ready: Callable[[str], None]) -> int:
    """Serve at a socket until a signal; `ready` is called with the URL once the server answers."""
    host, port = listening.getsockname()[:2]
    url = settings.public_url.rstrip("/") or f"http://{_bracket_ipv6(host)}:{port}"
    threading.Thread(target=_announce_when_ready, args=(host, port, lambda: ready(url)), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn passes it on after its own clean stop
    config = uvicorn.Config(
        "vo_server.commands.serve:application" if settings.workers > 1 else create_app(settings),
        factory=settings.workers > 1,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        headers=[("Server", SOFTWARE)],
        timeout_graceful_shutdown=GRACE_SECONDS,
        proxy_headers=False,
    )
    with run_workers(settings), suppress(KeyboardInterrupt):
        if settings.workers > 1:
            os.environ.update(to_environment(settings))
            os.environ.pop(f"{PREFIX}CONFIG", None)
            with tempfile.TemporaryDirectory(prefix="vo-server-") as figures:
                os.environ[FOLDER_VARIABLE] = figures
                Multiprocess(config, sockets=[listening]).run()
        else:
            server = uvicorn.Server(config)
            server.run(sockets=[listening])
            return 0 if server.started else 1
    return 0


def open_socket(settings: Settings) -> socket.socket:
    """Open a listening socket at the address of the settings.

    Raises BusyError where the address is not available.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        hint = "--port sets another port, 0 picks a free one" if error.errno == errno.EADDRINUSE else None
        raise BusyError(
            f"cannot listen on {_bracket_ipv6(settings.host)}:{settings.port}: {error.strerror or error}",
            hint=hint,
            code=Code.SERVICE_UNAVAILABLE,
        ) from None
    listening.set_inheritable(True)
    return listening


def _bracket_ipv6(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _announce_when_ready(host: str, port: int, say: Callable[[], None]) -> None:
    """Call `say` once the server answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - connected to, not listened on
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

"""The command line: demo, load, serve.

Exit codes: 0 done; 1 it failed and said why; 2 the command was not understood; 3 loaded, but lines were rejected.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import uvicorn
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from vo_server import __version__
from vo_server.app import SOFTWARE, catalogue_of, create_app
from vo_server.catalogue.catalogue import Catalogue, Publication
from vo_server.catalogue.similar import similar
from vo_server.engines.store import Store
from vo_server.errors import Fault, UsageFault
from vo_server.load import sample
from vo_server.load.load import Loaded, load
from vo_server.load.load import Progress as LoadProgress
from vo_server.settings import PREFIX, Settings, described, read

DEMO_ROWS = 500_000
GRACE = 10
"""Seconds that answers under way get to finish when the server is told to stop."""

out = Console(stderr=True, highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the result is its exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        settings = _settings(parsed)
        logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        command: Callable[[argparse.Namespace, Settings], int] = parsed.command
        return command(parsed, settings)
    except UsageFault as fault:
        out.print(f"vo-server: {fault}", style="red", markup=False)
        return 2
    except Fault as fault:
        out.print(f"vo-server: {fault}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1


def _settings(parsed: argparse.Namespace) -> Settings:
    names = {f.name for f in fields(Settings)}
    flags = {name: value for name, value in vars(parsed).items() if name in names}
    config = parsed.config or os.environ.get(f"{PREFIX}CONFIG")
    return read(flags, os.environ, Path(config) if config else None)


# -------------------------------------------------------------- arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vo-server",
        description="A Virtual Observatory server: TAP with ADQL, cone search and VOSI over your catalogues.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vo-server {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _demo_arguments(_command(commands, "demo", "make a synthetic sky and serve it", demo))
    _load_arguments(_command(commands, "load", "load files into a catalogue", load_files))
    _serve_arguments(_command(commands, "serve", "serve what is loaded", serve))
    return parser


def _epilog() -> str:
    rows = "\n".join(f"  {PREFIX}{name.upper():12} {help}" for name, _, help in described())
    return (
        "Settings come from flags, else from variables, else from the TOML file that --config or "
        f"{PREFIX}CONFIG names\n(the same names in lower case):\n\n{rows}\n\n"
        "Exit codes: 0 done, 1 failed, 2 not understood, 3 loaded but lines were rejected."
    )


def _command(commands: Any, name: str, help: str, run: Callable[..., int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=f"{help.capitalize()}.")
    parser.set_defaults(command=run)
    parser.add_argument("--data", type=Path, metavar="DIR", help=_help("data"))
    parser.add_argument("--schemas", metavar="DIR[:DIR]", help=_help("schemas"))
    parser.add_argument("--config", metavar="FILE", help="a TOML file of settings")
    parser.add_argument("--log-level", metavar="LEVEL", help=_help("log_level"))
    return parser


def _help(name: str) -> str:
    help, default = next((help, default) for n, default, help in described() if n == name)
    return f"{help} (default: {default})" if default not in ("", None) else help


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=_count, default=DEMO_ROWS, metavar="N", help=f"point sources (default: {DEMO_ROWS})"
    )
    parser.add_argument("--no-serve", action="store_true", help="only make and load the sky")
    _address(parser)


def _load_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="the catalogue: psc, xsc, or one of your own")
    parser.add_argument("files", nargs="+", metavar="FILE", help="files or patterns; - is standard input")
    parser.add_argument("--append", action="store_true", help="add to the rows there are instead of replacing them")
    parser.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop", help="what a bad line does (default: stop)"
    )


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    _address(parser)
    parser.add_argument("--public-url", metavar="URL", help=_help("public_url"))
    parser.add_argument("--workers", type=_count, metavar="N", help=_help("workers"))


def _address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", metavar="H", help=_help("host"))
    parser.add_argument("--port", type=int, metavar="N", help=_help("port"))


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


# ------------------------------------------------------------------- load


def load_files(parsed: argparse.Namespace, settings: Settings) -> int:
    """Load files into a catalogue."""
    publication = _publication(catalogue_of(settings), parsed.table)
    with _bar() as bar:
        done = load(
            publication,
            parsed.files,
            Store(settings.data),
            append=parsed.append,
            on_error=parsed.on_error,
            progress=_watch(bar, publication.table.qualified),
        )
    _say_loaded(publication, done)
    return 3 if done.rejected else 0


def _publication(catalogue: Catalogue, name: str) -> Publication:
    for publication in catalogue.publications:
        if name.lower() in (
            publication.id.lower(),
            publication.table.qualified.lower(),
            publication.table.name.lower(),
        ):
            return publication
    known = [p.id for p in catalogue.publications]
    raise UsageFault(f"no catalogue {name}", hint=similar(name, known) or f"there are {', '.join(known)}")


def _say_loaded(publication: Publication, done: Loaded) -> None:
    for warning in done.warnings:
        out.print(f"warning: {warning}", style="yellow", markup=False)
    rate = done.rows / max(done.seconds, 1e-3)
    out.print(
        f"{publication.table.qualified}: {done.rows:,} rows loaded in {done.seconds:.1f} s ({rate:,.0f} rows/s),"
        f" {done.total:,} rows serve",
        markup=False,
    )
    if done.rejected:
        out.print(f"{done.rejected:,} lines were rejected: see {done.rejects}", style="yellow", markup=False)


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar on a terminal, nothing elsewhere."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:
        yield bar


def _watch(bar: Progress, name: str) -> Callable[[LoadProgress], None]:
    """Shows a load: rows, rows a second, and the time left by bytes while reading and by rows while writing."""
    tasks: dict[str, tuple[Any, float]] = {}

    def watch(progress: LoadProgress) -> None:
        if progress.phase not in tasks:
            tasks[progress.phase] = bar.add_task(f"{name}: {progress.phase}", rows=""), time.monotonic()
        task, begun = tasks[progress.phase]
        done, total = (progress.bytes, progress.total_bytes) if progress.phase == "reading" else (
            progress.rows, progress.total_rows,
        )  # fmt: skip
        rate = progress.rows / max(time.monotonic() - begun, 0.1)
        bar.update(task, completed=done, total=total, rows=f"{progress.rows:,} rows, {rate:,.0f}/s")

    return watch


# ------------------------------------------------------------------- demo


def demo(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make a synthetic sky, unless it is there, and serve it."""
    catalogue = catalogue_of(settings)
    wanted = [_publication(catalogue, id) for id in ("psc", "xsc")]
    if all(Store(settings.data).current(p.id) for p in wanted):
        out.print(f"The catalogues in {settings.data} are served as they are.", markup=False)
    else:
        _make_sky(wanted, parsed.rows, settings)
    if parsed.no_serve:
        return 0
    return _serve(settings, _say_demo)


def _make_sky(wanted: list[Publication], rows: int, settings: Settings) -> None:
    settings.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sky-", dir=settings.data) as folder, _bar() as bar:
        begun = time.monotonic()
        task = bar.add_task("making a synthetic sky", total=rows, rows="")

        def made(done: int) -> None:
            rate = done / max(time.monotonic() - begun, 0.1)
            bar.update(task, completed=done, rows=f"{done:,} rows, {rate:,.0f}/s")

        files = sample.write_all(Path(folder), rows, compress=False, progress=made)
        for publication in wanted:
            mine = [f for f in files if f.name.startswith(publication.id)]
            watch = _watch(bar, publication.table.qualified)
            _say_loaded(publication, load(publication, mine, Store(settings.data), progress=watch))


def _say_demo(url: str) -> None:
    out.print(
        f"""
Serving a synthetic 2MASS sky at {url}

  TAP          {url}/tap
  cone search  {url}/cone/psc?  and  {url}/cone/xsc?

Three things to try:

  1. Open {url}/ in a browser.
  2. curl '{url}/cone/psc?RA=266.4&DEC=-29.0&SR=0.2&RESPONSEFORMAT=csv'
  3. In Python, after pip install pyvo:
       import pyvo
       tap = pyvo.dal.TAPService("{url}/tap")
       print(tap.run_sync("SELECT TOP 5 designation, j_m - k_m AS jk FROM psc WHERE k_m < 8").to_table())

Stop with Ctrl-C.""",
        markup=False,
        soft_wrap=True,
    )


# ------------------------------------------------------------------ serve


def serve(parsed: argparse.Namespace, settings: Settings) -> int:
    """Serve what is loaded."""
    return _serve(settings, lambda url: print(f"vo-server: serving {settings.data} at {url}", flush=True))


def application() -> Starlette:
    """The application of a worker process, whose settings are all in its environment."""
    return create_app(read({}, os.environ, None))


def _serve(settings: Settings, ready: Callable[[str], None]) -> int:
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    url = settings.public_url.rstrip("/") or f"http://{_shown(host)}:{port}"
    threading.Thread(target=_announce, args=(host, port, lambda: ready(url)), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn passes it on after its own clean stop
    config = uvicorn.Config(
        "vo_server.__main__:application" if settings.workers > 1 else create_app(settings),
        factory=settings.workers > 1,
        workers=settings.workers,
        log_level=settings.log_level.lower(),
        access_log=settings.log_level.lower() in ("debug", "info"),
        server_header=False,
        headers=[("Server", SOFTWARE)],
        timeout_graceful_shutdown=GRACE,
        proxy_headers=False,
    )
    with suppress(KeyboardInterrupt):
        if settings.workers > 1:
            _export(settings)
            Multiprocess(config, sockets=[listening]).run()
        else:
            server = uvicorn.Server(config)
            server.run(sockets=[listening])
            return 0 if server.started else 1
    return 0


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        raise UsageFault(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from None
    listening.set_inheritable(True)
    return listening


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _export(settings: Settings) -> None:
    """Put the settings where the worker processes find them."""
    for name, _, _ in described():
        os.environ[PREFIX + name.upper()] = str(getattr(settings, name))
    os.environ.pop(f"{PREFIX}CONFIG", None)


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


if __name__ == "__main__":
    sys.exit(main())

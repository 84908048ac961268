"""The command line: demo, load, serve, check.

Exit codes: 0 done; 1 it failed and said why; 2 the command was not understood; 3 loaded, but lines were rejected.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import re
import shutil
import signal
import socket
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import fields
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NoReturn

import uvicorn
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from starlette.applications import Starlette
from typing_extensions import override
from uvicorn.supervisors import Multiprocess

from vo_server import __version__
from vo_server.app import SOFTWARE, catalogue_of, create_app, engine_of
from vo_server.catalogue.catalogue import Catalogue, Publication
from vo_server.catalogue.similar import similar
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.engines.store import Store
from vo_server.errors import BusyFault, Fault, UsageFault
from vo_server.load import sample
from vo_server.load.load import Loaded, load
from vo_server.load.load import Progress as LoadProgress
from vo_server.load.sinks import sink
from vo_server.settings import PREFIX, Settings, described, read

DEMO_ROWS = 500_000
GRACE = 10
"""Seconds that answers under way get to finish when the server is told to stop."""

out = Console(stderr=True, highlight=False)


def say(text: str, style: str = "") -> None:
    """A message to the person at the terminal; lines are left as they are."""
    out.print(text, style=style, markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the result is its exit code."""
    try:
        parsed = _parser().parse_args(arguments)
        signal.signal(signal.SIGTERM, _terminated)
        settings = _settings(parsed)
        logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        command: Callable[[argparse.Namespace, Settings], int] = parsed.command
        return command(parsed, settings)
    except UsageFault as fault:
        say(f"vo-server: {fault}", "red")
        return 2
    except Fault as fault:
        say(f"vo-server: {fault}", "red")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:  # a folder that cannot be written, a disk that is full
        where = f"{error.filename}: " if error.filename else ""
        say(f"vo-server: {where}{error.strerror or error}", "red")
        return 1


def _terminated(*_: object) -> NoReturn:
    """SIGTERM ends a command as Ctrl-C does: what it has begun is tidied up."""
    sys.exit(128 + signal.SIGTERM)


def _settings(parsed: argparse.Namespace) -> Settings:
    names = {f.name for f in fields(Settings)}
    flags = {name: value for name, value in vars(parsed).items() if name in names}
    config = parsed.config or os.environ.get(f"{PREFIX}CONFIG")
    return read(flags, os.environ, Path(config) if config else None)


# -------------------------------------------------------------- arguments


class _Parser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line and not below a page of usage."""

    @override
    def error(self, message: str) -> NoReturn:
        raise UsageFault(message, hint=f"{self.prog} --help tells more")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vo-server",
        description="A Virtual Observatory server: TAP, cone search and VOSI over your catalogues.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vo-server {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _demo_arguments(_command(commands, "demo", "make a synthetic sky and serve it", demo))
    _load_arguments(_command(commands, "load", "load files into a catalogue", load_files, _LOAD_EXAMPLES))
    _serve_arguments(_command(commands, "serve", "serve what is loaded", serve))
    _command(commands, "check", "read the catalogue files and list the catalogues", check)
    return parser


def _epilog() -> str:
    wide = min(shutil.get_terminal_size().columns, 110)
    rows = "\n".join(
        textwrap.fill(f"{PREFIX}{name.upper():12} {_help(name)}", wide, initial_indent="  ", subsequent_indent=" " * 25)
        for name, _, _ in described()
    )
    return (
        "settings:\n"
        "  Flags come first, then these variables, then the TOML file that --config or\n"
        f"  {PREFIX}CONFIG names (names there in lower case, without {PREFIX}).\n\n"
        f"{rows}\n\n"
        "exit codes:\n  0 done, 1 failed, 2 not understood, 3 loaded but lines were rejected"
    )


def _command(
    commands: Any, name: str, help: str, run: Callable[..., int], epilog: str | None = None
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    parser.add_argument("--data", metavar="DIR", help=_help("data"))
    parser.add_argument("--engine", metavar="URL", help=_help("engine"))
    parser.add_argument("--schemas", metavar="DIR[:DIR]", help=_help("schemas"))
    parser.add_argument("--config", metavar="FILE", help="a TOML file of settings")
    parser.add_argument("--log-level", metavar="LEVEL", help=_help("log_level"))
    return parser


def _help(name: str) -> str:
    help, default = next((help, default) for n, default, help in described() if n == name)
    return f"{help} (default: {default})" if default not in ("", None) else help


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=_count, default=DEMO_ROWS, metavar="N", help=f"point sources to make (default: {DEMO_ROWS})"
    )
    parser.add_argument("--no-serve", action="store_true", help="only make and load the sky")
    _address(parser)


_LOAD_EXAMPLES = """examples:
  vo-server load psc 'psc_*.gz'             the release's 92 files
  vo-server load xsc xsc_aaa.gz xsc_baa.gz
  zcat psc_aaa.gz | vo-server load psc -    from a pipe
  vo-server load stars stars.fits --append  columns are matched by name

Bulk files of the release, FITS, VOTable, CSV, IPAC and Parquet tables are told
by their content, gzip or not."""


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
    parser.add_argument("--workers", metavar="N", help=_help("workers"))


def _address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", metavar="H", help=_help("host"))
    parser.add_argument("--port", metavar="N", help=_help("port"))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


# ------------------------------------------------------------------- load


def load_files(parsed: argparse.Namespace, settings: Settings) -> int:
    """Load files into a catalogue."""
    publication = _publication(catalogue_of(settings), parsed.table)
    with _bar() as bar:
        done = load(
            publication,
            parsed.files,
            Store(settings.data),
            sink=sink(settings.engine),
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
        say(f"warning: {warning}", "yellow")
    rate = done.rows / max(done.seconds, 1e-3)
    say(
        f"{publication.table.qualified}: {done.rows:,} rows loaded in {done.seconds:.1f} s ({rate:,.0f} rows/s),"
        f" {done.total:,} rows serve"
    )
    if done.rejected:
        say(f"{done.rejected:,} lines were rejected: see {done.rejects}", "yellow")


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
    phase, task, begun = "", TaskID(0), 0.0

    def watch(progress: LoadProgress) -> None:
        nonlocal phase, task, begun
        if progress.phase != phase:
            phase, begun = progress.phase, time.monotonic()
            for earlier in bar.task_ids:
                bar.remove_task(earlier)
            task = bar.add_task(f"{name}: {phase}", total=None, rows="")
        done, total = (progress.bytes, progress.total_bytes) if progress.phase == "reading" else (
            progress.rows, progress.total_rows,
        )  # fmt: skip
        rate = progress.rows / max(time.monotonic() - begun, 0.1)
        bar.update(task, completed=done, total=total, rows=f"{progress.rows:,} rows, {rate:,.0f}/s")

    return watch


# ------------------------------------------------------------------ check


def check(parsed: argparse.Namespace, settings: Settings) -> int:
    """Read the catalogue files and list the catalogues; a file that contradicts itself is a fault."""
    catalogue = catalogue_of(settings)
    loaded = _loaded(settings, catalogue)
    for publication in catalogue.publications:
        table = publication.table
        cone = "cone search" if publication.cone else "no cone search"
        state = f"loaded ({loaded[publication.id]})" if publication.id in loaded else "not loaded"
        print(f"{publication.id}: {table.qualified}, {len(table.columns)} columns, {cone}, {state}")
    return 0


def _loaded(settings: Settings, catalogue: Catalogue) -> dict[str, str]:
    """The catalogues that can be served, and where their rows lie or how many they are."""
    if not settings.engine:
        paths = {p.id: Store(settings.data).current(p.id) for p in catalogue.publications}
        return {id: str(path) for id, path in paths.items() if path is not None}
    engine = engine_of(settings, with_tap_schema(catalogue))
    try:
        rows = {p.id: engine.rows(p.table) for p in catalogue.publications}
    finally:
        engine.close()
    return {id: f"{count:,} rows" for id, count in rows.items() if count is not None}


# ------------------------------------------------------------------- demo


def demo(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make a synthetic sky, unless there is something to serve, and serve it."""
    catalogue = catalogue_of(settings)
    wanted = [_publication(catalogue, id) for id in ("psc", "xsc")]
    loaded = _loaded(settings, catalogue)
    missing = [p for p in wanted if p.id not in loaded]
    with nullcontext() if parsed.no_serve else _listen(settings) as listening:
        if missing == wanted or (missing and _workshop(settings).exists()):
            _make_sky(missing, parsed.rows, settings)
        else:
            say(f"The catalogues in {_source(settings)} are served as they are.")
        return 0 if listening is None else _serve(settings, listening, _say_demo)


def _workshop(settings: Settings) -> Path:
    """Where the files of the sky are made; it is there only while it is made, or if that was broken off."""
    return settings.data / "sky"


def _make_sky(wanted: list[Publication], rows: int, settings: Settings) -> None:
    folder = _workshop(settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with _bar() as bar:
            files = sample.write_all(folder, rows, compress=False, progress=_making(bar, rows))
            for publication in wanted:
                mine = [f for f in files if f.name.startswith(publication.id)]
                watch = _watch(bar, publication.table.qualified)
                done = load(publication, mine, Store(settings.data), sink=sink(settings.engine), progress=watch)
                _say_loaded(publication, done)
    finally:
        for file in folder.iterdir():
            file.unlink()
    folder.rmdir()


def _making(bar: Progress, rows: int) -> Callable[[int], None]:
    begun = time.monotonic()
    task = bar.add_task("making a synthetic sky", total=rows, rows="")

    def made(done: int) -> None:
        rate = done / max(time.monotonic() - begun, 0.1)
        bar.update(task, completed=done, rows=f"{done:,} rows, {rate:,.0f}/s")

    return made


def _say_demo(url: str) -> None:
    say(
        f"""
Serving at {url}

  TAP          {url}/tap
  cone search  {url}/cone/psc?  and  {url}/cone/xsc?

Three things to try:

  1. Open {url}/ in a browser.
  2. curl '{url}/cone/psc?RA=266.4&DEC=-29.0&SR=0.2&RESPONSEFORMAT=csv'
  3. In Python, after pip install pyvo:
       import pyvo
       tap = pyvo.dal.TAPService("{url}/tap")
       print(tap.run_sync("SELECT TOP 5 designation, k_m FROM psc WHERE k_m < 6").to_table())

Stop with Ctrl-C."""
    )


# ------------------------------------------------------------------ serve


def serve(parsed: argparse.Namespace, settings: Settings) -> int:
    """Serve what is loaded."""
    if not _loaded(settings, catalogue_of(settings)):
        say(f"warning: nothing is loaded in {_source(settings)} yet (vo-server load)", "yellow")
    with _listen(settings) as listening:
        return _serve(
            settings, listening, lambda url: print(f"vo-server: serving {_source(settings)} at {url}", flush=True)
        )


def _source(settings: Settings) -> str:
    """What is served, without a password that its URL may hold."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", settings.engine) or str(settings.data)


def application() -> Starlette:
    """The application of a worker process, whose settings are all in its environment."""
    return create_app(read({}, os.environ, None))


def _serve(settings: Settings, listening: socket.socket, ready: Callable[[str], None]) -> int:
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
        listening.close()
        hint = "--port takes another, 0 any free one" if error.errno == errno.EADDRINUSE else None
        raise BusyFault(
            f"cannot listen on {_shown(settings.host)}:{settings.port}: {error.strerror or error}", hint=hint
        ) from None
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

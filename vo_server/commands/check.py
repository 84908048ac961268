"""vo-server check: are the catalogue files in order, what is loaded, does the service keep what it says of itself."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import httpx
from rich.console import Console
from rich.text import Text
from starlette.applications import Starlette

from vo_server import check
from vo_server.app import DATES, SOFTWARE, catalogue_of, create_app
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.check import Check, Probe, Report
from vo_server.check.finding import Finding, Severity
from vo_server.check.response import NoAnswer
from vo_server.check.schemas import Unusable, found, schemas
from vo_server.commands.asgi_client import inside
from vo_server.commands.catalogues import loaded
from vo_server.commands.command import Command
from vo_server.commands.terminal import out, say
from vo_server.errors import ServiceError, UsageError
from vo_server.settings import Settings

HERE = "http://vo-server.invalid"
"""Where a service without a public URL thinks that it is, while it is asked in process."""

FEW = 5
"""Findings of a code that are shown: one reason may have many."""

RECORD = "check.json"
"""What --record keeps beside the data."""


class CheckFault(ServiceError):
    """The checks could not be made."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", metavar="URL", help="a running server or TAP service; else what is loaded")
    parser.add_argument("--only", metavar="CODES", help="the checks of these codes alone, or that begin so: TAP-,META-")
    parser.add_argument("--skip", metavar="CODES", help="not the checks of these codes, or that begin so")
    parser.add_argument("--list", action="store_true", help="list the checks and make none")
    parser.add_argument("--all", action="store_true", help=f"all findings, and not only {FEW} of each code")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument(
        "--xsd", metavar="DIR", help="the IVOA's XML schemas; else looked for in xsd here or below data"
    )
    parser.add_argument("--links", action="store_true", help="follow links to other servers, too")
    parser.add_argument("--record", action="store_true", help=f"keep the outcome as {RECORD} beside the data")


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Check what is loaded, or a running server."""
    checks = _chosen(parsed)
    if parsed.list:
        _list(checks)
        return 0
    if parsed.url:
        report = _asked(parsed.url, settings, checks, parsed)
    else:
        catalogue = catalogue_of(settings)
        there = loaded(settings, catalogue)
        if not parsed.json:
            _say_catalogues(catalogue, there)
        if not there:
            say("nothing is loaded, so there is no service to check (vo-server load)", "yellow")
            return 0
        report = check_service(settings, checks, parsed.xsd, elsewhere=parsed.links)
    if parsed.record:
        report.record(settings.data / RECORD)
    _say_report(report, parsed.json, parsed.all)
    return 1 if report.failed else 0


def check_service(
    settings: Settings,
    checks: Sequence[Check] = check.CHECKS,
    xsd: str | None = None,
    *,
    elsewhere: bool = False,
) -> Report:
    """What a server with these settings keeps of what it says, asked in this process and without a port.

    `elsewhere` follows links to other servers. Raises UsageError for a folder `xsd` without schemas.
    """
    url = settings.public_url.rstrip("/") or HERE
    known = _schemas(xsd, settings)
    paths = _paths(catalogue_of(settings).collections)
    with _application(settings) as app, inside(app, url, elsewhere=elsewhere) as client:
        return _made(Probe(client, url, paths, known, inside=True, elsewhere=elsewhere), checks)


@contextmanager
def _application(settings: Settings) -> Iterator[Starlette]:
    """With jobs and dates of its own: nobody runs the former, and the latter are those of a server that runs."""
    with tempfile.TemporaryDirectory(prefix="vo-server-check-") as folder:
        dates = settings.data / DATES
        if dates.exists():
            shutil.copy(dates, folder)
        yield create_app(replace(settings, jobs="", job_results=f"{folder}/jobs"), Path(folder) / DATES)


def _asked(url: str, settings: Settings, checks: Sequence[Check], parsed: argparse.Namespace) -> Report:
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no URL of http or https")
    with httpx.Client(timeout=60, headers={"User-Agent": f"{SOFTWARE} (IVOA-validate)"}) as client:
        paths = _paths(catalogue_of(settings).collections)
        probe = Probe(client, url, paths, _schemas(parsed.xsd, settings), elsewhere=parsed.links)
        return _made(probe, checks)


def _made(probe: Probe, checks: Sequence[Check]) -> Report:
    with out.status("checking ...") as shown:
        try:
            return check.run(probe, checks, lambda each: shown.update(f"checking {each.code}: {each.title}"))
        except NoAnswer as fault:
            raise CheckFault(str(fault)) from None


def _paths(publications: Sequence[Collection]) -> list[str]:
    """Where a server of ours may have services beside TAP."""
    ids = [p.id for p in publications]
    return [*(f"{kind}/{id}" for kind in ("cone", "sia1") for id in ids), "sia2", "datalink", "soda", "oai"]


def _schemas(given: str | None, settings: Settings) -> object | None:
    path = Path(given) if given else found(Path(), settings.data)
    try:
        return schemas(path) if path else None
    except Unusable as error:
        raise UsageError(f"--xsd: {error}" if given else str(error)) from None


def _chosen(parsed: argparse.Namespace) -> tuple[Check, ...]:
    only, skip = ([c for c in (text or "").split(",") if c] for text in (parsed.only, parsed.skip))
    try:
        return check.chosen(only, skip)
    except KeyError as code:
        raise UsageError(f"no check has a code that begins with {code.args[0]}", hint="--list shows them") from None


# --------------------------------------------------------------- what is said


def _list(checks: Sequence[Check]) -> None:
    for each in checks:
        print(f"{each.code:16} {each.severity:8} {each.title} [{each.section}]")


def _say_catalogues(catalogue: Catalogue, there: dict[str, str]) -> None:
    for publication in catalogue.collections:
        table = publication.table
        cone = "cone search" if publication.cone else "no cone search"
        state = f"loaded ({there[publication.id]})" if publication.id in there else "not loaded"
        print(f"{publication.id}: {table.qualified}, {len(table.columns)} columns, {cone}, {state}")


_STYLES: dict[Severity, str] = {"error": "red", "warning": "yellow"}


def _styled(line: str, finding: Finding) -> Text:
    text = Text(line)
    text.stylize(_STYLES[finding.severity], 0, len(f"{finding.code:16} {finding.severity:8}"))
    text.stylize("dim", len(line) - len(finding.section) - 2)
    return text


def _say_report(report: Report, as_json: bool, shown_all: bool) -> None:
    if as_json:
        print(report.as_json())
        return
    page = Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)
    for code, lines in groupby(report.lines(), lambda pair: pair[1].code):
        found = list(lines)
        most = len(found) if shown_all else FEW
        for line, finding in found[:most]:
            page.print(_styled(line, finding))
        if found[most:]:
            page.print(f"{code:16} and {len(found) - most} more, which --all shows", style="dim")
    for why in dict.fromkeys(why for _, why in report.skipped):
        codes = ", ".join(code for code, reason in report.skipped if reason == why)
        page.print(f"not made: {codes}: {why}", style="dim")
    style = "red" if report.failed else "yellow" if report.findings else "green"
    page.print(f"{report.url}: {report.summary} ({report.requests} requests, {report.seconds:.1f} s)", style=style)


CHECK = Command(
    "check",
    "check the catalogue files, and all that the service says of itself",
    _run,
    _arguments,
    epilog="exit codes:\n  0 no errors were found, 1 some were, 2 not understood",
)

"""vo-server check: validate the catalogue files and a running service."""

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
from vo_server.app import create_app
from vo_server.assembly import SOFTWARE, load_site_catalogue
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.check import Check, CheckReport, Probe
from vo_server.check.finding import Finding, Severity
from vo_server.check.response import NoResponse
from vo_server.check.schemas import UnusableSchemas, find_schemas, load_schemas
from vo_server.commands.asgi_client import connect
from vo_server.commands.catalogue_lookup import find_loaded
from vo_server.commands.terminal import console, say
from vo_server.errors import Code, ServiceError, UsageError
from vo_server.http.health import CHECK_FILE
from vo_server.settings import Settings
from vo_server.site import DATESTAMP_FILE

IN_PROCESS_URL = "http://vo-server.invalid"
"""The URL of a service that is checked in process and has no public URL."""

MAX_FINDINGS_SHOWN = 5
"""Findings of a code that are shown without --all."""


class CheckFailedError(ServiceError):
    """The checks could not be run."""

    default_code = Code.SERVICE_UNAVAILABLE


EPILOG = "exit codes:\n  0 no errors were found, 1 some were, 2 invalid command or settings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="a running server or TAP service (default: the loaded tables)",
    )
    parser.add_argument("--only", metavar="CODES", help="run only checks whose codes begin so, such as TAP-,META-")
    parser.add_argument("--skip", metavar="CODES", help="leave out checks whose codes begin so")
    parser.add_argument("--list", action="store_true", help="list the checks and run none")
    parser.add_argument(
        "--all", action="store_true", help=f"print all findings, not only {MAX_FINDINGS_SHOWN} of each code"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--xsd", metavar="DIR", help="the folder of the IVOA's XML schemas (default: xsd here or in the data folder)"
    )
    parser.add_argument("--links", action="store_true", help="also follow links to other servers")
    parser.add_argument("--record", action="store_true", help=f"write the outcome to {CHECK_FILE} in the data folder")


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Check what is loaded, or a running server."""
    checks = _select_checks(parsed)
    if parsed.list:
        _print_checks(checks)
        return 0
    if parsed.url:
        report = _check_url(parsed.url, settings, checks, parsed)
    else:
        catalogue = load_site_catalogue(settings)
        loaded = find_loaded(settings, catalogue)
        if not parsed.json:
            _print_collections(catalogue, loaded)
        if not loaded:
            say("nothing is loaded, so there is no service to check (vo-server load)", "yellow")
            return 0
        report = check_service(settings, checks, parsed.xsd, network=parsed.links)
    if parsed.record:
        report.write_summary(settings.data / CHECK_FILE)
    _print_report(report, parsed.json, parsed.all)
    return 1 if report.failed else 0


def check_service(
    settings: Settings,
    checks: Sequence[Check] = check.CHECKS,
    xsd: str | None = None,
    *,
    network: bool = False,
) -> CheckReport:
    """Check a server with these settings, run in this process and without a port.

    `network` follows links to other servers. Raises UsageError for a folder `xsd` without schemas.
    """
    url = settings.public_url.rstrip("/") or IN_PROCESS_URL
    schemas = _load_schemas(xsd, settings)
    paths = _service_paths(load_site_catalogue(settings).collections)
    with _application(settings) as app, connect(app, url, network=network) as client:
        return _run_checks(Probe(client, url, paths, schemas, in_process=True, network=network), checks)


@contextmanager
def _application(settings: Settings) -> Iterator[Starlette]:
    """Start the application with a job store of its own and a copy of the registry dates of a running server."""
    with tempfile.TemporaryDirectory(prefix="vo-server-check-") as folder:
        dates = settings.data / DATESTAMP_FILE
        if dates.exists():
            shutil.copy(dates, folder)
        yield create_app(replace(settings, jobs="", job_results=f"{folder}/jobs"), Path(folder) / DATESTAMP_FILE)


def _check_url(url: str, settings: Settings, checks: Sequence[Check], parsed: argparse.Namespace) -> CheckReport:
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} must be an http or https URL", code=Code.SETTINGS_INVALID)
    with httpx.Client(timeout=60, headers={"User-Agent": f"{SOFTWARE} (IVOA-validate)"}) as client:
        paths = _service_paths(load_site_catalogue(settings).collections)
        probe = Probe(client, url, paths, _load_schemas(parsed.xsd, settings), network=parsed.links)
        return _run_checks(probe, checks)


def _run_checks(probe: Probe, checks: Sequence[Check]) -> CheckReport:
    with console.status("checking ...") as status:
        try:
            return check.run_checks(probe, checks, lambda each: status.update(f"checking {each.code}: {each.title}"))
        except NoResponse as error:
            raise CheckFailedError(str(error)) from None


def _service_paths(collections: Sequence[Collection]) -> list[str]:
    """Return the paths at which a vo_server may have services besides TAP."""
    ids = [collection.id for collection in collections]
    return [*(f"{kind}/{id}" for kind in ("cone", "sia1") for id in ids), "sia2", "datalink", "soda", "oai"]


def _load_schemas(folder: str | None, settings: Settings) -> object | None:
    path = Path(folder) if folder else find_schemas(Path(), settings.data)
    try:
        return load_schemas(path) if path else None
    except UnusableSchemas as error:
        raise UsageError(f"--xsd: {error}" if folder else str(error), code=Code.SETTINGS_INVALID) from None


def _select_checks(parsed: argparse.Namespace) -> tuple[Check, ...]:
    only, skip = ([c for c in (text or "").split(",") if c] for text in (parsed.only, parsed.skip))
    try:
        return check.select_checks(only, skip)
    except KeyError as code:
        raise UsageError(
            f"no check has a code that begins with {code.args[0]}", hint="--list shows them", code=Code.SETTINGS_INVALID
        ) from None


# -------------------------------------------------------------------- output


def _print_checks(checks: Sequence[Check]) -> None:
    for each in checks:
        print(f"{each.code:16} {each.severity:8} {each.title} [{each.section}]")


def _print_collections(catalogue: Catalogue, loaded: dict[str, str]) -> None:
    for collection in catalogue.collections:
        table = collection.table
        cone = "cone search" if collection.cone else "no cone search"
        state = f"loaded ({loaded[collection.id]})" if collection.id in loaded else "not loaded"
        print(f"{collection.id}: {table.qualified_name}, {len(table.columns)} columns, {cone}, {state}")


_STYLES: dict[Severity, str] = {"error": "red", "warning": "yellow"}


def _style_line(line: str, finding: Finding) -> Text:
    text = Text(line)
    text.stylize(_STYLES[finding.severity], 0, len(f"{finding.code:16} {finding.severity:8}"))
    text.stylize("dim", len(line) - len(finding.section) - 2)
    return text


def _print_report(report: CheckReport, as_json: bool, show_all: bool) -> None:
    if as_json:
        print(report.as_json())
        return
    page = Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)
    for code, lines in groupby(report.format_lines(), lambda pair: pair[1].code):
        findings = list(lines)
        shown = len(findings) if show_all else MAX_FINDINGS_SHOWN
        for line, finding in findings[:shown]:
            page.print(_style_line(line, finding))
        if findings[shown:]:
            page.print(f"{code:16} and {len(findings) - shown} more, shown by --all", style="dim")
    for why in dict.fromkeys(why for _, why in report.skipped):
        codes = ", ".join(code for code, reason in report.skipped if reason == why)
        page.print(f"skipped: {codes}: {why}", style="dim")
    style = "red" if report.failed else "yellow" if report.findings else "green"
    subject = "the loaded tables" if report.url == IN_PROCESS_URL else report.url
    page.print(f"{subject}: {report.summary} ({report.requests} requests, {report.seconds:.1f} s)", style=style)

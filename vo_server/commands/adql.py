"""vo-server adql: explain a query without running it."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from rich.console import Console

from vo_server.answer import compile_query, expand_obscore
from vo_server.assembly import load_site_catalogue, open_site_engine
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.commands.command import add_strict_argument, setting_help
from vo_server.commands.terminal import console, print_error
from vo_server.errors import ServiceError
from vo_server.explain import ExplainRequest, Explanation, explain
from vo_server.explain.json import as_json
from vo_server.explain.text import WIDTH, build_sections
from vo_server.obscore.query import ImageUrls
from vo_server.protocols import make_site_urls
from vo_server.settings import Settings

EPILOG = """examples:
  vo-server adql "SELECT TOP 5 ra, dec FROM psc WHERE k_m < 8"
  vo-server adql --data /srv/vo --format json - < query.adql
  vo-server adql check queries.jsonl            see: vo-server adql check --help

It prints the estimated rows and bytes, the tables that are read and the part of
the sky that their index leaves, the columns, the SQL of the database with all
values in place, and the plan of the database. The tables must be loaded; no row
is read.

exit codes:
  0 the query is valid, 1 it is not"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("query", metavar="QUERY", help="a query in ADQL; - reads it from standard input")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for people (default) or programs")
    add_strict_argument(parser)
    parser.add_argument("--maxrec", metavar="N", help=setting_help("maxrec"))


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Explain a query."""
    text = sys.stdin.read() if parsed.query == "-" else parsed.query
    catalogue = add_tap_schema(load_site_catalogue(settings))
    with closing(open_site_engine(settings, catalogue)) as engine:
        try:
            base = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
            urls = ImageUrls(make_site_urls(base, catalogue))
            query = expand_obscore(
                compile_query(text, catalogue, engine.unsupported_functions(), settings.strict), catalogue, engine, urls
            )
            maxrec = min(settings.maxrec, settings.maxrec_hard)
            explanation = explain(ExplainRequest(text, query, engine, maxrec, settings.timeout))
        except ServiceError as error:  # the query is invalid, the command line is not
            print_error(console, error, "vo-server: ")
            return 1
    if parsed.format == "json":
        sys.stdout.write(as_json(explanation).decode())
    else:
        _print(explanation)
    return 0


def _print(explanation: Explanation) -> None:
    """Print the sections, with bold headings on a terminal."""
    page = Console(highlight=False)
    for number, section in enumerate(build_sections(explanation, page.width if page.is_terminal else WIDTH)):
        page.print(f"{chr(10) if number else ''}{section.title}", style="bold", markup=False, soft_wrap=True)
        for line in section.lines:
            page.print(f"  {line}", markup=False, soft_wrap=True)

"""vo-server adql check: validate the queries of files."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from vo_server.adql.syntax.parse import parse
from vo_server.answer import compile_query
from vo_server.assembly import load_site_catalogue
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.commands.command import add_strict_argument
from vo_server.commands.queries import QueryEntry, read_entries
from vo_server.commands.terminal import print_error, say
from vo_server.errors import Code, EngineError, ServiceError, UsageError
from vo_server.settings import Settings

log = logging.getLogger(__name__)

Validator = Callable[[str], tuple[str, ...]]
"""Returns the warnings of a query; raises the error of an invalid one."""

Reporter = Callable[[str, QueryEntry, "ServiceError | None", tuple[str, ...]], None]
"""Writes the outcome for an entry of a file: its error, if any, and its warnings."""

EPILOG = """examples:
  vo-server adql check queries.jsonl            with the tables of this service
  vo-server adql check --syntax-only < q.jsonl  without looking up names
  vo-server adql check nightly.sql              queries that end with ;
  vo-server adql check *.jsonl --format text    only errors, for people

Each JSON line is an object whose key "adql" is the query. It is written
back with "ok"; for an error with "error", "line" and "column" in the query,
"hint", "code" and, if there are several, all "errors"; with "warnings" if there
are any. All other keys stay. A line that is no such object comes back as
"input", with "file" and "file_line". No table need be loaded.

exit codes:
  0 all queries are valid, 1 some are not"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="JSON lines, or .sql and .adql files; - (default) for standard input",
    )
    parser.add_argument("--syntax-only", action="store_true", help="do not look up names of tables and columns")
    add_strict_argument(parser)
    parser.add_argument("--format", choices=("json", "text"), default="json", help="for programs (default) or people")


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Check the queries of files."""
    validate = _syntax_validator(settings) if parsed.syntax_only else _catalogue_validator(settings)
    report: Reporter = _print_json if parsed.format == "json" else _print_text
    total = invalid = 0
    for name in parsed.files or ["-"]:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            for entry in read_entries(name, file):
                error, warnings = _validate(entry, validate)
                report("standard input" if name == "-" else name, entry, error, warnings)
                total, invalid = total + 1, invalid + (error is not None)
    say(f"{total:,} {'query' if total == 1 else 'queries'}, {invalid:,} invalid")
    return 1 if invalid else 0


def _syntax_validator(settings: Settings) -> Validator:
    def validate(text: str) -> tuple[str, ...]:
        parse(text, settings.strict)
        return ()

    return validate


def _catalogue_validator(settings: Settings) -> Validator:
    catalogue = add_tap_schema(load_site_catalogue(settings))
    return lambda text: compile_query(text, catalogue, strict=settings.strict).warnings


def _validate(entry: QueryEntry, validate: Validator) -> tuple[ServiceError | None, tuple[str, ...]]:
    if entry.query is None:
        return UsageError(entry.problem, code=Code.REQUEST_MALFORMED), ()
    try:
        return None, validate(entry.query)
    except ServiceError as error:
        return error, ()
    except Exception as error:
        log.exception("%s", entry.query)
        return EngineError(f"internal error ({type(error).__name__})"), ()


# ---------------------------------------------------------------- output

_OUTPUT_KEYS = ("ok", "error", "line", "column", "hint", "code", "errors", "warnings", "file", "file_line")


def _print_json(file: str, entry: QueryEntry, error: ServiceError | None, warnings: tuple[str, ...]) -> None:
    result: dict[str, Any] = {"ok": error is None}
    if error is not None:
        record = error.as_dict()
        result |= {"error": record.pop("message")} | (
            record if entry.query is not None else {"code": str(Code.REQUEST_MALFORMED)}
        )
    if warnings:
        result["warnings"] = list(warnings)
    if entry.query is None:
        result |= {"file": file, "file_line": entry.line}
    row = entry.row
    if "ok" in row:  # the output of an earlier check
        row = {name: value for name, value in row.items() if name not in _OUTPUT_KEYS}
    sys.stdout.write(_to_json_line(row | result))
    sys.stdout.flush()


def _to_json_line(row: dict[str, Any]) -> str:
    """Return a line of JSON; surrogates, which UTF-8 cannot encode, are escaped."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(row)
    return f"{text}\n"


def _print_text(file: str, entry: QueryEntry, error: ServiceError | None, warnings: tuple[str, ...]) -> None:
    page = Console(highlight=False)
    for warning in warnings:
        page.print(f"{file}:{entry.line}: warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    if error is not None:
        print_error(page, error, f"{file}:{entry.line}: ")

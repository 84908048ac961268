"""vo-server adql check: is each query of a file ADQL that this service understands?"""

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
from vo_server.answer import meaning
from vo_server.app import catalogue_of
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.commands.command import Command, strictly
from vo_server.commands.queries import Entry, entries
from vo_server.commands.terminal import say, told
from vo_server.errors import EngineError, ServiceError
from vo_server.settings import Settings

log = logging.getLogger(__name__)

Judge = Callable[[str], tuple[str, ...]]
"""The warnings that a query gives; raises the fault of one that is refused."""

Tell = Callable[[str, Entry, "ServiceError | None", tuple[str, ...]], None]
"""Writes the verdict on an entry of a file: what is wrong with it, None for nothing, and its warnings."""

_EXAMPLES = """examples:
  vo-server adql check queries.jsonl            by the tables of this service
  vo-server adql check --syntax-only < q.jsonl  names are not looked up
  vo-server adql check nightly.sql              queries, each ended by a ;
  vo-server adql check *.jsonl --format text    only what is wrong, for people

A line of JSON lines is an object whose key "adql" is the query. It is written
back with "ok"; if it is not ok, with "error", "line" and "column" in the query,
"hint", "code" and, of several, all "errors"; with "warnings" if there are any.
All other keys stay. What is no such object comes back as "input", with "file"
and "file_line". Nothing need be loaded.

exit codes:
  0 all queries are ok, 1 some are not"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="JSON lines, or .sql and .adql files; - is standard input, the default"
    )
    parser.add_argument("--syntax-only", action="store_true", help="leave names of tables and columns unresolved")
    strictly(parser)
    parser.add_argument("--format", choices=("json", "text"), default="json", help="for programs (default) or people")


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    judge = _syntax(settings) if parsed.syntax_only else _of_service(settings)
    tell: Tell = _as_json if parsed.format == "json" else _as_text
    total = wrong = 0
    for name in parsed.files or ["-"]:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            for entry in entries(name, file):
                fault, warnings = _verdict(entry, judge)
                tell("standard input" if name == "-" else name, entry, fault, warnings)
                total, wrong = total + 1, wrong + (fault is not None)
    say(f"{total:,} {'query' if total == 1 else 'queries'}, {wrong:,} not ok")
    return 1 if wrong else 0


def _syntax(settings: Settings) -> Judge:
    def judge(text: str) -> tuple[str, ...]:
        parse(text, settings.strict)
        return ()

    return judge


def _of_service(settings: Settings) -> Judge:
    catalogue = with_tap_schema(catalogue_of(settings))
    return lambda text: meaning(text, catalogue, strict=settings.strict).warnings


def _verdict(entry: Entry, judge: Judge) -> tuple[ServiceError | None, tuple[str, ...]]:
    if entry.query is None:
        return ServiceError(entry.problem), ()
    try:
        return None, judge(entry.query)
    except ServiceError as fault:
        return fault, ()
    except Exception as error:
        log.exception("%s", entry.query)
        return EngineError(f"internal error ({type(error).__name__})"), ()


# ---------------------------------------------------------------- writing

_SAID = ("ok", "error", "line", "column", "hint", "code", "errors", "warnings", "file", "file_line")


def _as_json(file: str, entry: Entry, fault: ServiceError | None, warnings: tuple[str, ...]) -> None:
    said: dict[str, Any] = {"ok": fault is None}
    if fault is not None:
        record = fault.as_dict()
        said |= {"error": record.pop("message")} | (record if entry.query is not None else {"code": "INPUT"})
    if warnings:
        said["warnings"] = list(warnings)
    if entry.query is None:
        said |= {"file": file, "file_line": entry.line}
    before = entry.row
    if "ok" in before:  # it has been checked before
        before = {name: value for name, value in before.items() if name not in _SAID}
    sys.stdout.write(_line(before | said))
    sys.stdout.flush()


def _line(row: dict[str, Any]) -> str:
    """JSON may spell halves of characters, which UTF-8 cannot."""
    said = json.dumps(row, ensure_ascii=False)
    try:
        said.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        said = json.dumps(row)
    return f"{said}\n"


def _as_text(file: str, entry: Entry, fault: ServiceError | None, warnings: tuple[str, ...]) -> None:
    page = Console(highlight=False)
    for warning in warnings:
        page.print(f"{file}:{entry.line}: warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    if fault is not None:
        told(page, fault, f"{file}:{entry.line}: ")


CHECK_QUERIES = Command("adql check", "check files of queries, without running them", _run, _arguments, _EXAMPLES)

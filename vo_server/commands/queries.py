"""Files of queries: JSON lines whose key `adql` is a query, or queries that end with a semicolon.

They are read lazily, so that a file may have any length and a pipe is processed as it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

STATEMENT_SUFFIXES = (".sql", ".adql")
"""Suffixes of files that hold queries instead of JSON lines."""


@dataclass(frozen=True, slots=True)
class QueryEntry:
    """An entry of a file of queries, which may lack its query.

    `line` is its line in the file, from 1, `row` its JSON object. Where `query` is None, `problem` is the reason.
    """

    line: int
    row: dict[str, Any]
    query: str | None
    problem: str = ""


def read_entries(name: str, file: IO[bytes]) -> Iterator[QueryEntry]:
    """Yield the entries of a file, whose suffix determines the format; blank lines are skipped."""
    if Path(name).suffix.lower() in STATEMENT_SUFFIXES:
        yield from _read_statements(file)
        return
    for number, line in enumerate(file, 1):
        if line.strip():
            yield _parse_entry(number, line)


def _parse_entry(number: int, line: bytes) -> QueryEntry:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _unreadable_entry(number, line, f"the line is not JSON: {error}")
    if not isinstance(row, dict):
        return _unreadable_entry(number, line, "the line is not a JSON object")
    if "adql" not in row:
        return QueryEntry(number, row, None, "the JSON object has no key 'adql'")
    if not isinstance(row["adql"], str):
        return QueryEntry(number, row, None, "'adql' must be a string")
    return QueryEntry(number, row, row["adql"])


def _unreadable_entry(number: int, line: bytes, problem: str) -> QueryEntry:
    return QueryEntry(number, {"input": line.decode(errors="replace").rstrip("\r\n")}, None, problem)


def _read_statements(file: IO[bytes]) -> Iterator[QueryEntry]:
    """Yield the queries; each ends with a semicolon at the end of a line."""
    lines: list[str] = []
    begin = 1
    for number, line in enumerate(file, 1):
        lines.append(line.decode(errors="replace"))
        if not lines[0].strip():
            lines, begin = [], number + 1
        elif lines[-1].rstrip().endswith(";"):
            yield _to_statement(begin, lines)
            lines, begin = [], number + 1
    if lines:
        yield _to_statement(begin, lines)


def _to_statement(begin: int, lines: list[str]) -> QueryEntry:
    text = "".join(lines).rstrip().removesuffix(";")
    return QueryEntry(begin, {"adql": text}, text)

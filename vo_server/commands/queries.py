"""Files of queries: JSON lines whose key `adql` is a query, or queries that a semicolon ends.

They are read as they are asked for, so that a file may be of any length and a pipe is heard as it speaks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

STATEMENTS = (".sql", ".adql")
"""How the names of files end that hold queries and no JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A query of a file, or a line that should hold one.

    `line` is where it stands, from 1; `row` is what came with it. Where `query` is None, `problem` says why.
    """

    line: int
    row: dict[str, Any]
    query: str | None
    problem: str = ""


def entries(name: str, file: IO[bytes]) -> Iterator[Entry]:
    """What a file holds, by the end of its name; lines of blanks are passed over."""
    if Path(name).suffix.lower() in STATEMENTS:
        yield from _statements(file)
        return
    for number, line in enumerate(file, 1):
        if line.strip():
            yield _entry(number, line)


def _entry(number: int, line: bytes) -> Entry:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _unread(number, line, f"the line is not JSON: {error}")
    if not isinstance(row, dict):
        return _unread(number, line, "the line is not a JSON object")
    if "adql" not in row:
        return Entry(number, row, None, "the line has no key adql")
    if not isinstance(row["adql"], str):
        return Entry(number, row, None, "adql is not a text")
    return Entry(number, row, row["adql"])


def _unread(number: int, line: bytes, problem: str) -> Entry:
    return Entry(number, {"input": line.decode(errors="replace").rstrip("\r\n")}, None, problem)


def _statements(file: IO[bytes]) -> Iterator[Entry]:
    """Queries up to a semicolon at the end of a line."""
    lines: list[str] = []
    begin = 1
    for number, line in enumerate(file, 1):
        lines.append(line.decode(errors="replace"))
        if not lines[0].strip():
            lines, begin = [], number + 1
        elif lines[-1].rstrip().endswith(";"):
            yield _statement(begin, lines)
            lines, begin = [], number + 1
    if lines:
        yield _statement(begin, lines)


def _statement(begin: int, lines: list[str]) -> Entry:
    text = "".join(lines).rstrip().removesuffix(";")
    return Entry(begin, {"adql": text}, text)

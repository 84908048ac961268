"""Golden messages for invalid queries: mistakes/*.txt holds queries and the errors that they give.

Each entry is the query, an empty line, and each error as its code and the text that a client gets. A query that is
valid but has warnings is followed by these. strict.txt is parsed strictly. `--update-golden` rewrites the messages.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.shipped import SHIPPED
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.errors import QueryError

FILES = sorted((Path(__file__).parent / "mistakes").glob("*.txt"))
CATALOGUE = add_tap_schema(SHIPPED)
RULE = "-" * 100


def format_message(text: str, strict: bool) -> str:
    """Return the codes and texts of the errors of a query, or its warnings."""
    try:
        resolved = resolve(parse(text, strict), CATALOGUE, text)
    except QueryError as error:
        errors = zip((error, *error.other_errors), str(error).split("\n\n"), strict=True)
        lines = "\n\n".join(f"{each.code}\n{shown}" for each, shown in errors).splitlines()
        return "\n".join(line.rstrip() for line in lines)
    assert resolved.warnings, f"neither error nor warning: {text}"
    return "\n".join(f"Warning: {warning}" for warning in resolved.warnings)


def read_entries(file: Path) -> list[tuple[str, str]]:
    """Return the queries of a file and the messages that are expected."""
    parts = (part.strip("\n").split("\n\n", 1) for part in file.read_text(encoding="utf-8").split(RULE))
    return [(text, message[0].strip("\n") if message else "") for text, *message in parts]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_messages_are_as_expected(file: Path, request: pytest.FixtureRequest) -> None:
    entries = [(text, format_message(text, file.stem == "strict")) for text, _ in read_entries(file)]
    if request.config.getoption("--update-golden", default=False):
        content = f"\n{RULE}\n".join(f"{text}\n\n{message}\n" for text, message in entries)
        file.write_text(content, encoding="utf-8")
    assert read_entries(file) == entries


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_each_error_has_code_line_and_column(file: Path) -> None:
    for text, message in read_entries(file):
        for part in message.split("\n\n"):
            assert re.match(r"ADQL\.[A-Z_]+\nLine \d+, column \d+: |Warning: ", part), text

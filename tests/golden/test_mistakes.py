"""Queries that are refused, and what is said of them: mistakes/*.txt, in pairs.

Each pair is the query, an empty line, and the message as a client gets it. A query that runs, and of which something is
said nevertheless, has its warnings. strict.txt is read strictly. `--update-golden` writes the messages anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.catalogue.load import builtin_schemas, load_catalogue
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.errors import QueryError

FILES = sorted((Path(__file__).parent / "mistakes").glob("*.txt"))
CATALOGUE = with_tap_schema(load_catalogue([builtin_schemas() / "catalogues"]))
RULE = "-" * 100


def message(text: str, strict: bool) -> str:
    try:
        meant = resolve(parse(text, strict), CATALOGUE, text)
    except QueryError as fault:
        return "\n".join(line.rstrip() for line in str(fault).splitlines())
    assert meant.warnings, f"nothing is said of {text}"
    return "\n".join(f"It runs: {warning}" for warning in meant.warnings)


def pairs(file: Path) -> list[tuple[str, str]]:
    parts = (part.strip("\n").split("\n\n", 1) for part in file.read_text(encoding="utf-8").split(RULE))
    return [(text, said[0].strip("\n") if said else "") for text, *said in parts]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_each_mistake_is_told_like_this(file: Path, request: pytest.FixtureRequest) -> None:
    made = [(text, message(text, file.stem == "strict")) for text, _ in pairs(file)]
    if request.config.getoption("--update-golden", default=False):
        told = f"\n{RULE}\n".join(f"{text}\n\n{said}\n" for text, said in made)
        file.write_text(told, encoding="utf-8")
    assert pairs(file) == made


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_each_message_has_a_place_or_is_a_warning(file: Path) -> None:
    for text, said in pairs(file):
        assert said.startswith(("Line ", "It runs: ")), text

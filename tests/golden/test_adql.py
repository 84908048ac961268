"""ADQL and the SQL that it becomes, in pairs: adql/*.sql for DuckDB, postgres/*.sql for PostgreSQL.

A file holds pairs: the query as comments, then the SQL and its parameters. What a user wrote as a value is a
parameter and never stands in the SQL. `--update-golden` writes the files anew from their queries.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from duckdb_engine import Dialect

from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.catalogue.load import builtin_schemas, load_catalogue
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.engines import sky_duckdb, sky_postgres
from vo_server.engines.engine import compiled
from vo_server.model.column import Table

DIALECTS = {"adql": Dialect(paramstyle="numeric_dollar"), "postgres": sky_postgres.Dialect()}
FILES = sorted(file for folder in DIALECTS for file in (Path(__file__).parent / folder).glob("*.sql"))
CATALOGUE = with_tap_schema(load_catalogue([builtin_schemas() / "catalogues"]))
RULE = "-" * 100

assert sky_duckdb.DIALECT == "duckdb"


def locate(table: Table) -> tuple[str | None, str]:
    return table.schema, table.name


def sql(text: str, dialect: str) -> str:
    query = plan(resolve(parse(text), CATALOGUE, text).query, lambda table: 1000 if table.name == "psc" else 10)
    statement, slots = translate(query, locate)
    words = compiled(statement, DIALECTS[dialect])
    said = re.sub(r" +\n", "\n", words.text)
    values = words.values(slots)
    return said + (f"\n-- {values!r}" if values else "")


def pairs(file: Path) -> list[tuple[str, str]]:
    """The queries of a file and what is expected of them."""
    found = []
    for part in file.read_text(encoding="utf-8").split(RULE):
        lines = part.strip().splitlines()
        query = [line[3:] for line in lines if line.startswith("-- ") and not line.startswith("-- [")]
        rest = [line for line in lines if not line.startswith("-- ") or line.startswith("-- [")]
        if query:
            found.append(("\n".join(query), "\n".join(rest).strip()))
    return found


def told(file_pairs: list[tuple[str, str]]) -> str:
    parts = ["\n".join(f"-- {line}" for line in text.splitlines()) + f"\n\n{wanted}\n" for text, wanted in file_pairs]
    return f"\n{RULE}\n".join(parts)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_adql_becomes_this_sql(file: Path, request: pytest.FixtureRequest) -> None:
    made = [(text, sql(text, file.parent.name)) for text, _ in pairs(file)]
    if request.config.getoption("--update-golden", default=False):
        file.write_text(told(made), encoding="utf-8")
    assert pairs(file) == made


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_what_the_user_wrote_as_a_value_is_a_parameter(file: Path) -> None:
    for text, wanted in pairs(file):
        said = wanted.partition("\n-- [")[0]
        for literal in re.findall(r"'((?:[^']|'')+)'|\b(\d+\.\d+)\b", text):
            value = literal[0] or literal[1]
            assert value in ("point", "circle", "polygon") or f"'{value}'" not in said, value
            assert not literal[1] or value not in said, value

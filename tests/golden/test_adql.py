"""Golden SQL for ADQL queries: adql/*.sql for DuckDB, postgres/*.sql for PostgreSQL.

Each entry is the query as comments, then the SQL and its parameters. Values of the query are parameters and never
stand in the SQL. `--update-golden` rewrites the SQL from the queries.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.shipped import SHIPPED
from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.engines import sky_duckdb, sky_postgres
from vo_server.engines.duckdb_dialect import DuckDBDialect
from vo_server.engines.engine import compile_statement
from vo_server.model.column import Table

DIALECTS = {"adql": DuckDBDialect(), "postgres": sky_postgres.PostgresDialect()}
FILES = sorted(file for folder in DIALECTS for file in (Path(__file__).parent / folder).glob("*.sql"))
CATALOGUE = add_tap_schema(SHIPPED)
RULE = "-" * 100

assert sky_duckdb.DIALECT == "duckdb"


def locate(table: Table) -> tuple[str | None, str]:
    """Return schema and name of a table."""
    return table.schema, table.name


def to_sql(text: str, dialect: str) -> str:
    """Return the SQL of a query and its parameters as a comment."""
    query = plan(resolve(parse(text), CATALOGUE, text).query, lambda table: 1000 if table.name == "psc" else 10)
    statement, slots = translate(query, locate)
    words = compile_statement(statement, DIALECTS[dialect])
    text_of_sql = re.sub(r" +\n", "\n", words.text)
    values = words.parameter_values(slots)
    return text_of_sql + (f"\n-- {values!r}" if values else "")


def read_entries(file: Path) -> list[tuple[str, str]]:
    """Return the queries of a file and the SQL that is expected."""
    entries = []
    for part in file.read_text(encoding="utf-8").split(RULE):
        lines = part.strip().splitlines()
        query = [line[3:] for line in lines if line.startswith("-- ") and not line.startswith("-- [")]
        rest = [line for line in lines if not line.startswith("-- ") or line.startswith("-- [")]
        if query:
            entries.append(("\n".join(query), "\n".join(rest).strip()))
    return entries


def format_entries(entries: list[tuple[str, str]]) -> str:
    """Return the content of a file with these queries and SQL."""
    parts = ["\n".join(f"-- {line}" for line in text.splitlines()) + f"\n\n{expected}\n" for text, expected in entries]
    return f"\n{RULE}\n".join(parts)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_sql_is_as_expected(file: Path, request: pytest.FixtureRequest) -> None:
    entries = [(text, to_sql(text, file.parent.name)) for text, _ in read_entries(file)]
    if request.config.getoption("--update-golden", default=False):
        file.write_text(format_entries(entries), encoding="utf-8")
    assert read_entries(file) == entries


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_values_are_parameters(file: Path) -> None:
    for text, expected in read_entries(file):
        statement = expected.partition("\n-- [")[0]
        for literal in re.findall(r"'((?:[^']|'')+)'|\b(\d+\.\d+)\b", text):
            value = literal[0] or literal[1]
            assert value in ("point", "circle", "polygon") or f"'{value}'" not in statement, value
            assert not literal[1] or value not in statement, value

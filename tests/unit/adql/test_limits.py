"""Limits of queries: what is within them passes every stage, what exceeds them is rejected as too complex."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.shipped import SHIPPED
from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.expressions import MAX_GEOMETRY_DEPTH
from vo_server.adql.semantics.resolve import MAX_COLUMNS, resolve
from vo_server.adql.semantics.sources import MAX_MERGED_TABLES
from vo_server.adql.syntax.build_values import MAX_IN_VALUES
from vo_server.adql.syntax.lexer import MAX_DEPTH
from vo_server.adql.syntax.parse import MAX_CHARACTERS, parse
from vo_server.adql.syntax.partial import MAX_TABLES
from vo_server.adql.translate import translate
from vo_server.engines import sky_duckdb, sky_postgres
from vo_server.engines.duckdb_dialect import DuckDBDialect
from vo_server.engines.engine import compile_statement
from vo_server.errors import Code, QueryError

CATALOGUE = SHIPPED
DIALECTS = (DuckDBDialect(), sky_postgres.PostgresDialect())
STACK_FRAMES = 80
"""Stack frames before a query is parsed; a server and a test have no more."""

assert sky_duckdb.DIALECT == "duckdb"


def chained(link: Callable[[int], str], n: int) -> str:
    return " ".join(link(i) for i in range(n))


NESTED: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: f"SELECT ra FROM psc WHERE {'(' * n}ra = 1{')' * n}",
    "values": lambda n: f"SELECT {'(' * n}ra{')' * n} FROM psc",
    "not": lambda n: f"SELECT ra FROM psc WHERE {'NOT (' * n}ra = 1{')' * n}",
    "and, or": lambda n: f"SELECT ra FROM psc WHERE {'(ra = 1 AND (ra = 2 OR ' * n}ra = 3{'))' * n}",
    "signs": lambda n: f"SELECT {'-(' * n}ra{')' * n} FROM psc",
    "sum": lambda n: f"SELECT ra{' + ra' * n} FROM psc",
    "sum of sums": lambda n: f"SELECT {'ra * (' * n}ra{')' * n} FROM psc",
    "quotients": lambda n: f"SELECT ext_key{' / ext_key' * n} FROM psc",
    "strings": lambda n: f"SELECT designation{' || designation' * n} FROM psc",
    "functions": lambda n: f"SELECT {'ABS(' * n}ra{')' * n} FROM psc",
    "coalesce": lambda n: f"SELECT {'COALESCE(' * n}ra{', dec)' * n} FROM psc",
    "casts": lambda n: f"SELECT {'CAST(' * n}ra{' AS VARCHAR(20))' * n} FROM psc",
    "lower": lambda n: f"SELECT {'LOWER(' * n}designation{')' * n} FROM psc",
    "case": lambda n: f"SELECT {'CASE WHEN ra = 1 THEN ' * n}ra{' END' * n} FROM psc",
    "case in its condition": lambda n: f"SELECT {'CASE WHEN ' * n}ra{' = 1 THEN 2.5 END' * n} FROM psc",
    "distances": lambda n: f"SELECT {'DISTANCE(ra, dec, ' * n}ra{', dec)' * n} FROM psc",
    "tables": lambda n: f"SELECT * FROM {'(SELECT * FROM ' * n}psc{') AS q' * n}",
    "regions": lambda n: (
        f"SELECT ra, dec FROM {'(SELECT ra, dec FROM ' * n}psc"
        f"{') AS q WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))' * n}"
    ),
    "exists": lambda n: f"SELECT ra FROM psc{' WHERE EXISTS (SELECT ra FROM psc' * n}{')' * n}",
    "in": lambda n: f"SELECT ra FROM psc{' WHERE ra IN (SELECT ra FROM psc' * n}{')' * n}",
    "scalars": lambda n: f"SELECT {'(SELECT ' * n}ra{' FROM psc)' * n} FROM psc",
    "joins": lambda n: "SELECT a.ra FROM psc AS a " + chained(lambda i: f"JOIN psc AS a{i} ON a{i}.ra = a.ra", n),
    "joins on the sky": lambda n: (
        "SELECT a.ra FROM psc AS a "
        + chained(lambda i: f"JOIN psc AS a{i} ON DISTANCE(a{i}.ra, a{i}.dec, a.ra, a.dec) < 0.01", n)
    ),
    "full joins": lambda n: "SELECT ra FROM psc AS a " + chained(lambda i: f"FULL JOIN psc AS a{i} USING (ra)", n),
    "products": lambda n: "SELECT a.ra FROM psc AS a" + chained(lambda i: f", psc AS a{i}", n),
    "joins in parentheses": lambda n: (
        f"SELECT 1 AS x FROM {'(' * n}psc {chained(lambda i: f'JOIN psc AS a{i} USING (ra))', n)}"
    ),
    "unions": lambda n: "SELECT ra FROM psc" + " UNION SELECT ra FROM psc" * n,
    "unions in parentheses": lambda n: f"{'(' * n}SELECT ra FROM psc{' UNION SELECT dec FROM psc ORDER BY 1)' * n}",
    "queries": lambda n: f"{'(' * n}SELECT TOP 5 ra FROM psc{' ORDER BY ra)' * n}",
    "with": lambda n: (
        "WITH q AS (SELECT ra FROM psc)"
        + chained(lambda i: f", q{i} AS (SELECT ra FROM q{i - 1 if i else ''})", n)
        + f" SELECT ra FROM q{n - 1}"
    ),
}  # fmt: skip


def query_error(text: str) -> QueryError:
    """Return the error of a query, which has a span."""
    with pytest.raises(QueryError) as raised:
        resolve(parse(text), CATALOGUE, text)
    assert raised.value.span is not None
    return raised.value


def limit_error(text: str) -> str:
    """Return the message of the error of a query that exceeds a limit."""
    error = query_error(text)
    assert error.code == Code.ADQL_TOO_COMPLEX
    return error.message


def is_accepted(text: str) -> bool:
    """Return whether a query parses; one that does not is too complex, or has a second WHERE or WITH."""
    try:
        parse(text)
    except QueryError as error:
        assert error.code in (Code.ADQL_TOO_COMPLEX, Code.ADQL_SYNTAX)
        return False
    return True


def run_stages(text: str) -> None:
    """Run all stages up to the SQL of both databases."""
    query = plan(resolve(parse(text), CATALOGUE, text).query, lambda _: 1000)
    statement, _ = translate(query, lambda table: (table.schema, table.name))
    for dialect in DIALECTS:
        compile_statement(statement, dialect)


def run_deeper(levels: int, work: Callable[[], None]) -> None:
    """Run a function with so many more frames on the stack."""
    if levels:
        run_deeper(levels - 1, work)
    else:
        work()


@pytest.mark.parametrize("kind", NESTED)
def test_deepest_accepted_query_passes_every_stage(kind: str) -> None:
    depth = max(n for n in range(1, MAX_DEPTH + 1) if is_accepted(NESTED[kind](n)))
    assert depth >= 7
    depth = min(depth, MAX_MERGED_TABLES - 1) if kind == "full joins" else depth
    run_deeper(STACK_FRAMES, lambda: run_stages(NESTED[kind](depth)))


@pytest.mark.parametrize("kind", NESTED)
def test_rejects_a_thousand_levels(kind: str) -> None:
    message = limit_error(NESTED[kind](1000))
    assert str(MAX_DEPTH) in message or str(MAX_TABLES) in message


def test_accepts_long_flat_conditions() -> None:
    for word in ("AND", "OR"):
        run_stages("SELECT ra FROM psc WHERE " + f" {word} ".join(f"ra > {i}" for i in range(1000)))


def test_geometries_in_geometries() -> None:
    def nested(n: int) -> str:
        return f"SELECT {'CENTROID(CIRCLE(' * n}POINT(ra, dec){', 1))' * n} FROM psc"

    run_stages(nested((MAX_GEOMETRY_DEPTH - 1) // 2))
    assert str(MAX_GEOMETRY_DEPTH) in limit_error(nested(MAX_GEOMETRY_DEPTH))


def test_queries_of_with_count_at_each_use() -> None:
    def doubled(n: int) -> str:
        link = chained(lambda i: f", q{i + 1} AS (SELECT a.ra FROM q{i} AS a, q{i} AS b)", n)
        return f"WITH q0 AS (SELECT ra FROM psc){link} SELECT ra FROM q{n}"

    assert str(MAX_TABLES) in limit_error(doubled(10))
    run_stages(doubled(6))


def test_values_of_a_list() -> None:
    text = f"SELECT ra FROM psc WHERE ra IN ({','.join(['1'] * (MAX_IN_VALUES + 1))})"
    message = limit_error(text)
    assert f"{MAX_IN_VALUES + 1:,}" in message and f"{MAX_IN_VALUES:,}" in message
    run_stages(text.replace("1,", "", MAX_IN_VALUES - 10_000))


def test_columns_of_a_result() -> None:
    assert f"{MAX_COLUMNS:,}" in limit_error(f"SELECT ra{', ra' * MAX_COLUMNS} FROM psc")
    assert f"{MAX_COLUMNS:,}" in limit_error(f"SELECT p.*{', p.*' * 60} FROM psc AS p")
    run_stages(f"SELECT ra{', ra' * (MAX_COLUMNS - 1)} FROM psc")


def test_tables_merged_by_full_joins() -> None:
    assert str(MAX_MERGED_TABLES) in limit_error(NESTED["full joins"](MAX_MERGED_TABLES))


def test_length() -> None:
    assert f"{MAX_CHARACTERS:,}" in limit_error("SELECT ra FROM psc" + " " * MAX_CHARACTERS)


@pytest.mark.parametrize("opening", [*"'\"([`-", "/* ", "-- ", "''", "CASE WHEN ", "NOT ", "1e", "a."])
def test_rejects_endless_repetition(opening: str) -> None:
    query_error(f"SELECT ra FROM psc WHERE {opening * (50_000 // len(opening))}")
    query_error(f"SELECT ra FROM psc WHERE {opening}{'x' * 100_000}")

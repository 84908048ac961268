"""The limits of a query: what is within them passes every stage, what is beyond is refused in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from duckdb_engine import Dialect

from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.expressions import MAX_GEOMETRY_DEPTH
from vo_server.adql.semantics.resolve import MAX_COLUMNS, resolve
from vo_server.adql.semantics.sources import MAX_MERGED_TABLES
from vo_server.adql.syntax.build_values import MAX_IN_VALUES
from vo_server.adql.syntax.lexer import MAX_DEPTH
from vo_server.adql.syntax.parse import MAX_CHARACTERS, parse
from vo_server.adql.syntax.partial import MAX_TABLES
from vo_server.adql.translate import translate
from vo_server.catalogue.load import builtin_schemas, load_catalogue
from vo_server.engines import sky_duckdb, sky_postgres
from vo_server.engines.engine import compile_statement
from vo_server.errors import QueryError

CATALOGUE = load_catalogue([builtin_schemas() / "catalogues"])
DIALECTS = (Dialect(paramstyle="numeric_dollar"), sky_postgres.Dialect())
SPARE = 80
"""Frames that are on the stack before a query is read: those of a server and of a test are no more."""

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


def refused(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        resolve(parse(text), CATALOGUE, text)
    assert caught.value.span is not None
    return caught.value


def accepted(text: str) -> bool:
    try:
        parse(text)
    except QueryError as fault:
        assert "nested more than" in fault.message or "written twice" in fault.message or "stands once" in fault.message
        return False
    return True


def through(text: str) -> None:
    """All stages, and the words of both databases."""
    query = plan(resolve(parse(text), CATALOGUE, text).query, lambda _: 1000)
    statement, _ = translate(query, lambda table: (table.schema, table.name))
    for dialect in DIALECTS:
        compile_statement(statement, dialect)


def deeper(levels: int, work: Callable[[], None]) -> None:
    if levels:
        deeper(levels - 1, work)
    else:
        work()


@pytest.mark.parametrize("kind", NESTED)
def test_the_deepest_that_is_taken_passes_every_stage(kind: str) -> None:
    most = max(n for n in range(1, MAX_DEPTH + 1) if accepted(NESTED[kind](n)))
    assert most >= 7
    most = min(most, MAX_MERGED_TABLES - 1) if kind == "full joins" else most
    deeper(SPARE, lambda: through(NESTED[kind](most)))


@pytest.mark.parametrize("kind", NESTED)
def test_a_thousand_deep_is_refused(kind: str) -> None:
    fault = refused(NESTED[kind](1000))
    assert f"{MAX_DEPTH} levels" in fault.message or f"{MAX_TABLES} tables" in fault.message


def test_flat_is_not_deep() -> None:
    for word in ("AND", "OR"):
        through("SELECT ra FROM psc WHERE " + f" {word} ".join(f"ra > {i}" for i in range(1000)))


def test_geometries_in_geometries() -> None:
    def nested(n: int) -> str:
        return f"SELECT {'CENTROID(CIRCLE(' * n}POINT(ra, dec){', 1))' * n} FROM psc"

    through(nested((MAX_GEOMETRY_DEPTH - 1) // 2))
    assert f"{MAX_GEOMETRY_DEPTH} levels" in refused(nested(MAX_GEOMETRY_DEPTH)).message


def test_queries_of_with_count_each_time_they_are_used() -> None:
    def doubled(n: int) -> str:
        link = chained(lambda i: f", q{i + 1} AS (SELECT a.ra FROM q{i} AS a, q{i} AS b)", n)
        return f"WITH q0 AS (SELECT ra FROM psc){link} SELECT ra FROM q{n}"

    assert f"{MAX_TABLES} tables" in refused(doubled(10)).message
    through(doubled(6))


def test_values_of_a_list() -> None:
    text = f"SELECT ra FROM psc WHERE ra IN ({','.join(['1'] * (MAX_IN_VALUES + 1))})"
    assert f"{MAX_IN_VALUES + 1:,} values; at most {MAX_IN_VALUES:,}" in refused(text).message
    through(text.replace("1,", "", MAX_IN_VALUES - 10_000))


def test_columns_of_a_result() -> None:
    assert f"{MAX_COLUMNS:,} columns" in refused(f"SELECT ra{', ra' * MAX_COLUMNS} FROM psc").message
    assert f"{MAX_COLUMNS:,} columns" in refused(f"SELECT p.*{', p.*' * 60} FROM psc AS p").message
    through(f"SELECT ra{', ra' * (MAX_COLUMNS - 1)} FROM psc")


def test_tables_merged_by_full_joins() -> None:
    assert f"{MAX_MERGED_TABLES} tables" in refused(NESTED["full joins"](MAX_MERGED_TABLES)).message


def test_length() -> None:
    fault = refused("SELECT ra FROM psc" + " " * MAX_CHARACTERS)
    assert f"{MAX_CHARACTERS:,}" in fault.message


@pytest.mark.parametrize("opening", [*"'\"([`-", "/* ", "-- ", "''", "CASE WHEN ", "NOT ", "1e", "a."])
def test_what_goes_on_for_ever(opening: str) -> None:
    refused(f"SELECT ra FROM psc WHERE {opening * (50_000 // len(opening))}")
    refused(f"SELECT ra FROM psc WHERE {opening}{'x' * 100_000}")

"""DuckDB and PostgreSQL return the same result for a query, or both reject it."""

# ruff: noqa: E501

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.engines.writer import QueryWriter
from vo_server.errors import UsageError

# Two known differences are left out. A number beyond the range of doubles is infinite or null on DuckDB and an error of
# the query on PostgreSQL. Letters whose other case is several letters, or another one at the end of a word (ß, ﬁ, İ, Σ),
# change case on PostgreSQL with ICU and not on DuckDB.

NUMBERS = "0 1 -1 7 -7 2.5 -2.5 0.5 -0.5 3.7 -3.7 1e15+0.5 32767 32768 -32769 2147483647 2147483648 -2147483649 2147483647.5 9.3e18 1e300 -0.0 (1.0/0) (-1.0/0) (0.0/0) 0xFF".split()
TYPES = ("SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE PRECISION", "VARCHAR", "CHAR(3)")
UNARY_FUNCTIONS = (
    "ABS CEILING FLOOR EXP LOG LOG10 SQRT DEGREES RADIANS ACOS ASIN ATAN COS SIN TAN COT ROUND TRUNCATE -".split()
)
DIGITS = (-400, -3, -1, 1, 20, 9223372036854775807)
OPERANDS = "0 1 -3 0.5 -2.5 (1.0/0) (-1.0/0) (0.0/0) 1e300 1e-300".split()
BINARY_FORMS = "({}/{}) ({}+{}) ({}-{}) MOD({},{}) POWER({},{}) ATAN2({},{})".split()
COMPARISONS = ("CASE WHEN {} < {} THEN 1 ELSE 0 END", "CASE WHEN {} = {} THEN 1 ELSE 0 END")
BITS = "0 -1 5 2147483647 -3000000000 9223372036854775807".split()
TEXTS = ("'Ä'", "'ÿΩ'", "'日本'", "'a_b%'", "''", "'  x '", "'Ab\\c'", "name", "NULL", "'😀a'")
TEXT_FORMS = (
    "LOWER({})", "UPPER({})", "{} || 'x'", "name || {}", "CAST({} AS CHAR(1))", "CAST({} AS VARCHAR(2))", "CAST({} AS CHAR)",
    "CASE WHEN {} LIKE '%' THEN 1 ELSE 0 END", "CASE WHEN name || {} ILIKE 'ABC%' THEN 1 ELSE 0 END", "NULLIF({}, 'Ä')",
    "CASE WHEN {} < 'b' THEN 1 ELSE 0 END", "COALESCE({}, 'z')", "ivo_hasword({}, name)", "ivo_hashlist_has({}, 'Ä')",
)  # fmt: skip
TIMES = """2000-01-30T12:34:56|2000-01-30T12:34:56.123456789|2000-01-30T12:34:56Z|2000-01-30 12:34:56.5|2000-01-30|2000-01-30Z|2000-01-30T12:34|2000-02-30|2000-01-30T24:00:00|0001-01-01T00:00:00|9999-12-31T23:59:59.999999|2000-1-3|2000-01-30T12:34:60|2000-01-30T12:34:56+01:00||abc| 2000-01-30 |2000-01-30T12|infinity|now|epoch|-2000-01-01|20000130|12000-01-01|0000-01-01""".split(
    "|"
)
TIME_FORMS = (
    "CAST({} AS TIMESTAMP)", "CAST(CAST({} AS TIMESTAMP) AS VARCHAR)", "CAST(CAST({} AS TIMESTAMP) AS CHAR(10))", "ivo_to_mjd({})",
    "CASE WHEN moment < CAST({} AS TIMESTAMP) THEN 1 ELSE 0 END",
)  # fmt: skip
NUMBER_TEXTS = "12| 12 |12.5|1e3|-7|+7|0x1F|abc||1_000|1,000|nan|-inf|Infinity|1e400|1e-400|2.5|3.5|-2.5|99999999999|.5|5.|1e|١|true|00012".split(
    "|"
)
ANGLES = "3:34:45.4|-3:34:45.4|3h34m45.4s|3D04M5.5S|033445.|3:60:1|24:00:00|24:00:01|-360:0:0|3:4:60| 3:4:5 |--3:4:5|٣:4:5|3:4".split(
    "|"
)
OTHER_EXPRESSIONS = (
    "TRUE", "COALESCE(NULL, TRUE)", "CAST(TRUE AS INTEGER)", "CASE WHEN TRUE = 1 THEN 1 ELSE 0 END", "COALESCE(1, 2.5)",
    "COALESCE(small, big)", "COALESCE(mag, 1)", "COALESCE(mag, x)", "COALESCE('a', 1)", "NULLIF(mag, 5)", "CASE WHEN id = 0 THEN small ELSE big END",
    "small * small", "small * 1000 * 1000 * 1000", "id + 2147483647", "9223372036854775807 + 1", "small / 0", "small / 0.0", "MOD(small, 0)",
    "MOD(small, 0.0)", "MOD(1e300, 1e-300)", "MOD(1e300, 7)", "ABS(-2147483648)", "12345678901234567890", "1e-400", "1e400", "0xFFFFFFFFFFFFFFFF",
    "ivo_apply_pm(10, 20, 1e-3, 1e-3, -50)", "ivo_epoch_prop_pos(ra, dec, x/0.0, 1e-320, small, 1e300, 2000, 2010)",
    "ivo_healpix_center(29, 3458764513820540927)", "ivo_geom_transform('FK4', 'ECLIPTIC', POINT(ra, 91))", "ivo_healpix_center(1, 48)",
)  # fmt: skip


def list_expressions() -> Iterator[str]:
    """Yield expressions of constants, which are folded, and of columns."""
    for number in NUMBERS:
        value = f"({number} + ra)"
        yield from (f"CAST({v} AS {type})" for type in TYPES for v in (f"({number})", value))
        yield from (f"{name}({value})" for name in UNARY_FUNCTIONS)
        yield from (f"{name}({value}, {n})" for name in ("ROUND", "TRUNCATE") for n in DIGITS)
    for a in OPERANDS:
        for b in OPERANDS:
            yield from (form.format(f"({a} + ra)", f"({b} + id)") for form in (*BINARY_FORMS, *COMPARISONS))
    for a in BITS:
        yield f"~({a} + id)"
        yield from (f"(({a}) + id) {symbol} (({b}) + id)" for b in BITS for symbol in "&|^")
    yield from (form.format(text) for text in TEXTS for form in TEXT_FORMS)
    for forms, texts in ((TIME_FORMS, TIMES), ([f"CAST({{}} AS {t})" for t in TYPES[:5]], NUMBER_TEXTS)):
        for text in texts:
            yield from (
                form.format(value_text) for form in forms for value_text in (f"'{text}'", f"('{text}' || {EMPTY_TEXT})")
            )
    yield from (f"ivo_{form}_to_degrees('{text}' || {EMPTY_TEXT})" for text in ANGLES for form in ("hms", "dms"))
    yield from OTHER_EXPRESSIONS


EMPTY_TEXT = "COALESCE(NULLIF(name, name), '')"
"""An empty text that is not a constant."""

MAY_OVERFLOW = re.compile(r"1e300|1e-300|9\.3e18")
"""Expressions that may leave the range of doubles."""


def evaluate(world: Any, expressions: Sequence[str]) -> list[Any]:
    """Return the values of expressions with their types, many at once; "rejected" for an error."""
    try:
        text = f"SELECT {', '.join(f'{e} AS v{n}' for n, e in enumerate(expressions))} FROM sky.stars WHERE id = 0"
        query = world.resolve(text)
        values = world.fetch_rows(query)[0]
        return [(v, c.type.name) for v, c in zip(values, query.columns, strict=True)]
    except UsageError:
        if len(expressions) == 1:
            return ["rejected"]
    half = len(expressions) // 2
    return evaluate(world, expressions[:half]) + evaluate(world, expressions[half:])


def evaluate_all(world: Any, expressions: Sequence[str], at_once: int = 16) -> dict[str, Any]:
    """Return the values of expressions by their texts."""
    values = [v for n in range(0, len(expressions), at_once) for v in evaluate(world, expressions[n : n + at_once])]
    return dict(zip(expressions, values, strict=True))


def is_equal(a: Any, b: Any) -> bool:
    """Return whether two values are equal but for the last digits of a double."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(is_equal, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return type(a) is type(b) and a == b


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_expressions_agree(worlds: tuple[Any, Any], part: int) -> None:
    expressions = [e for n, e in enumerate(dict.fromkeys(list_expressions())) if n % 4 == part]
    duckdb = evaluate_all(worlds[0], expressions)
    # Most expressions that one engine rejects are rejected by the other: each of them is tried alone.
    rejected = [e for e in expressions if duckdb[e] == "rejected"]
    postgresql = evaluate_all(worlds[1], [e for e in expressions if duckdb[e] != "rejected"]) | evaluate_all(
        worlds[1], rejected, 1
    )
    differences = {e: (duckdb[e], postgresql[e]) for e in expressions if not is_equal(duckdb[e], postgresql[e])}
    assert {e: pair for e, pair in differences.items() if "rejected" not in pair or not MAY_OVERFLOW.search(e)} == {}


AGGREGATES = (
    "COUNT(x)", "COUNT(DISTINCT flag)", "SUM(small)", "SUM(big * 1000000)", "SUM(mag)", "AVG(small)", "AVG(x)", "MIN(name)", "MAX(moment)",
    "SUM(DISTINCT small)", "SUM(NULL)", "SUM(x / 0.0)", "MAX(SQRT(x))", "MIN(SQRT(x))", "COUNT(DISTINCT 0.0 / (id - id))", "MIN(TRUE)",
    "MAX(FALSE)", "SUM(LOG(x))", "ivo_histogram(x, -50, 50, 7)", "ivo_histogram(SQRT(x), 0, 5, 3)", "ivo_histogram(x / 0.0, 0, 5, 3)",
)  # fmt: skip
SORT_KEYS = (
    "x",
    "SQRT(x)",
    "name",
    "1.0 * x / small",
    "moment",
    "LOWER(name)",
    "UPPER(name)",
    "LOG(x)",
    "-x",
    "TRUE",
    "small / 3",
)
CONDITIONS = (
    "SQRT(x) = SQRT(x)", "SQRT(x) > 5", "NOT SQRT(x) < 5", "SQRT(x) <> 5", "SQRT(x) IN (1, 2)", "SQRT(x) NOT IN (1, 2)", "x / 0.0 = 1.0 / 0",
    "LOG(x) BETWEEN 0 AND 10", "mag = 12.3", "CAST(mag AS VARCHAR) LIKE '1%'", "x < small", "name < 'ä'", "name || NULL IS NULL",
    r"name LIKE '%\%'", "name ILIKE 'ä%'", "name LIKE ''", "flag = '000 '", "name NOT LIKE NULL", "id = 3 OR NULL = 3", "NOT (NULL = 3)",
    "id NOT IN (SELECT small FROM sky.stars)", "LOWER(name) IN ('abc', 'äö')", "name > flag",
)  # fmt: skip
SET_OPERANDS = ("small", "mag", "name", "SQRT(x)", "NULL", "2.5", "'a'", "moment", '"date"')


def list_queries() -> Iterator[str]:
    for aggregate in AGGREGATES:
        yield from (f"SELECT {aggregate} FROM sky.stars{where}" for where in ("", " WHERE id < 0", " WHERE id < 1"))
        yield f"SELECT flag, {aggregate} FROM sky.stars GROUP BY flag ORDER BY flag"
    for by in SORT_KEYS:
        yield from (f"SELECT id, {by} FROM sky.stars ORDER BY {by} {way}, id" for way in ("", "DESC"))
        yield f"SELECT DISTINCT {by} AS e FROM sky.stars ORDER BY e"
        if by != "TRUE":
            yield f"SELECT {by} AS e, COUNT(*) FROM sky.stars GROUP BY {by} ORDER BY 1"
    yield from (f"SELECT id FROM sky.stars WHERE {c} ORDER BY id" for c in CONDITIONS)
    for a in SET_OPERANDS:
        for b in ("big", "kmag", "flag", "NULL", "1.5", "moment", "'2000-01-01'"):
            for word in ("UNION", "INTERSECT ALL", "EXCEPT"):
                yield f"SELECT {a} AS c FROM sky.stars WHERE id < 40 {word} SELECT {b} FROM sky.stars WHERE id < 45 ORDER BY 1"


def run_query(world: Any, text: str) -> Any:
    try:
        query = world.resolve(text)
        return world.fetch_rows(query), [c.type.name for c in query.columns]
    except UsageError:
        return "rejected"


@pytest.mark.parametrize("part", range(4))
def test_queries_agree(worlds: tuple[Any, Any], part: int) -> None:
    for text in [q for n, q in enumerate(list_queries()) if n % 4 == part]:
        duckdb, postgresql = (run_query(w, text) for w in worlds)
        assert is_equal(duckdb, postgresql), text


# ----------------------------------------------------------- random queries

NONDETERMINISTIC = re.compile(r"RAND\(|TOP 5 |OFFSET|1e3\b", re.IGNORECASE)
"""Queries whose results may differ: random numbers, and a choice of rows."""


def sort_rows(rows: list[Any]) -> list[Any]:
    """Sort rows independently of the last digits of doubles."""
    return sorted(rows, key=lambda row: [_key(v) for v in row])


def _key(value: Any) -> tuple[str, Any]:
    if isinstance(value, float):
        return ("float", f"{value + 0.0:.8e}" if math.isfinite(value) else str(value).lstrip("-"))
    if isinstance(value, (dt.date, list)):
        return (type(value).__name__, str([_key(v) for v in value]) if isinstance(value, list) else value.isoformat())
    return (type(value).__name__, value if value is not None else 0)


@pytest.mark.parametrize("part", range(6))
def test_random_queries_agree(worlds: tuple[Any, Any], part: int) -> None:
    agreed = 0
    for seed in range(10_000 + part * 60, 10_060 + part * 60):
        text = re.sub(r"TOP [05] | OFFSET 2", "", QueryWriter(seed).write_query())
        if NONDETERMINISTIC.search(text):
            continue
        duckdb, postgresql = (run_query(w, text) for w in worlds)
        if "rejected" in (duckdb, postgresql):
            assert duckdb == postgresql or MAY_OVERFLOW.search(text) or "POLYGON" in text, (
                f"{text}\n{str(duckdb)[:200]}\n{str(postgresql)[:200]}"
            )
            continue
        assert duckdb[1] == postgresql[1], text
        assert is_equal(sort_rows(duckdb[0]), sort_rows(postgresql[0])), text
        agreed += 1
    assert agreed > 12

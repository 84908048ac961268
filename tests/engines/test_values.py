"""Every function and operator of the language on sample values: columns and folded constants agree with Python."""

# ruff: noqa: E501

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from vo_server.errors import Code, QueryError, UsageError

FEW_EXAMPLES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = ("id", "ra", "dec", "mag", "small", "big", "x")


def is_same_value(a: Any, b: Any) -> bool:
    if a is None or b is None or isinstance(a, str):
        return a is b or a == b
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b)) or a == b


def call_or_none(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the value by numpy, with infinities and NaN instead of errors; None of None."""
    if any(a is None for a in arguments):
        return None
    with np.errstate(all="ignore"):
        return function(*(np.float64(a) for a in arguments)).item()


def round_half_away(x: Any) -> Any:
    """Round half away from zero."""
    return np.copysign(np.floor(abs(x)) + (abs(x) - np.floor(abs(x)) >= 0.5), x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ABS": np.abs, "CEILING": np.ceil, "FLOOR": np.floor, "EXP": np.exp, "LOG": np.log, "LOG10": np.log10,
    "SQRT": np.sqrt, "DEGREES": np.degrees, "RADIANS": np.radians, "ACOS": np.arccos, "ASIN": np.arcsin,
    "ATAN": np.arctan, "COS": np.cos, "SIN": np.sin, "TAN": np.tan, "COT": lambda x: 1 / np.tan(x),
    "ROUND": round_half_away, "TRUNCATE": np.trunc,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("column", NUMBERS)
def test_functions_of_one_number(world: Any, name: str, column: str) -> None:
    for argument, values in ((column, 1.0), (f"{column} / 1000.0", 1000.0)):
        expected = [call_or_none(FUNCTIONS[name], None if v is None else v / values) for v in world.stars[column]]
        results = world.fetch_values(f"SELECT {name}({argument}) FROM sky.stars ORDER BY id")
        assert all(map(is_same_value, results, expected)), [
            p for p in zip(results, expected, strict=True) if not is_same_value(*p)
        ][:3]


LITERALS = ("0", "1", "-1", "0.5", "-0.5", "2.5", "-2.5", "12.345", "1e10", "7", "1e-9")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_a_literal(world: Any, name: str) -> None:
    values = world.ask(f"SELECT {', '.join(f'{name}({n})' for n in LITERALS)} FROM sky.stars WHERE id = 0")[0]
    for text, found in zip(LITERALS, values, strict=True):
        expected = call_or_none(FUNCTIONS[name], float(text))
        assert is_same_value(found, expected), (name, text, found, expected)


FORMS_OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "MOD({}, {})": np.fmod, "POWER({}, {})": np.power, "ATAN2({}, {})": np.arctan2, "({} + {})": np.add,
    "({} - {})": np.subtract, "({} * {})": np.multiply, "({} / {})": np.divide,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS_OF_TWO)
def test_functions_of_two_numbers(world: Any, form: str) -> None:
    for a, b in (("x", "dec"), ("x", "2.5"), ("-7.5", "x"), ("ra", "(x + 0.5)")):
        text = f"SELECT {a}, {b}, {form.format(a, b)} FROM sky.stars"
        for left, right, found in world.ask(text):
            expected = call_or_none(FORMS_OF_TWO[form], left, right)
            if "MOD" in form and right == 0:
                assert found is None or math.isnan(found)
            else:
                assert is_same_value(found, expected), (form, left, right)


@pytest.mark.parametrize(("a", "b"), [(7, 2), (-7, 2), (7, -2), (-7, -2), (6, 3), (0, 5), (1, 3), (-1, 3)])
def test_integer_division_truncates(world: Any, a: int, b: int) -> None:
    quotient, rest = int(a / b), int(math.fmod(a, b))
    assert world.evaluate(f"{a} / {b}") == quotient
    assert world.evaluate(f"(id + {a}) / ({b} + id)") == quotient
    assert world.evaluate(f"MOD({a}, {b})") == rest
    assert world.evaluate(f"MOD(id + {a}, {b})") == rest
    assert world.resolve(f"SELECT {a} / {b}, small / 3, MOD(small, 3) FROM sky.stars").columns[0].type.name == "INTEGER"


def test_division_by_zero_is_null_or_infinite(world: Any) -> None:
    assert world.evaluate("1 / 0") is None
    assert world.evaluate("small / 0") is None
    assert world.evaluate("MOD(7, 0)") is None
    assert world.evaluate("1.0 / 0") == math.inf


@FEW_EXAMPLES
@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
def test_bitwise(world: Any, a: int, b: int) -> None:
    text = f"SELECT {a} & {b}, {a} | {b}, {a} ^ {b}, ~({a}), (id + {a}) & {b}, (big + {a}) | {b}, (big + {a}) ^ {b}"
    found = world.ask(f"{text}, ~(big + {a}) FROM sky.stars WHERE id = 0")[0]
    assert found == (a & b, a | b, a ^ b, ~a, a & b, a | b, a ^ b, ~a)


@FEW_EXAMPLES
@given(st.floats(-1e9, 1e9), st.integers(-6, 6))
def test_round_and_truncate(world: Any, x: float, n: int) -> None:
    """Values at the border between two results are left out: there x * 0.001 and x / 1000 may differ."""
    twice = abs(x * 10.0**n) * 2
    assume(twice == 0 or abs(twice - round(twice)) > 1e-12 * twice)
    constant = world.ask(f"SELECT ROUND({x!r}, {n}), TRUNCATE({x!r}, {n}) FROM sky.stars WHERE id = 0")[0]
    column = world.ask(f"SELECT ROUND(id + {x!r}, {n}), TRUNCATE(id + {x!r}, {n}) FROM sky.stars WHERE id = 0")[0]
    for found in (constant, column):
        assert found[0] == pytest.approx(float(round_half_away(x * 10.0**n)) / 10.0**n, rel=1e-12, abs=1e-15)
        assert found[1] == pytest.approx(math.trunc(x * 10.0**n) / 10.0**n, rel=1e-12, abs=1e-15)


# Trees of operators as (text, value), to find lost parentheses; all values are small integers.

Tree = tuple[str, int]
LEAVES: st.SearchStrategy[Tree] = st.one_of(
    st.integers(0, 99).map(lambda n: (str(n), n)), st.integers(1, 99).map(lambda n: (f"(id + {n})", n))
)


def extend_trees(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda p: (f"({p[0][0]} + {p[1][0]})", p[0][1] + p[1][1])),
        pairs.map(lambda p: (f"({p[0][0]} - {p[1][0]})", p[0][1] - p[1][1])),
        pairs.map(lambda p: (f"MOD({p[0][0]} * {p[1][0]}, 1000)", int(math.fmod(p[0][1] * p[1][1], 1000)))),
        pairs.map(lambda p: (f"({p[0][0]} / ({p[1][0]} | 1))", int(p[0][1] / (p[1][1] | 1)))),
        pairs.map(lambda p: (f"MOD({p[0][0]}, {p[1][0]} | 1)", int(math.fmod(p[0][1], p[1][1] | 1)))),
        pairs.map(lambda p: (f"({p[0][0]} & {p[1][0]})", p[0][1] & p[1][1])),
        pairs.map(lambda p: (f"({p[0][0]} | {p[1][0]})", p[0][1] | p[1][1])),
        pairs.map(lambda p: (f"({p[0][0]} ^ {p[1][0]})", p[0][1] ^ p[1][1])),
        inner.map(lambda t: (f"(-{t[0]})" if t[0][0] != "-" else t[0], -t[1])),
        inner.map(lambda t: (f"(~{t[0]})", ~t[1])),
        inner.map(lambda t: (f"ABS({t[0]})", abs(t[1]))),
        pairs.map(
            lambda p: (f"CASE WHEN {p[0][0]} < {p[1][0]} THEN {p[0][0]} ELSE {p[1][0]} END", min(p[0][1], p[1][1]))
        ),
    )


@settings(FEW_EXAMPLES, max_examples=120)
@given(st.recursive(LEAVES, extend_trees, max_leaves=12))
def test_keeps_parentheses(world: Any, tree: Tree) -> None:
    text, value = tree
    assert world.evaluate(text) == value
    assert world.fetch_values(f"SELECT id FROM sky.stars WHERE id = 0 AND NOT {text} <> {value}") == [0]


def test_random_numbers(world: Any) -> None:
    for call in ("RAND()", "RAND(3)"):
        found = world.fetch_values(f"SELECT {call} FROM sky.stars")
        assert all(0 <= x < 1 for x in found)
        assert len(set(found)) > 600
    assert world.evaluate("PI()") == math.pi


# ------------------------------------------------------------------ texts


def test_texts(world: Any) -> None:
    names, flags = world.stars["name"], world.stars["flag"]
    assert world.fetch_values("SELECT name || flag FROM sky.stars ORDER BY id") == [
        None if n is None else n + f for n, f in zip(names, flags, strict=True)
    ]
    for function, python in (("LOWER", str.lower), ("UPPER", str.upper)):
        found = world.fetch_values(f"SELECT {function}(name) FROM sky.stars ORDER BY id")
        assert found == [None if n is None else python(n) for n in names]
    assert world.evaluate("'it''s' || ' ' || 'Ä'") == "it's Ä"
    assert world.evaluate("UPPER('straße') || LOWER('ÄB')").endswith("äb")


def matches_like(text: str, pattern: str, ignore_case: bool) -> bool:
    """Return whether a text matches LIKE by its definition: % any characters, _ one, all others themselves."""
    if ignore_case:
        text, pattern = text.lower(), pattern.lower()
    ends = {0}
    for c in pattern:
        if c == "%":
            ends = set(range(min(ends, default=len(text) + 1), len(text) + 1))
        else:
            ends = {i + 1 for i in ends if i < len(text) and c in ("_", text[i])}
    return len(text) in ends


@pytest.mark.parametrize(
    "pattern",
    ["abc", "a%", "%c", "a_c", "___", "", "%", "_%_", r"a\%", r"a\_c", r"a\c", r"\%", "ÄÖ", "ä_", "A%", "a%%c", "0%"],
)
def test_like(world: Any, pattern: str) -> None:
    for word, fold in (("LIKE", False), ("ILIKE", True)):
        for negation in ("", "NOT "):
            found = world.fetch_values(f"SELECT id FROM sky.stars WHERE name {negation}{word} '{pattern}' ORDER BY id")
            names = enumerate(world.stars["name"])
            assert found == [
                i for i, name in names if name is not None and matches_like(name, pattern, fold) != bool(negation)
            ]


def test_like_of_columns_times_and_null(world: Any) -> None:
    assert world.ask("SELECT id FROM sky.stars WHERE name LIKE NULL OR NULL LIKE name") == []
    assert world.fetch_values("SELECT COUNT(*) FROM sky.stars WHERE flag LIKE flag") == [len(world.stars["id"])]
    found = world.fetch_values("SELECT COUNT(*) FROM sky.stars WHERE \"date\" LIKE '2000-02%'")
    assert found == [sum(d is not None and str(d).startswith("2000-02") for d in world.stars["date"])]
    assert world.fetch_values("SELECT COUNT(*) FROM sky.stars WHERE moment LIKE '2000-01-01T12:00%'") == [1]


# ------------------------------------------------------------- comparison


def test_literal_equals_stored_float(world: Any) -> None:
    mags = world.stars["mag"]
    value = round(mags[0], 3)
    same = [i for i, m in enumerate(mags) if m is not None and np.float32(m) == np.float32(value)]
    for condition in (
        f"mag = {value}", f"{value} = mag", f"mag IN (1, {value})", f"mag BETWEEN {value} AND {value}",
        f"{value} IN (mag, mag)", f"NULLIF(mag, {value}) IS NULL AND mag IS NOT NULL", f"mag <= {value} AND mag >= {value}",
        f"CASE mag WHEN {value} THEN 1 ELSE 0 END = 1", f"NOT mag <> {value}", f"mag = {value / 2} * 2",
    ):  # fmt: skip
        assert world.fetch_values(f"SELECT id FROM sky.stars WHERE {condition} ORDER BY id") == same, condition


def test_numbers_of_other_types(world: Any) -> None:
    ids = world.stars["id"]
    for condition, expected in (
        ("id < 2.5", ids[:3]), ("id = 2.5", []), ("id IN (1, 2.5, 99999999999)", [1]), ("id BETWEEN 1.5 AND 3.5", [2, 3]),
        ("id < 3000000000", ids), ("small > 40000", []), ("big = 3e12", [3]), ("big = 3000000000000", [3]),
        ("mag > 1e300", []), ("id = 0x3", [3]), ("id > -1 AND id < 1e1", ids[:10]),
    ):  # fmt: skip
        assert world.fetch_values(f"SELECT id FROM sky.stars WHERE {condition} ORDER BY id") == expected, condition


@pytest.mark.parametrize("count", [3, 99, 101, 700])
def test_short_and_long_lists(world: Any, count: int) -> None:
    numbers = [n * 3 for n in range(count)]
    mags = {float(np.round(m, 3)) for m in world.stars["mag"][:count] if m is not None}
    days = [dt.date(2000, 1, 1) + dt.timedelta(n) for n in range(count)]
    texts = [f"a{n}" for n in range(count)] + ["abc", "it''s"]
    for name, options, inside in (
        ("id", map(str, numbers), lambda v: v in numbers),
        ("id", map(str, [*numbers, 99999999999]), lambda v: v in numbers),
        ("id", [*map(str, numbers), "2.5"], lambda v: v in numbers),
        ("mag", map(str, mags), lambda v: float(np.round(v, 3)) in mags),
        ("date", [f"'{d}'" for d in days], lambda v: v in days),
        ("name", [f"'{t}'" for t in texts], lambda v: v in ("abc", "it's")),
    ):
        list_text = ", ".join(options)
        for negation in ("", "NOT "):
            text = f'SELECT id FROM sky.stars WHERE "{name}" {negation}IN ({list_text}) ORDER BY id'
            values = enumerate(world.stars[name])
            assert world.fetch_values(text) == [
                i for i, v in values if v is not None and inside(v) != bool(negation)
            ], text[:80]
        with_null = f'SELECT id FROM sky.stars WHERE "{name}" NOT IN ({list_text}, NULL)'
        assert world.fetch_values(with_null) == []


def test_long_lists_anywhere(world: Any) -> None:
    list_text = ", ".join(str(n) for n in range(200))
    text = f"SELECT CASE WHEN id IN ({list_text}) THEN 1 ELSE 0 END AS c, COUNT(*) FROM stars GROUP BY c ORDER BY c"
    assert world.ask(text) == [(0, len(world.stars["id"]) - 200), (1, 200)]
    for kind in ("JOIN", "LEFT JOIN", "RIGHT JOIN"):
        text = (
            f"SELECT COUNT(*) FROM stars AS s {kind} stars AS t ON s.id = t.id AND t.id IN ({list_text}) AND s.id >= 0"
        )
        assert world.fetch_values(text) == [200 if kind == "JOIN" else len(world.stars["id"])]
    text = f"SELECT flag FROM stars GROUP BY flag HAVING MIN(id) IN ({list_text}) OR NOT MAX(id) IN ({list_text})"
    assert len(world.ask(text)) == 4


def test_dates_and_times(world: Any) -> None:
    days, moments = world.stars["date"], world.stars["moment"]
    noon = dt.datetime(2000, 1, 5, 12)

    def midnight(d: dt.date) -> dt.datetime:
        return dt.datetime(d.year, d.month, d.day)

    cases: list[tuple[str, list[Any], Callable[[Any], bool]]] = [
        ("\"date\" = '2000-01-05'", days, lambda d: d == noon.date()),
        ("'2000-01-05' <= \"date\"", days, lambda d: d >= noon.date()),
        ("\"date\" > '2000-01-05T12:00:00'", days, lambda d: midnight(d) > noon),
        (
            "\"date\" BETWEEN '2000-01-05' AND '2000-01-07T00:00'",
            days,
            lambda d: 5 <= d.day <= 7 and str(d) < "2000-01-08",
        ),
        ("\"date\" IN ('2000-01-05', '2000-01-07')", days, lambda d: str(d) in ("2000-01-05", "2000-01-07")),
        ("moment < '2000-01-01T12:30:00Z'", moments, lambda t: t < dt.datetime(2000, 1, 1, 12, 30)),
        ("moment = '2000-01-01 12:10:00.000'", moments, lambda t: t == dt.datetime(2000, 1, 1, 12, 10)),
        ("moment >= '2000-01-02'", moments, lambda t: t >= dt.datetime(2000, 1, 2)),
        ("moment = CAST('2000-01-01T12:10:00' AS TIMESTAMP)", moments, lambda t: t == dt.datetime(2000, 1, 1, 12, 10)),
        ("'2000-01-01T12:05:00' BETWEEN moment AND moment", moments, lambda t: t == dt.datetime(2000, 1, 1, 12, 5)),
    ]
    for condition, values, expected in cases:
        found = world.fetch_values(f"SELECT id FROM sky.stars WHERE {condition} ORDER BY id")
        assert found == [i for i, v in enumerate(values) if v is not None and expected(v)], condition


def test_comparisons_with_null(world: Any) -> None:
    for condition in (
        "mag IN (NULL)", "mag NOT IN (1, NULL)", "id NOT IN (SELECT id FROM sky.spots)", "NULL IN (1, 2)",
        "NULL BETWEEN 1 AND 2", "id BETWEEN NULL AND 5", "CASE NULL WHEN NULL THEN 1 END = 1",
        "COALESCE(NULL, NULL) = 'a'", "NULLIF(id, id) IS NOT NULL", "id = CAST(NULL AS INTEGER)",
    ):  # fmt: skip
        assert world.ask(f"SELECT id FROM sky.stars WHERE {condition}") == [], condition
    spots = set(world.spots["id"])
    found = world.fetch_values(
        "SELECT id FROM sky.stars WHERE id NOT IN (SELECT id FROM sky.spots WHERE id IS NOT NULL)"
    )
    assert set(found) == set(world.stars["id"]) - spots


def test_conditional(world: Any) -> None:
    mags, kmags = world.stars["mag"], world.stars["kmag"]
    pairs = list(zip(mags, kmags, strict=True))
    assert world.fetch_values("SELECT COALESCE(mag, kmag, -1) FROM sky.stars ORDER BY id") == [
        m if m is not None else k if k is not None else -1 for m, k in pairs
    ]
    assert world.fetch_values("SELECT CASE WHEN mag > kmag THEN 'a' WHEN mag <= kmag THEN NULL ELSE 'c' END FROM sky.stars"
                        " ORDER BY id") == [
        "c" if m is None or k is None else "a" if m > k else None for m, k in pairs
    ]  # fmt: skip
    assert world.fetch_values("SELECT NULLIF(small, 3) FROM sky.stars ORDER BY id") == [
        None if s == 3 else s for s in world.stars["small"]
    ]
    assert world.evaluate("CASE WHEN id = 0 THEN 1 ELSE 2.5 END") == 1.0
    assert world.evaluate("COALESCE(NULL, \"date\", '2001-01-01')") == dt.date(2000, 1, 1)


# ------------------------------------------------------------------- CAST

CASTS: list[tuple[str, Any]] = [
    ("CAST('12' AS INTEGER)", 12), ("CAST(' -7 ' AS SMALLINT)", -7), ("CAST('1.5e3' AS REAL)", 1500.0),
    ("CAST('0.1' AS DOUBLE PRECISION)", 0.1), ("CAST(2.4 AS INTEGER)", 2), ("CAST(-2.4 AS BIGINT)", -2),
    ("CAST(3 AS DOUBLE PRECISION)", 3.0), ("CAST(3000000000 AS BIGINT)", 3000000000), ("CAST(1 AS SMALLINT)", 1),
    ("CAST(12 AS VARCHAR)", "12"), ("CAST(12.5 AS VARCHAR(10))", "12.5"), ("CAST('abc' AS CHAR(2))", "ab"),
    ("CAST('abc' AS VARCHAR(2))", "ab"), ("CAST('abc' AS CHAR(5))", "abc"), ("CAST(name AS VARCHAR(2))", "ab"),
    ("CAST(CAST('abc' AS CHAR(2)) AS CHAR(1))", "a"), ("CAST(\"date\" AS VARCHAR)", "2000-01-01"),
    ("CAST(moment AS VARCHAR)", "2000-01-01T12:00:00"), ("CAST(moment AS CHAR(10))", "2000-01-01"),
    ("CAST(\"date\" AS TIMESTAMP)", dt.datetime(2000, 1, 1)),
    ("CAST('2000-01-30' AS TIMESTAMP)", dt.datetime(2000, 1, 30)),
    ("CAST('2000-01-30T12:34:56.5Z' AS TIMESTAMP)", dt.datetime(2000, 1, 30, 12, 34, 56, 500000)),
    ("CAST(CAST(moment AS VARCHAR) AS TIMESTAMP)", dt.datetime(2000, 1, 1, 12)),
    ("CAST(NULL AS INTEGER)", None), ("CAST(NULL AS TIMESTAMP)", None), ("CAST(NULL AS VARCHAR(2))", None),
    ("CAST('10 20' AS POINT)", [10, 20]), ("CAST('10 20 1.5' AS CIRCLE)", [10, 20, 1.5]),
    ("CAST('1 2 3 4 5 9' AS POLYGON)", [1, 2, 3, 4, 5, 9]), ("CAST(POINT(ra, dec) AS POINT)", [0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), CASTS)
def test_casts(world: Any, expression: str, expected: Any) -> None:
    assert world.evaluate(expression) == expected
    column = world.resolve(f"SELECT {expression} AS v FROM sky.stars").columns[0]
    expected_type = "TIMESTAMP" if isinstance(expected, dt.datetime) else None
    assert expected_type is None or column.type.name == expected_type


@pytest.mark.parametrize(
    "expression",
    ["CAST(moment AS INTEGER)", "CAST(1 AS TIMESTAMP)", "CAST('x' AS TIMESTAMP)", "CAST('1 2 3' AS POINT)",
     "CAST(ra AS POINT)", "CAST(POINT(ra, dec) AS CIRCLE)", "CAST(POINT(ra, dec) AS INTEGER)", "CAST('a' AS CHAR(0))"],
)  # fmt: skip
def test_rejects_invalid_casts(world: Any, expression: str) -> None:
    with pytest.raises(QueryError) as raised:
        world.evaluate(expression)
    assert raised.value.span is not None


@pytest.mark.parametrize(
    "expression",
    ["CAST('a' AS INTEGER)", "CAST(name AS INTEGER)", "CAST(name AS TIMESTAMP)", "CAST(70000 AS SMALLINT)",
     "CAST(1e300 AS REAL)", "big * 10000000000 * (big + 10000000000)", "CAST(ra + 1e10 AS INTEGER)",
     "9223372036854775807 + big + 1", "(SELECT id FROM sky.stars)"],
)  # fmt: skip
def test_rejects_values_out_of_range(world: Any, expression: str) -> None:
    with pytest.raises(UsageError) as raised:
        world.ask(f"SELECT {expression} FROM sky.stars")
    assert "duckdb" not in str(raised.value).lower()
    assert raised.value.code == Code.QUERY_ROW_FAILED


def test_rejects_bad_value_amid_rows(world: Any) -> None:
    text = "SELECT CAST(CASE WHEN a.id + b.id > 1200 THEN 'x' ELSE '1' END AS INTEGER) FROM stars AS a, stars AS b"
    with pytest.raises(UsageError):
        world.ask(text)


# -------------------------------------------------------------- aggregates


def test_aggregates(world: Any) -> None:
    text = "SELECT COUNT(*), COUNT({0}), COUNT(DISTINCT {0}), SUM({0}), AVG({0}), MIN({0}), MAX({0}), SUM(DISTINCT {0})"
    for name in ("small", "mag", "x", "big"):
        values = [v for v in world.stars[name] if v is not None]
        expected = (len(world.stars[name]), len(values), len(set(values)), sum(values), sum(values) / len(values), min(values),
                    max(values), sum(set(values)))  # fmt: skip
        assert world.ask(f"{text.format(name)} FROM sky.stars")[0] == pytest.approx(expected, rel=1e-9)


def test_aggregates_of_no_rows(world: Any) -> None:
    text = 'SELECT COUNT(*), COUNT(mag), SUM(mag), AVG(small), MIN(name), MAX("date") FROM sky.stars WHERE id < 0'
    assert world.ask(text) == [(0, 0, None, None, None, None)]
    assert world.ask(f"{text} GROUP BY flag") == []
    assert world.ask("SELECT SUM(NULL), COUNT(NULL), MIN(NULL) FROM sky.stars") == [(None, 0, None)]


def test_types_of_aggregates(world: Any) -> None:
    text = "SELECT COUNT(*), SUM(small), SUM(mag), AVG(id), MIN(mag), MAX(name), SUM(big), MIN(moment) FROM sky.stars"
    assert [c.type.name for c in world.resolve(text).columns] == [
        "BIGINT", "BIGINT", "DOUBLE PRECISION", "DOUBLE PRECISION", "REAL", "VARCHAR", "BIGINT", "TIMESTAMP",
    ]  # fmt: skip
    table = world.fetch_result(text)
    assert [str(c.type) for c in table.columns] == [
        "int64", "int64", "double", "double", "float", "string", "int64", "timestamp[us]",
    ]  # fmt: skip


def test_result_types_agree_with_declared_types(world: Any) -> None:
    expressions = (
        "small + 1", "small * small", "mag - kmag", "mag + 1", "mag * 2.5", "ABS(small)", "ABS(mag)", "-small", "FLOOR(mag)",
        "ROUND(mag, 1)", "MOD(small, 3)", "MOD(mag, 2)", "CEILING(big)", "COALESCE(small, 3)", "NULLIF(mag, 1)", "id / 2",
        "mag / 2", "CASE WHEN id = 1 THEN small ELSE big END", "CAST(id AS SMALLINT)", "CAST(id AS REAL)", "small & 3",
        "big | 3", "~small", "NULL", "TRUE", "'a'", "1", "3000000000", "1.5", "POINT(ra, dec)", "CONTAINS(POINT(ra, dec),"
        " CIRCLE(1, 2, 3))", "DISTANCE(ra, dec, 1, 2)", "\"date\"", "moment", "flag", "PI()", "RAND()", "SQRT(small)",
    )  # fmt: skip
    text = f"SELECT {', '.join(f'{e} AS v{n}' for n, e in enumerate(expressions))} FROM sky.stars"
    columns, table = world.resolve(text).columns, world.fetch_result(text)
    mismatches = {e: (c.type.arrow, t.type) for e, c, t in zip(expressions, columns, table.columns, strict=True)
             if c.type.arrow != t.type and c.type.family != "geometry"}  # fmt: skip
    assert mismatches == {}


def test_null_coordinates(world: Any) -> None:
    for text in ("DISTANCE(1, 2, NULL, ra)", "DISTANCE(POINT(NULL, 2), POINT(ra, dec))", "COORD1(POINT(NULL, dec))"):
        assert world.evaluate(text) is None
    assert world.ask("SELECT id FROM sky.stars WHERE DISTANCE(1, 2, NULL, ra) < 1") == []

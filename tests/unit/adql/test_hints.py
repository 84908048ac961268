from __future__ import annotations

import pytest

from vo_server.adql.syntax import expected, operand_errors, syntax_hints, tree
from vo_server.adql.syntax.expected import describe_expected
from vo_server.adql.syntax.parse import parse
from vo_server.errors import Code, QueryError, TextSpan

MISTAKES: dict[Code, tuple[tuple[str, str, str], ...]] = {
    Code.ADQL_SYNTAX: (
        ("SELECT a FROM t WHERE a == 1", "==", "single ="),
        ("SELECT TOP(10) a FROM t", "(", "without parentheses"),
        ("SELECT TOP x a FROM t", "x", "unsigned whole number"),
        ("SELECT TOP -1 a FROM t", "-", "unsigned whole number"),
        ("SELECT a TOP 10 FROM t", "TOP", "before the select list"),
        ("SELECT a FROM t TOP 10", "TOP", "before the select list"),
        ("SELECT TOP 10 DISTINCT a FROM t", "DISTINCT", "before TOP"),
        ("SELECT TOP10 * FROM t", "TOP10 * FROM", "blank stands between TOP"),
        ("SELECT `a` FROM t", "`a`", "back quotes"),
        ("SELECT [a] FROM t", "[a]", "square brackets"),
        ("SELECT a % 2 FROM t", "%", "MOD(a, b)"),
        ("SELECT a::int FROM t", "::int", "CAST(value AS type)"),
        ("SELECT a FROM t WHERE a && b", "&&", "AND"),
        ("SELECT a FROM t WHERE a >> 1 = 2", ">>", "shift"),
        ("SELECT a FROM t WHERE a < = 1", "< =", "no blank"),
        ("SELECT a FROM t WHERE !(a = 1)", "!", "NOT"),
        ("SELECT a, b t WHERE a = 1", "WHERE", "FROM is missing"),
        ("SELECT a", "", "FROM is missing"),
        ("SELECT a b c FROM t", "c", "a comma may be missing"),
        ("SELECT POINT('ICRS' ra, dec) FROM t", "ra", "a comma may be missing"),
        ("SELECT a, FROM t", ", FROM", "one too many"),
        ("SELECT a,, b FROM t", ",", "one comma"),
        ("SELECT FROM t", "FROM", "nothing is selected"),
        ("SELECT a FROM t WHERE (a = 1 AND (b = 2)", "(", "never closed"),
        ("SELECT ABS(a FROM t", "(", "FROM comes before"),
        ("SELECT a FROM t WHERE a = 1)", ")", "no open parenthesis"),
        ("SELECT a FROM t WHERE b = 'abc", "'", "never closed"),
        ('SELECT a FROM "t', '"', "never closed"),
        ('SELECT "" FROM t', '"', "empty"),
        ("SELECT a FROM t; SELECT b FROM t", "SELECT", "one query at a time"),
        ("DROP TABLE t", "DROP", "ADQL only reads"),
        ("INSERT INTO t VALUES (1)", "INSERT", "ADQL only reads"),
        ("update t set a = 1", "update", "ADQL only reads"),
        ("SELEC a FROM t", "SELEC", "begins with SELECT or WITH"),
        ("", "", "empty"),
        (" -- nothing\n", "", "empty"),
        ("SELECT a = b FROM t", "=", "a condition is not a value"),
        ("SELECT a FROM t WHERE 1 < a < 2", "<", "join two of them with AND"),
        ("SELECT distance FROM t", "distance", "`distance` is a reserved word of ADQL; write it in double quotes"),
        ("SELECT a AS point FROM t", "point", "`point` is a reserved word"),
        ("SELECT a AS size FROM t", "size", "`size` is a reserved word"),
        ("SELECT a FROM t WHERE t.year = 1", "year", "`year` is a reserved word"),
        ("SELECT a AS top FROM t", "top", "`top` is a reserved word"),
        ("SELECT left, a FROM t", "left", "`left` is a reserved word"),
        ("SELECT a FROM table", "table", "`table` is a reserved word"),
        ("SELECT POINT 1, 2 FROM t", "POINT", "arguments in parentheses"),
        ("SELECT a FROM t WHERE a BETWEEN 1 OR 2", "BETWEEN", "x BETWEEN 1 AND 2"),
        ("SELECT a FROM t GROUP a", "GROUP a", "followed by BY"),
        ("SELECT a FROM t ORDER a", "ORDER a", "followed by BY"),
        ("SELECT a FROM t ORDERBY a", "ORDERBY a", "two words"),
        ("SELECT a FROM t WHERE b = ‘x’", "‘", "typographic"),
        ("SELECT a FROM t WHERE b = “x”", "“", "typographic"),
        ("SELECT\u00a0a FROM t", "\u00a0", "blank"),
        ("SELECT a FROM t JOIN u", "JOIN", "JOIN needs ON or USING"),
        ("SELECT a FROM t LEFT JOIN u WHERE a = 1", "JOIN", "JOIN needs ON or USING"),
        ("SELECT a FROM t NATURAL JOIN u ON 1 = 1", "ON", "NATURAL JOIN takes no ON"),
        ("SELECT a FROM t, u ON 1 = 1", "ON", "after JOIN"),
        ("SELECT a FROM t JOIN u USING id", "id", "in parentheses"),
        ("SELECT a AS 'x' FROM t", "'x'", "single quotes"),
        ("SELECT a 'x' FROM t", "'x'", "single quotes"),
        ("SELECT a FROM 't'", "'t'", "single quotes"),
        ("SELECT a FROM t WHERE a IN 5", "5", "x IN (1, 2)"),
        ("SELECT a FROM t WHERE a IN ()", "()", "empty"),
        ("SELECT a FROM t WHERE EXISTS u", "u", "sub-query in parentheses"),
        ("SELECT a FROM t WHERE a IS 1", "1", "NULL or NOT NULL"),
        ("SELECT a FROM t WHERE a LIKE 'b' ESCAPE 'c'", "ESCAPE", "no ESCAPE"),
        ("SELECT a FROM (SELECT b FROM u)", ")", "needs a name"),
        ("SELECT a FROM (t)", "(t)", "without parentheses"),
        ("SELECT a FROM t ORDER BY a WHERE b = 1", "WHERE", "WHERE stands before ORDER BY"),
        ("SELECT a FROM t WHERE a = 1 WHERE b = 1", "WHERE", "a second WHERE"),
        ("SELECT a FROM t ORDER BY a UNION SELECT b FROM u", "UNION", "in parentheses"),
        ("SELECT a FROM FROM t", "FROM", "written twice"),
        ("SELECT a FROM (WITH q AS (SELECT 1 FROM t) SELECT * FROM q) AS z", "WITH", "at the very beginning"),
        ("WITH q AS SELECT a FROM t SELECT * FROM q", "SELECT", "in parentheses"),
        ("SELECT RANK() OVER (ORDER BY a) FROM t", "OVER (", "window functions"),
        ("SELECT dbo.f(a) FROM t", "f(", "no schema"),
        ("SELECT CAST(a AS FLOAT) FROM t", "FLOAT", "DOUBLE PRECISION"),
        ("SELECT CAST(a AS stuff) FROM t", "stuff", "the types are"),
        ("SELECT CAST(a AS REAL(3)) FROM t", "REAL(3)", "no length"),
        ("SELECT a FROM t OFFSET -1", "-", "OFFSET takes"),
        ("SELECT a FROM t LIMIT 10, 20", ",", "LIMIT 10 OFFSET 20"),
        ("SELECT a FROM t LIMIT ALL", "LIMIT ALL", "LIMIT takes a whole number"),
        ("SELECT a FROM t FETCH FIRST 5 ROWS ONLY", "FETCH", "write TOP"),
        ("SELECT 2mass FROM t", "2mass", "begins with a letter"),
        ("SELECT _a FROM t", "_a", "begins with a letter"),
        ("SELECT é FROM t", "é", "without accents"),
        ("SELECT a FROM t WHERE a = ?", "?", "unfilled"),
        ("SELECT a FROM t WHERE a = {x}", "{x}", "unfilled"),
        ("SELECT a FROM t /* x */", "/", "begins with --"),
        ("SELECT a FROM t WHERE a = ANY (SELECT b FROM u)", "ANY", "no ANY"),
        ("SELECT a FROM t WHERE (a, b) IN (SELECT 1, 2 FROM u)", ",", "one by one"),
        ("SELECT a FROM t WHERE a > TIMESTAMP '2020-01-01'", "TIMESTAMP", "plain string"),
        ("SELECT a FROM t WHERE", "", "the query ends where a condition was expected"),
        ("SELECT a FROM t WHERE a = ", "", "the query ends where a value was expected"),
        ("SELECT a FROM t WHERE a b", "b", "expected a comparison, found `b`"),
        ("SELECT a b. FROM t", ".", "expected a comma or FROM, found `.`"),
    ),
    Code.ADQL_TYPE_MISMATCH: (
        ("SELECT a FROM t WHERE a = NULL", "a = NULL", "IS NULL"),
        ("SELECT a FROM t WHERE a <> NULL", "a <> NULL", "IS NOT NULL"),
        ("SELECT a FROM t WHERE CONTAINS(a, b)", "CONTAINS(a, b)", "1 = CONTAINS(...)"),
        ("SELECT a FROM t WHERE NOT INTERSECTS(a, b)", "INTERSECTS(a, b)", "1 = INTERSECTS(...)"),
        ("SELECT a FROM t WHERE f(a) AND a = 1", "f(a)", "1 = f(...)"),
        ("SELECT a FROM t WHERE flag", "flag", "is a column, not a condition"),
        ("SELECT a FROM t WHERE a = 1 OR 5", "5", "a condition is needed"),
        ("SELECT (a = b) + 1 FROM t", "(a = b)", "a condition is not a value"),
        ("SELECT 'a' || -1 FROM t", "-1", "CAST(value AS VARCHAR)"),
        ("SELECT a + POINT(1, 2) FROM t", "POINT(1, 2)", "a geometry cannot stand after +"),
    ),
    Code.ADQL_WRONG_ARGUMENTS: (
        ("SELECT POINT(a) FROM t", "POINT(a)", "POINT takes two coordinates"),
        ("SELECT SUM(*) FROM t", "SUM(*)", "only COUNT takes *"),
    ),
    Code.ADQL_UNKNOWN_FUNCTION: (("SELECT SUBSTRING(a, 1) FROM t", "SUBSTRING", "not a function of ADQL"),),
    Code.ADQL_BAD_LITERAL: (("SELECT 1.5.2 FROM t", "1.5.2", "cannot be read"),),
}
"""By code: invalid queries, the text of the span, and a part of the message or hint."""

ROWS = [(code, *row) for code, rows in MISTAKES.items() for row in rows]


def parse_error(text: str, strict: bool = False) -> QueryError:
    """Return the error that a query gives."""
    with pytest.raises(QueryError) as raised:
        parse(text, strict)
    return raised.value


@pytest.mark.parametrize(("code", "text", "marked", "part"), ROWS)
def test_mistake_has_code_span_and_hint(code: Code, text: str, marked: str, part: str) -> None:
    error = parse_error(text)
    assert error.code == code
    assert error.span is not None
    assert text[error.span.start : error.span.end] == marked
    assert part in f"{error.message} ({error.hint})"


@pytest.mark.parametrize(("code", "text", "marked", "part"), ROWS)
def test_message_has_no_names_of_terminals(code: Code, text: str, marked: str, part: str) -> None:
    message = parse_error(text).message
    for terminal in ("RPAR", "LPAR", "$END", "DELIMITED", "COMPARE", "AMPERSAND", "__", "Token"):
        assert terminal not in message


def test_caret_stands_under_the_mistake() -> None:
    error = parse_error("SELECT a,\n  distance\nFROM t")
    assert error.span is not None and error.span.line_column(error.text) == (2, 3)
    assert str(error).endswith("\n  distance\n  ^^^^^^^^")


def test_marks_the_innermost_open_parenthesis() -> None:
    text = "SELECT a FROM t WHERE (a = 1) AND (b IN (1, 2) AND ABS(c = 3"
    error = parse_error(text.replace("c = 3", "c"))
    assert error.span == TextSpan(text.index("(c"), text.index("(c") + 1)


def test_strict_mode_rejects_limit() -> None:
    error = parse_error("SELECT a FROM t LIMIT 10", strict=True)
    assert error.code == Code.ADQL_EXTENSION


def test_suggests_single_quotes_for_an_unknown_quoted_column() -> None:
    assert "'M31'" in operand_errors.suggest_single_quotes(tree.Identifier("M31", delimited=True, span=TextSpan(0, 5)))


@pytest.mark.parametrize("row", syntax_hints.SYNTAX_HINTS, ids=lambda row: row.pattern)
def test_hints_expect_terminals_that_exist(row: syntax_hints.SyntaxHint) -> None:
    terminals = {terminal for marks, _, covered in expected.EXPECTATION_LABELS for terminal in marks | covered}
    assert {need.removeprefix("!") for need in row.expected.split()} <= terminals


@pytest.mark.parametrize(
    ("terminals", "description"),
    [
        ({"COMMA", "DOT", "FROM", "AS", "NAME", "DELIMITED", "PLUS"}, "a comma, FROM or an alias"),
        ({"NAME", "DELIMITED"}, "a name"),
        ({"RPAR"}, "a closing parenthesis"),
        ({"PLUS", "MINUS"}, "an operator"),
        ({"END", "WHEN"}, "END or WHEN"),
    ],
)
def test_describes_expected_terminals(terminals: set[str], description: str) -> None:
    assert describe_expected(frozenset(terminals)) == description

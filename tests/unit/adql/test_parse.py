from __future__ import annotations

import re
import time
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vo_server.adql.syntax import tree
from vo_server.adql.syntax.lexer import MAX_DEPTH
from vo_server.adql.syntax.parse import MAX_CHARACTERS, parse
from vo_server.errors import Code, QueryError, TextSpan
from vo_server.model.reserved_words import RESERVED

QUERIES = (
    "SELECT TOP 10 a, b.c AS d, COUNT(*) FROM s.t AS b WHERE a > 5 AND NOT b.c LIKE 'x%' GROUP BY a ORDER BY 1 DESC",
    "WITH q AS (SELECT * FROM t) SELECT q.* FROM q NATURAL LEFT OUTER JOIN (u JOIN v USING (id)) OFFSET 3",
    "SELECT a FROM t WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE(10.5, -.3E1, 0.1)) -- near\nOR a IN (1, 2)",
    "(SELECT a FROM t ORDER BY a) UNION ALL (SELECT b FROM u) INTERSECT SELECT CAST(c AS VARCHAR(3)) FROM v;",
    "SELECT CASE WHEN a IS NULL THEN 'it''s' ELSE \"b\"\"c\" END FROM t WHERE EXISTS (SELECT 1 FROM u) LIMIT 5",
    "SELECT (SELECT MAX(x) FROM u), f(), ~a & 0xFF | b ^ 1 FROM t, u CROSS JOIN v WHERE a BETWEEN -1 AND 2*(3+4)",
)


def value(text: str) -> Any:
    """Return the tree of a value as nested tuples."""
    item = select(f"SELECT {text} FROM t").items[0]
    assert isinstance(item, tree.SelectItem)
    return short(item.value)


def condition(text: str) -> Any:
    """Return the tree of a condition as nested tuples."""
    return short(select(f"SELECT a FROM t WHERE {text}").where)


def source(text: str) -> Any:
    """Return the tree of a FROM as nested tuples."""
    return short(select(f"SELECT a FROM {text}").source)


def select(text: str) -> tree.Select:
    body = parse(text).body
    assert isinstance(body, tree.Select)
    return body


def short(node: Any) -> Any:
    """Return a tree as nested tuples, without spans."""
    match node:
        case tree.Identifier(text=text, delimited=delimited):
            return f'"{text}"' if delimited else text
        case tree.ColumnName(names=names):
            return ".".join(short(name) for name in names)
        case tree.Number(text=text):
            return text
        case tree.String(value=text):
            return f"'{text}'"
        case tree.Compare() | tree.BinaryOperation():
            return (node.operator, short(node.left), short(node.right))
        case tree.UnaryOperation():
            return (node.operator, short(node.operand))
        case tree.And() | tree.Or():
            return (type(node).__name__, *(short(operand) for operand in node.operands))
        case tree.Call(star=False, distinct=False):
            return (node.name, *(short(argument) for argument in node.arguments))
        case tuple():
            return tuple(short(part) for part in node)
        case _ if is_dataclass(node):
            return (type(node).__name__, *(short(getattr(node, f.name)) for f in fields(node) if f.name != "span"))
        case _:
            return node


def parse_error(text: str, code: Code = Code.ADQL_SYNTAX, strict: bool = False) -> QueryError:
    """Return the error that a query gives, which has this code, a span and the text."""
    with pytest.raises(QueryError) as raised:
        parse(text, strict)
    assert raised.value.code == code
    assert raised.value.span is not None
    assert raised.value.text == text
    return raised.value


def marked(text: str, span: TextSpan) -> str:
    """Return the text of a span."""
    return text[span.start : span.end]


class TestPrecedence:
    def test_precedence_of_and_or_not(self) -> None:
        node = condition("a = 1 OR NOT b = 2 AND c = 3 OR d = 4")
        assert node == ("Or", ("=", "a", "1"), ("And", ("Not", ("=", "b", "2")), ("=", "c", "3")), ("=", "d", "4"))

    def test_parentheses_group_conditions(self) -> None:
        node = condition("(a = 1 OR b = 2) AND (c = 3)")
        assert node == ("And", ("Or", ("=", "a", "1"), ("=", "b", "2")), ("=", "c", "3"))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a - b - c", ("-", ("-", "a", "b"), "c")),
            ("a / b * c", ("*", ("/", "a", "b"), "c")),
            ("a + b * c", ("+", "a", ("*", "b", "c"))),
            ("(a + b) * c", ("*", ("+", "a", "b"), "c")),
            ("a * -b", ("*", "a", ("-", "b"))),
            ("-1", ("-", "1")),
            ("- a * b", ("*", ("-", "a"), "b")),
            ("'a' || b || 'c'", ("||", ("||", "'a'", "b"), "'c'")),
            ("a | b ^ c & d + 1", ("|", "a", ("^", "b", ("&", "c", ("+", "d", "1"))))),
            ("~a & b", ("&", ("~", "a"), "b")),
        ],
    )
    def test_precedence_of_operators(self, text: str, expected: Any) -> None:
        assert value(text) == expected

    def test_bitwise_binds_tighter_than_comparison(self) -> None:
        assert condition("a & 3 = 0") == ("=", ("&", "a", "3"), "0")

    def test_intersect_binds_tighter_than_union_and_except(self) -> None:
        body = parse("SELECT a FROM r UNION SELECT a FROM s INTERSECT SELECT a FROM t EXCEPT ALL SELECT a FROM u").body
        assert isinstance(body, tree.SetOperation) and isinstance(body.left.body, tree.SetOperation)
        assert (body.operator, body.all) == ("EXCEPT", True)
        assert body.left.body.operator == "UNION"
        assert isinstance(body.left.body.right.body, tree.SetOperation)
        assert body.left.body.right.body.operator == "INTERSECT"


class TestValues:
    @pytest.mark.parametrize("text", ["12", "12.", ".5", "1E3", "1.5e-3", "0xFF"])
    def test_number_keeps_its_text(self, text: str) -> None:
        assert value(text) == text

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("'it''s'", "'it's'"),
            ("''", "''"),
            ('"a ""b"" c"', '"a "b" c"'),
            ("cat.sch.tab.col", "cat.sch.tab.col"),
            ("limit", "limit"),
            ("NULL", ("Null",)),
            ("TRUE", ("Boolean", True)),
            ("false", ("Boolean", False)),
            ("distance(a, b)", ("DISTANCE", "a", "b")),
            ("My_Func(1, x)", ("My_Func", "1", "x")),
            ("pi()", ("PI",)),
            ("Count(*)", ("Call", "COUNT", (), False, True)),
            ("count(DISTINCT a)", ("Call", "COUNT", ("a",), True, False)),
            ("SUM(ALL a)", ("SUM", "a")),
            ("coalesce(a, 'b', NULL)", ("COALESCE", "a", "'b'", ("Null",))),
            ("NULLIF(a, 0)", ("NULLIF", "a", "0")),
            ("in_unit(a, 'deg')", ("IN_UNIT", "a", "'deg'")),
            ("CAST(a AS double  precision)", ("Cast", "a", "DOUBLE PRECISION", None)),
            ("CAST(a AS varchar(8))", ("Cast", "a", "VARCHAR", 8)),
            ("CAST(a AS point)", ("Cast", "a", "POINT", None)),
            ("CASE a WHEN 1 THEN b END", ("Case", "a", (("1", "b"),), None)),
            ("CASE WHEN a = 1 THEN b ELSE c END", ("Case", None, ((("=", "a", "1"), "b"),), "c")),
            ("ROUND(a, - 2)", ("ROUND", "a", ("-", "2"))),
        ],
    )
    def test_parses_to(self, text: str, expected: Any) -> None:
        assert value(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            *("POINT(1, 2)", "POINT('', a, b)", "CIRCLE(1, 2, 3)", "CIRCLE('ICRS', 1, 2, 3)", "CIRCLE(p, 3)"),
            *("CIRCLE('ICRS', POINT(1, 2), 3)", "BOX(1, 2, 3, 4)", "BOX('ICRS', p, 3, 4)", "BOX(p, 3, 4)"),
            *("POLYGON(1, 2, 3, 4, 5, 6)", "POLYGON('ICRS', 1, 2, 3, 4, 5, 6, 7, 8)", "POLYGON(p, q, r, s)"),
            *("POLYGON(POINT(1, 2), POINT(3, 4), p)", "REGION('CIRCLE 1 2 3')", "CENTROID(CIRCLE(p, 3))"),
            *("DISTANCE(p, POINT(1, 2))", "DISTANCE(a, b, 1, -2)", "AREA(f(p))", "COORD1(p)", "COORDSYS(p)"),
        ],
    )
    def test_geometries_with_and_without_coordinate_system(self, text: str) -> None:
        parse(f"SELECT {text} FROM t", strict=True)

    @pytest.mark.parametrize(
        "text",
        [
            *("POINT(1)", "POINT(a || 'x', 1, 2)", "CIRCLE(1, 2)", "POLYGON(1, 2, 3, 4)", "POLYGON(1, 2, p, 3, 4)"),
            *("POLYGON(1, 2, POINT(3, 4), 5, 6)", "REGION(a)", "SIN()", "SIN(1, 2)", "PI(1)", "RAND(a)"),
            *("ROUND(a, b)", "ROUND(a, 1.5)", "IN_UNIT(a, b)", "ABS(POINT(1, 2))", "SUM(a, b)", "SUM(*)"),
            *("LOWER(1 + 2)", "DISTANCE(POINT(1, 2), 3, 4)", "COALESCE()", "NULLIF(a)"),
        ],
    )
    def test_rejects_wrong_arguments(self, text: str) -> None:
        parse_error(f"SELECT {text} FROM t", Code.ADQL_WRONG_ARGUMENTS)

    @pytest.mark.parametrize(
        "text", ["a + POINT(1, 2)", "'a' || -1", "'a' || b + c", "a || SIN(b)", "UPPER(a) * 2", "(a = 1) + 1"]
    )
    def test_rejects_operands_of_the_wrong_kind(self, text: str) -> None:
        parse_error(f"SELECT {text} FROM t", Code.ADQL_TYPE_MISMATCH)

    @pytest.mark.parametrize("text", ["a = 1", "MAX()", "COUNT(DISTINCT *)"])
    def test_rejects_what_the_grammar_of_values_excludes(self, text: str) -> None:
        parse_error(f"SELECT {text} FROM t")

    @pytest.mark.parametrize("text", ["(a + b) || 'c'", "1 || 'a'", "(POINT(1, 2))", "2 * NULL", "f(x) || g(y)"])
    def test_accepts_operands_that_may_have_any_kind(self, text: str) -> None:
        parse(f"SELECT {text} FROM t", strict=True)


class TestConditions:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a != b", ("<>", "a", "b")),
            ("a BETWEEN 1 AND 2 AND b = 3", ("And", ("Between", "a", "1", "2", False), ("=", "b", "3"))),
            ("a NOT BETWEEN 1 AND 2", ("Between", "a", "1", "2", True)),
            ("a IN (1, b)", ("In", "a", ("1", "b"), False)),
            ("a NOT IN (1)", ("In", "a", ("1",), True)),
            ("a LIKE 'x'", ("Like", "a", "'x'", False, False)),
            ("a NOT ILIKE b || '%'", ("Like", "a", ("||", "b", "'%'"), True, True)),
            ("t.a IS NULL", ("IsNull", "t.a", False)),
            ("a IS NOT NULL", ("IsNull", "a", True)),
            ("1 = CONTAINS(p, q)", ("=", "1", ("CONTAINS", "p", "q"))),
            ("((a)) = (b)", ("=", "a", "b")),
        ],
    )
    def test_parses_to(self, text: str, expected: Any) -> None:
        assert condition(text) == expected

    def test_in_and_exists_take_queries(self) -> None:
        node = select("SELECT a FROM t WHERE a IN ((SELECT b FROM u)) AND NOT EXISTS (SELECT 1 FROM v)").where
        assert isinstance(node, tree.And)
        first, second = node.operands
        assert isinstance(first, tree.In) and isinstance(first.options, tree.Query)
        assert isinstance(second, tree.Not) and isinstance(second.operand, tree.Exists)


class TestTables:
    def test_commas_are_cross_joins_from_the_left(self) -> None:
        node = select("SELECT 1 FROM a, b.c AS d, e JOIN f ON x = y").source
        assert isinstance(node, tree.Join) and isinstance(node.left, tree.Join) and isinstance(node.right, tree.Join)
        assert (node.kind, node.left.kind, node.right.kind) == ("CROSS", "CROSS", "INNER")
        assert node.natural is False and node.on is None

    @pytest.mark.parametrize(
        ("text", "kind", "natural"),
        [
            ("JOIN u USING (x)", "INNER", False),
            ("INNER JOIN u ON 1 = 1", "INNER", False),
            ("LEFT JOIN u ON 1 = 1", "LEFT", False),
            ("RIGHT OUTER JOIN u ON 1 = 1", "RIGHT", False),
            ("FULL OUTER JOIN u USING (x, y)", "FULL", False),
            ("NATURAL JOIN u", "INNER", True),
            ("NATURAL LEFT OUTER JOIN u", "LEFT", True),
            ("CROSS JOIN u", "CROSS", False),
        ],
    )
    def test_kinds_of_joins(self, text: str, kind: str, natural: bool) -> None:
        node = select(f"SELECT 1 FROM t {text}").source
        assert isinstance(node, tree.Join)
        assert (node.kind, node.natural) == (kind, natural)

    def test_joins_nest_from_the_left_in_parentheses_and_by_their_conditions(self) -> None:
        for text, nested in (
            ("a JOIN b ON 1 = 1 JOIN c ON 2 = 2", "left"),
            ("a JOIN (b JOIN c ON 1 = 1) ON 2 = 2", "right"),
            ("a JOIN b JOIN c ON 1 = 1 ON 2 = 2", "right"),
            ("((a JOIN b ON 1 = 1)) JOIN c ON 2 = 2", "left"),
        ):
            node = select(f"SELECT 1 FROM {text}").source
            assert isinstance(getattr(node, nested), tree.Join), text

    def test_derived_tables_and_joined_tables_with_a_name(self) -> None:
        for text in ("(SELECT * FROM t) q", "((SELECT * FROM t)) AS q", "(t JOIN u USING (x)) AS q"):
            node = select(f"SELECT 1 FROM {text}").source
            assert isinstance(node, tree.DerivedTable) and node.alias.text == "q"
            assert isinstance(node.query.body, tree.Select)


class TestQueries:
    def test_clauses(self) -> None:
        query = parse(
            'SELECT DISTINCT TOP 0 a AS "b", t.* FROM t GROUP BY a+1 HAVING MAX(a) > 1 ORDER BY 1 DESC, b OFFSET 7'
        )
        body = query.body
        assert isinstance(body, tree.Select)
        assert (body.distinct, body.top, query.offset, query.limit) == (True, 0, 7, None)
        assert [order.descending for order in query.order_by] == [True, False]
        assert short(body.items) == (("SelectItem", "a", '"b"'), ("Star", ("t",)))
        assert short(body.group_by) == (("+", "a", "1"),)
        assert short(body.having) == (">", ("MAX", "a"), "1")

    def test_accepts_words_without_blanks_between(self) -> None:
        assert select("SELECT TOP 4*FROM(SELECT'a'AS x FROM t)AS q").top == 4

    def test_with(self) -> None:
        query = parse("WITH a AS (SELECT 1 FROM t), b AS (SELECT * FROM a) SELECT * FROM b")
        assert [common.name.text for common in query.common_tables] == ["a", "b"]

    def test_limit_in_any_order(self) -> None:
        for text in ("LIMIT 5 OFFSET 2", "OFFSET 2 LIMIT 5"):
            query = parse(f"SELECT a FROM t limit {text}")
            assert (query.limit, query.offset) == (5, 2)

    def test_limit_is_a_name_where_no_number_follows(self) -> None:
        assert source("t limit") == ("TableName", ("t",), "limit")

    def test_operands_in_parentheses_keep_their_order_and_offset(self) -> None:
        body = parse("(SELECT a FROM t ORDER BY a OFFSET 1) UNION (SELECT b FROM u) ORDER BY 1").body
        assert isinstance(body, tree.SetOperation)
        assert (len(body.left.order_by), body.left.offset, body.right.order_by) == (1, 1, ())

    def test_parentheses_around_the_query(self) -> None:
        assert short(parse("((SELECT a FROM t))")) == short(parse("SELECT a FROM t"))
        assert short(parse("(SELECT a FROM t) ORDER BY a")) == short(parse("SELECT a FROM t ORDER BY a"))

    def test_orders_after_a_limit_in_parentheses(self) -> None:
        query = parse("(SELECT TOP 3 a FROM t ORDER BY b) ORDER BY a")
        assert isinstance(query.body, tree.Select) and isinstance(query.body.source, tree.DerivedTable)
        assert query.body.source.query.order_by and len(query.order_by) == 1


class TestSpans:
    TEXT = "SELECT (a + b) * c AS d, t.* FROM s.t AS x JOIN u ON (x.a = u.a) WHERE NOT (f(a) IS NULL) ORDER BY a DESC"

    def test_spans_lie_within_their_parents(self) -> None:
        for text in QUERIES:
            walk(parse(text), text)

    def test_spans_of_examples(self) -> None:
        text = self.TEXT
        query = parse(text)
        body = query.body
        assert isinstance(body, tree.Select) and isinstance(body.source, tree.Join)
        first = body.items[0]
        assert isinstance(first, tree.SelectItem) and isinstance(first.value, tree.BinaryOperation) and first.alias
        for node, expected in (
            (query, text),
            (body, text[: text.index(" ORDER")]),
            (first, "(a + b) * c AS d"),
            (first.value, "(a + b) * c"),
            (first.value.left, "a + b"),
            (first.alias, "d"),
            (body.items[1], "t.*"),
            (body.source, "s.t AS x JOIN u ON (x.a = u.a)"),
            (body.source.left, "s.t AS x"),
            (body.source.on, "x.a = u.a"),
            (body.where, "NOT (f(a) IS NULL)"),
            (query.order_by[0], "a DESC"),
        ):
            assert node is not None and marked(text, node.span) == expected


def walk(node: Any, text: str) -> None:
    """Check that each node begins and ends with a word and contains its parts."""
    for field in fields(node):
        parts = getattr(node, field.name)
        for part in flat(parts):
            assert node.span.start <= part.span.start < part.span.end <= node.span.end, (node, part)
            assert marked(text, part.span).strip() == marked(text, part.span)
            walk(part, text)


def flat(parts: Any) -> list[Any]:
    if isinstance(parts, tuple):
        return [node for part in parts for node in flat(part)]
    return [parts] if hasattr(parts, "span") else []


class TestExtensions:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("SELECT CASE WHEN a = 1 THEN 2 END FROM t", "CASE"),
            ("SELECT NULLIF(a, 1) FROM t", "NULLIF"),
            ("SELECT (SELECT MAX(a) FROM u) FROM t", "a sub-query as a value"),
            ("SELECT a FROM t LIMIT 10", "LIMIT"),
            ("SELECT a FROM t;", "a semicolon"),
            ("SELECT *, a FROM t", "a bare *"),
            ("SELECT 0x1F FROM t", "hexadecimal"),
            ("SELECT a & 1 FROM t", "bitwise"),
            ("SELECT a | 1 FROM t", "bitwise"),
            ("SELECT a ^ 1 FROM t", "bitwise"),
            ("SELECT ~a FROM t", "bitwise"),
            ("SELECT a FROM t WHERE a = TRUE", "TRUE"),
            ("SELECT a FROM t CROSS JOIN u", "CROSS JOIN"),
            ("SELECT a FROM t WHERE a + 1 IS NULL", "IS NULL"),
            ("SELECT a FROM t UNION DISTINCT SELECT b FROM u", "DISTINCT after UNION"),
        ],
    )
    def test_strict_mode_rejects_extensions(self, text: str, name: str) -> None:
        parse(text)
        assert name in parse_error(text, Code.ADQL_EXTENSION, strict=True).message


class TestLimits:
    def test_depth(self) -> None:
        deep = MAX_DEPTH - 10
        parse(f"SELECT {'(' * deep}1{')' * deep} FROM t")
        for text in (
            "(" * 900_000,
            "SELECT " + "(" * 300 + "1" + ")" * 300 + " FROM t",
            "SELECT 1" + "+1" * 300 + " FROM t",
        ):
            parse_error(text, Code.ADQL_TOO_COMPLEX)

    def test_flat_lists_are_not_deep(self) -> None:
        parse("SELECT a FROM t WHERE " + " OR ".join(["a = 1"] * 2000))
        parse("SELECT " + ", ".join(["a"] * 2000) + " FROM t")

    def test_length(self) -> None:
        parse_error("SELECT a FROM t" + " " * MAX_CHARACTERS, Code.ADQL_TOO_COMPLEX)

    def test_digits(self) -> None:
        parse_error(f"SELECT TOP {'9' * 5000} a FROM t", Code.ADQL_BAD_LITERAL)

    def test_parses_thousands_of_values_quickly(self) -> None:
        text = f"SELECT a FROM t WHERE a IN ({','.join(map(str, range(5000)))})"
        parse(text)
        before = time.process_time()
        parse(text)
        assert time.process_time() - before < 1

    def test_rejects_names_of_too_many_parts(self) -> None:
        parse_error("SELECT a.b.c.d.e FROM t")
        parse_error("SELECT a.b.c.d.* FROM t")
        parse_error("SELECT " + "a." * 400_000 + "a FROM t")
        parse_error("SELECT a FROM a.b.c.d")


class TestReserved:
    @pytest.mark.parametrize("word", sorted(RESERVED - {"END-EXEC"}))
    def test_reserved_words_are_names_only_in_quotes(self, word: str) -> None:
        parse_error(f"SELECT a AS {word.lower()} FROM t")
        parse_error(f"SELECT t.{word} FROM t")
        parse_error(f"SELECT a FROM {word}")
        parse(f'SELECT "{word}" AS "{word.lower()}" FROM "{word}"', strict=True)

    def test_number_of_reserved_words_is_that_of_the_standard(self) -> None:
        assert len(RESERVED) == 267

    def test_names_may_begin_like_reserved_words(self) -> None:
        parse("SELECT selected, from_x, order1, nullable, tops FROM tables WHERE ands = 1 ORDER BY asc_", strict=True)


JUNK = st.text(
    alphabet=st.sampled_from(list("SELECT FROM wheretop*()'\",;.=<>!|&^~-+/0123456789_x\n\té’\u00a0[]`%:@#{}?$\\"))
)
WORDS = [*sorted(RESERVED), *"a t.b ( ) , * 's' \"n\" 1 .5 0x1 = || - ; @".split(), "LIMIT 3"]


class TestRaisesOnlyQueryErrors:
    @settings(max_examples=150, deadline=None)
    @given(st.one_of(st.text(), JUNK))
    def test_on_random_text(self, text: str) -> None:
        check_raises_only_query_errors(text)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.sampled_from(WORDS), max_size=25))
    def test_on_random_words(self, parts: list[str]) -> None:
        check_raises_only_query_errors("SELECT " + " ".join(parts))

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_on_mutations(self, data: st.DataObject) -> None:
        parts = re.findall(r"\w+|\s+|[^\w\s]", data.draw(st.sampled_from(QUERIES)))
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(parts) - 1))
            parts[at : at + data.draw(st.integers(0, 2))] = data.draw(
                st.lists(st.sampled_from([" ", *WORDS]), max_size=2)
            )
            parts = parts or [" "]
        check_raises_only_query_errors("".join(parts))


def check_raises_only_query_errors(text: str) -> None:
    for strict in (False, True):
        try:
            assert isinstance(parse(text, strict), tree.Query)
        except QueryError as error:
            assert error.span is not None and 0 <= error.span.start <= error.span.end <= len(text)
            assert error.message and str(error)


def shape_of(query: tree.Query) -> str:
    body = query.body
    if isinstance(body, tree.SetOperation):
        return f"({shape_of(body.left)} {body.operator}{' ALL' * body.all} {shape_of(body.right)})"
    (item,) = body.items
    assert isinstance(item, tree.SelectItem)
    assert isinstance(item.value, tree.ColumnName)
    return item.value.names[0].text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a UNION b UNION c UNION d UNION e", "(((a UNION b) UNION (c UNION d)) UNION e)"),
        ("a UNION b UNION ALL c UNION ALL d", "(((a UNION b) UNION ALL c) UNION ALL d)"),
        ("a UNION (b UNION c) UNION d", "((a UNION (b UNION c)) UNION d)"),
        ("a EXCEPT b EXCEPT c EXCEPT d", "(((a EXCEPT b) EXCEPT c) EXCEPT d)"),
        ("a UNION ALL b EXCEPT c UNION ALL d INTERSECT e", "(((a UNION ALL b) EXCEPT c) UNION ALL (d INTERSECT e))"),
    ],
)
def test_chain_of_unions_is_a_balanced_tree(text: str, expected: str) -> None:
    """The result of a chain of UNION does not depend on its nesting; that of EXCEPT does."""
    assert shape_of(parse(re.sub(r"\b[a-e]\b", r"SELECT \g<0> FROM t", text))) == expected

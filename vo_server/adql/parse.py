"""Text to tree: ADQL 2.1 with a few extensions, which `strict` refuses. The only door to lark.

The parser is LALR(1) over grammar.lark and builds the tree as it reduces, without recursion. Values and conditions come
through the same rules, and the grammar's numeric, character and geometry expressions too: each piece carries a letter
for its kind (see words.py), and the builder asks for the kind that the grammar has at that place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar, cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken
from lark.lark import PostLex
from typing_extensions import override

from vo_server.adql import hints, tree, words
from vo_server.errors import Place, QueryFault

MAX_LENGTH = 1_000_000
"""Characters of a query."""

MAX_DEPTH = 200
"""Levels of the tree, parentheses counted: what walks the tree later may do so by recursion."""

MAX_NAMES = 4
"""Of a column: catalogue, schema, table and its own."""

LOOK_AHEAD = 100
"""Words after the wrong one that an explanation may look at."""

MAX_DIGITS = 18
"""Digits of the numbers of TOP, OFFSET and LIMIT."""

Node = TypeVar("Node")


class Piece(NamedTuple, Generic[Node]):
    """A node on the parser's stack. The stretch counts parentheses in, which the node's own place does not."""

    node: Node
    start: int
    end: int
    kind: str
    depth: int


class JoinCondition(NamedTuple):
    on: tree.Condition | None
    using: tuple[tree.Name, ...]
    end: int
    depth: int


class Bounds(NamedTuple):
    offset: int | None
    limit: int | None
    end: int


Expression = Piece[Any]
"""A value or a condition."""

PARENTHESISED = "("
"""The kind of a query that stands in parentheses."""


def parse(text: str, strict: bool = False) -> tree.Query:
    """The tree of a query; a QueryFault with its place if it is none, or has an extension and is read strictly."""
    if len(text) > MAX_LENGTH:
        said = f"the query has {len(text):,} characters; at most {MAX_LENGTH:,} are read"
        raise QueryFault(said, text=text, place=Place(MAX_LENGTH, MAX_LENGTH))
    try:
        return cast("Piece[tree.Query]", _parser(strict).parse(text)).node
    except UnexpectedToken as wrong:
        raise hints.explain(_trouble(text, wrong)) from None
    except UnexpectedCharacters as wrong:
        raise hints.strange_character(text, wrong.pos_in_stream or 0) from None
    except QueryFault as fault:
        fault.text = text
        raise


@cache
def _parser(strict: bool) -> Lark:
    return Lark(
        Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        maybe_placeholders=True,
        transformer=Builder(strict),
        postlex=Words(),
    )


class Words(PostLex):
    """Between lexer and parser: a reserved word gets its own terminal, and parentheses are counted."""

    always_accept = ()

    @override
    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        for token in stream:
            if token.type == "NAME":
                token.type = words.TERMINALS.get(token.upper(), "NAME")
            elif token.type == "LPAR":
                depth += 1
                if depth > MAX_DEPTH:
                    raise _too_deep(_start(token), _end(token))
            elif token.type == "RPAR":
                depth -= 1
            yield token


def _trouble(text: str, wrong: UnexpectedToken) -> hints.Trouble:
    """What the parser saw and what it would have taken, told without lark."""
    stop = wrong.token.start_pos if wrong.token.type != "$END" else None
    seen: list[hints.Word] = []
    at: int | None = None
    with suppress(UnexpectedCharacters, QueryFault):
        for token in _parser(False).lex(text):
            if at is None and token.start_pos == stop:
                at = len(seen)
            seen.append(hints.Word(token.type.removeprefix("_"), str(token), _start(token), _end(token)))
            if at is not None and len(seen) > at + LOOK_AHEAD:
                break
    end = len(text.rstrip())
    seen.append(hints.Word("$END", "", end, end))
    accepted: set[str] = set()
    if wrong.interactive_parser is not None:
        accepted = wrong.interactive_parser.accepts()  # type: ignore[no-untyped-call]
    return hints.Trouble(
        text=text,
        words=tuple(seen),
        at=len(seen) - 1 if at is None else at,
        expected=frozenset(name.removeprefix("_") for name in accepted),
    )


def _start(token: Token) -> int:
    return cast(int, token.start_pos)


def _end(token: Token) -> int:
    return cast(int, token.end_pos)


def _number(token: Token) -> int:
    """The number of TOP, OFFSET or LIMIT."""
    if len(token) > MAX_DIGITS:
        raise QueryFault(f"numbers here have at most {MAX_DIGITS} digits", place=Place(_start(token), _end(token)))
    return int(token)


def _piece(node: Node, start: int, end: int, kind: str, *depths: int) -> Piece[Node]:
    """A piece on top of others, of which the depths are given."""
    depth = 1 + max(depths, default=0)
    if depth > MAX_DEPTH:
        raise _too_deep(start, end)
    return Piece(node, start, end, kind, depth)


def _too_deep(start: int, end: int) -> QueryFault:
    said = f"the query is nested more than {MAX_DEPTH} levels deep here"
    return QueryFault(said, place=Place(start, end), hint="each parenthesis and each operator of a chain is a level")


def _place(piece: Piece[Any]) -> Place:
    return Place(piece.start, piece.end)


def _value(piece: Expression, formal: str = "v", where: str = "here") -> tree.Value:
    """The value in a piece, if it is of the kind that the grammar has at this place."""
    if piece.kind not in words.FORMAL[formal]:
        raise hints.wrong_kind(piece.kind, formal, where, _place(piece))
    return cast("tree.Value", piece.node)


def _condition(piece: Expression) -> tree.Condition:
    if piece.kind != words.CONDITION:
        raise hints.bare_value(piece.node, _place(piece))
    return cast("tree.Condition", piece.node)


def _names(names: Sequence[tree.Name], limit: int, what: str) -> tuple[tree.Name, ...]:
    if len(names) > limit:
        place = Place(names[0].place.start, names[-1].place.end)
        raise QueryFault(f"a {what} has at most {limit} names between dots", place=place)
    return tuple(names)


def _bare(body: tree.Select | tree.SetOperation, place: Place) -> tree.Query:
    return tree.Query(body=body, order_by=(), offset=None, place=place)


def _everything_of(source: tree.Source, place: Place) -> tree.Query:
    """SELECT * FROM source, which the user did not write."""
    star = tree.Star(qualifier=(), place=place)
    body = tree.Select(
        distinct=False, top=None, items=(star,), source=source, where=None, group_by=(), having=None, place=place
    )
    return _bare(body, place)


def _is_final(query: tree.Query) -> bool:
    """Whether ORDER BY or OFFSET after the closing parenthesis would act on rows that were already cut or sorted."""
    cut = isinstance(query.body, tree.Select) and query.body.top is not None
    return cut or bool(query.order_by) or query.offset is not None or query.limit is not None


@v_args(inline=True)
class Builder(Transformer[Token, Any]):
    """One method per rule of the grammar; without state but for `strict`, so that threads can share it."""

    def __init__(self, strict: bool) -> None:
        super().__init__()
        self.strict = strict

    def _extension(self, what: str, start: int, end: int) -> None:
        if self.strict:
            said = f"{what} is an extension to ADQL 2.1, and extensions are refused here"
            raise QueryFault(said, place=Place(start, end))

    # ---------------------------------------------------------------------------------------------- queries

    def start(self, common: Piece[Any] | None, query: Piece[tree.Query], semicolon: Token | None) -> Piece[tree.Query]:
        if semicolon is not None:
            self._extension("a semicolon at the end", _start(semicolon), _end(semicolon))
        if common is None:
            return query
        place = Place(common.start, query.node.place.end)
        return query._replace(node=replace(query.node, common=common.node, place=place))

    def with_clause(self, word: Token, *common: Piece[tree.CommonTable]) -> Piece[tuple[tree.CommonTable, ...]]:
        return Piece(tuple(c.node for c in common), _start(word), common[-1].end, "", 0)

    def common(self, name: tree.Name, query: Piece[tree.Query], close: Token) -> Piece[tree.CommonTable]:
        start, end = name.place.start, _end(close)
        return _piece(tree.CommonTable(name, query.node, Place(start, end)), start, end, "", query.depth)

    def query(
        self, query: Piece[tree.Query], order_by: list[Piece[tree.Order]] | None, bounds: Bounds | None
    ) -> Piece[tree.Query]:
        if order_by is None and bounds is None:
            return query
        node = query.node
        if query.kind == PARENTHESISED and _is_final(node):
            alias = tree.Name("query", delimited=True, place=node.place)
            node = _everything_of(tree.Derived(node, alias, node.place), node.place)
        start, end = query.start, bounds.end if bounds else (order_by or [])[-1].end
        whole = tree.Query(
            body=node.body,
            order_by=tuple(order.node for order in order_by or ()),
            offset=bounds.offset if bounds else None,
            limit=bounds.limit if bounds else None,
            place=Place(start, end),
        )
        return _piece(whole, start, end, "", query.depth, *(order.depth for order in order_by or ()))

    def combine(
        self, left: Piece[tree.Query], word: Token, quantifier: Token | None, right: Piece[tree.Query]
    ) -> Piece[tree.Query]:
        if quantifier is not None and quantifier.type == "DISTINCT":
            self._extension(f"{word.type} DISTINCT", _start(word), _end(quantifier))
        place = Place(left.start, right.end)
        operator = cast(Literal["UNION", "INTERSECT", "EXCEPT"], word.upper())
        every = quantifier is not None and quantifier.type == "ALL"
        body = tree.SetOperation(operator, every, left.node, right.node, place)
        return _piece(_bare(body, place), left.start, right.end, "", left.depth, right.depth)

    def operand(self, query: Piece[tree.Query]) -> Piece[tree.Query]:
        return query._replace(kind=PARENTHESISED)

    def subquery(self, opening: Token, query: Piece[tree.Query], closing: Token) -> Piece[tree.Query]:
        return _piece(query.node, _start(opening), _end(closing), "", query.depth)

    def order_by(self, *orders: Piece[tree.Order]) -> list[Piece[tree.Order]]:
        return list(orders)

    def order(self, value: Expression, direction: Token | None) -> Piece[tree.Order]:
        end = _end(direction) if direction is not None else value.end
        descending = direction is not None and direction.type == "DESC"
        node = tree.Order(_value(value), descending, Place(value.start, end))
        return Piece(node, value.start, end, "", value.depth)

    def bounds(self, *children: Token | None) -> Bounds:
        numbers: dict[str, Token] = {}
        for word, number in zip(children[::2], children[1::2], strict=True):
            if word is not None and number is not None:
                numbers[word.type] = number
                if word.type == "LIMIT":
                    self._extension("LIMIT", _start(word), _end(number))
        offset, limit = (_number(numbers[w]) if w in numbers else None for w in ("OFFSET", "LIMIT"))
        return Bounds(offset, limit, max(map(_end, numbers.values())))

    def select(
        self,
        word: Token,
        quantifier: Token | None,
        top: int | None,
        items: list[Piece[tree.Star | tree.Item]],
        source: Piece[tree.Source],
        where: Expression | None,
        group_by: list[Expression] | None,
        having: Expression | None,
    ) -> Piece[tree.Query]:
        parts = [*items, source, *(p for p in (where, having) if p), *(group_by or ())]
        start, end = _start(word), max(part.end for part in parts)
        body = tree.Select(
            distinct=quantifier is not None and quantifier.type == "DISTINCT",
            top=top,
            items=tuple(item.node for item in items),
            source=source.node,
            where=where.node if where else None,
            group_by=tuple(_value(value) for value in group_by or ()),
            having=having.node if having else None,
            place=Place(start, end),
        )
        return _piece(_bare(body, body.place), start, end, "", *(part.depth for part in parts))

    def top(self, number: Token) -> int:
        return _number(number)

    def items(self, *items: Piece[tree.Star | tree.Item]) -> list[Piece[tree.Star | tree.Item]]:
        if len(items) > 1:
            for item in items:
                if isinstance(item.node, tree.Star) and not item.node.qualifier:
                    self._extension("a bare * beside other columns", item.start, item.end)
        return list(items)

    def star(self, star: Token) -> Piece[tree.Star]:
        start, end = _start(star), _end(star)
        return Piece(tree.Star((), Place(start, end)), start, end, "", 1)

    def star_of(self, names: list[tree.Name], star: Token) -> Piece[tree.Star]:
        start, end = names[0].place.start, _end(star)
        return Piece(tree.Star(_names(names, 3, "table"), Place(start, end)), start, end, "", 1)

    def item(self, value: Expression, alias: tree.Name | None) -> Piece[tree.Item]:
        end = alias.place.end if alias else value.end
        return _piece(tree.Item(_value(value), alias, Place(value.start, end)), value.start, end, "", value.depth)

    def where(self, condition: Expression) -> Piece[tree.Condition]:
        return condition._replace(node=_condition(condition))

    def having(self, condition: Expression) -> Piece[tree.Condition]:
        return condition._replace(node=_condition(condition))

    def group_by(self, values: list[Expression]) -> list[Expression]:
        return values

    # ----------------------------------------------------------------------------------------------- tables

    def sources(self, *sources: Piece[tree.Source]) -> Piece[tree.Source]:
        first, *others = sources
        for other in others:
            first = self._join("CROSS", first, other)
        return first

    def _join(
        self,
        kind: str,
        left: Piece[tree.Source],
        right: Piece[tree.Source],
        condition: JoinCondition | None = None,
        natural: bool = False,
    ) -> Piece[tree.Source]:
        start, end = left.start, condition.end if condition else right.end
        node = tree.Join(
            kind=cast(Literal["INNER", "LEFT", "RIGHT", "FULL", "CROSS"], kind),
            natural=natural,
            left=left.node,
            right=right.node,
            on=condition.on if condition else None,
            using=condition.using if condition else (),
            place=Place(start, end),
        )
        return _piece(node, start, end, "", left.depth, right.depth, condition.depth if condition else 0)

    def inner_join(self, left: Piece[tree.Source], *rest: Any) -> Piece[tree.Source]:
        return self._join("INNER", left, *rest[-2:])

    def outer_join(
        self, left: Piece[tree.Source], kind: Token, _: Token, right: Piece[tree.Source], condition: JoinCondition
    ) -> Piece[tree.Source]:
        return self._join(kind.type, left, right, condition)

    def natural_join(
        self, left: Piece[tree.Source], kind: Token | None, _: Token, right: Piece[tree.Source]
    ) -> Piece[tree.Source]:
        return self._join(kind.type if kind is not None else "INNER", left, right, natural=True)

    def cross_join(
        self, left: Piece[tree.Source], word: Token, join: Token, right: Piece[tree.Source]
    ) -> Piece[tree.Source]:
        self._extension("CROSS JOIN", _start(word), _end(join))
        return self._join("CROSS", left, right)

    def table_name(self, names: list[tree.Name], alias: tree.Name | None) -> Piece[tree.Source]:
        start, end = names[0].place.start, (alias or names[-1]).place.end
        return Piece(tree.TableName(_names(names, 3, "table"), alias, Place(start, end)), start, end, "", 1)

    def derived(self, query: Piece[tree.Query], alias: tree.Name) -> Piece[tree.Source]:
        start, end = query.start, alias.place.end
        return _piece(tree.Derived(query.node, alias, Place(start, end)), start, end, "", query.depth)

    def joined(self, opening: Token, join: Piece[tree.Source], closing: Token) -> Piece[tree.Source]:
        return _piece(join.node, _start(opening), _end(closing), "", join.depth)

    def joined_alias(self, join: Piece[tree.Source], alias: tree.Name) -> Piece[tree.Source]:
        """A joined table is a query expression in the grammar, so it may be a sub-query with a name."""
        return self.derived(_piece(_everything_of(join.node, _place(join)), *join[1:4], join.depth), alias)

    def on(self, condition: Expression) -> JoinCondition:
        return JoinCondition(_condition(condition), (), condition.end, condition.depth)

    def using(self, *children: Any) -> JoinCondition:
        *names, closing = children
        return JoinCondition(None, tuple(names), _end(closing), 0)

    # ------------------------------------------------------------------------------------------- conditions

    def disjunction(self, *operands: Expression) -> Expression:
        return self._several(tree.Or, operands)

    def conjunction(self, *operands: Expression) -> Expression:
        return self._several(tree.And, operands)

    def _several(self, node: type[tree.Or] | type[tree.And], operands: Sequence[Expression]) -> Expression:
        start, end = operands[0].start, operands[-1].end
        conditions = tuple(_condition(operand) for operand in operands)
        depths = (operand.depth for operand in operands)
        return _piece(node(conditions, Place(start, end)), start, end, words.CONDITION, *depths)

    def negation(self, word: Token, operand: Expression) -> Expression:
        return _test(tree.Not(_condition(operand), Place(_start(word), operand.end)), operand)

    def compare(self, left: Expression, operator: Token, right: Expression) -> Expression:
        if isinstance(right.node, tree.Null) or isinstance(left.node, tree.Null):
            raise hints.compared_with_null(str(operator), Place(left.start, right.end))
        written = "<>" if operator == "!=" else str(operator)
        place = Place(left.start, right.end)
        return _test(tree.Compare(written, _value(left), _value(right), place), left, right)

    def between(self, value: Expression, negated: Token | None, low: Expression, high: Expression) -> Expression:
        place = Place(value.start, high.end)
        node = tree.Between(_value(value), _value(low), _value(high), negated is not None, place)
        return _test(node, value, low, high)

    def in_list(
        self, value: Expression, negated: Token | None, options: list[Expression], closing: Token
    ) -> Expression:
        place = Place(value.start, _end(closing))
        node = tree.In(_value(value), tuple(map(_value, options)), negated is not None, place)
        return _test(node, value, *options)

    def in_query(self, value: Expression, negated: Token | None, query: Piece[tree.Query]) -> Expression:
        place = Place(value.start, query.end)
        return _test(tree.In(_value(value), query.node, negated is not None, place), value, query)

    def like(self, value: Expression, negated: Token | None, word: Token, pattern: Expression) -> Expression:
        node = tree.Like(
            value=_value(value, "t", f"before {word.type}"),
            pattern=_value(pattern, "t", f"after {word.type}"),
            negated=negated is not None,
            fold=word.type == "ILIKE",
            place=Place(value.start, pattern.end),
        )
        return _test(node, value, pattern)

    def is_null(self, value: Expression, negated: Token | None, null: Token) -> Expression:
        if value.kind != words.COLUMN:
            self._extension("IS NULL of anything but a column", value.start, _end(null))
        return _test(tree.IsNull(_value(value), negated is not None, Place(value.start, _end(null))), value)

    def exists(self, word: Token, query: Piece[tree.Query]) -> Expression:
        return _test(tree.Exists(query.node, Place(_start(word), query.end)), query)

    # ----------------------------------------------------------------------------------------------- values

    def values(self, *values: Expression) -> list[Expression]:
        return list(values)

    def binary(self, left: Expression, operator: Token, right: Expression) -> Expression:
        if operator.type in ("PIPE", "CARET", "AMPERSAND"):
            self._extension(f"the bitwise {operator}", _start(operator), _end(operator))
        formal, kind = ("t", words.TEXT) if operator == "||" else ("n", words.NUMERIC)
        values = _value(left, formal, f"before {operator}"), _value(right, formal, f"after {operator}")
        node = tree.Binary(str(operator), *values, Place(left.start, right.end))
        return _piece(node, left.start, right.end, kind, left.depth, right.depth)

    def unary(self, operator: Token, operand: Expression) -> Expression:
        if operator.type == "TILDE":
            self._extension("the bitwise ~", _start(operator), _end(operator))
        signed = operand.kind == words.INTEGER and operator.type != "TILDE"
        start, end = _start(operator), operand.end
        node = tree.Unary(str(operator), _value(operand, "n", f"after {operator}"), Place(start, end))
        return _piece(node, start, end, words.SIGNED if signed else words.NUMERIC, operand.depth)

    def column(self, names: list[tree.Name]) -> Expression:
        start, end = names[0].place.start, names[-1].place.end
        return Piece(tree.ColumnName(tuple(names), Place(start, end)), start, end, words.COLUMN, 1)

    def number(self, token: Token) -> Expression:
        start, end = _start(token), _end(token)
        if token.type == "HEXADECIMAL":
            self._extension("a hexadecimal literal", start, end)
        kind = words.INTEGER if token.type == "INTEGER" else words.NUMBER
        return Piece(tree.Number(str(token), Place(start, end)), start, end, kind, 1)

    def string(self, token: Token) -> Expression:
        start, end = _start(token), _end(token)
        value = token[1:-1].replace("''", "'")
        return Piece(tree.String(value, Place(start, end)), start, end, words.STRING, 1)

    def null(self, token: Token) -> Expression:
        start, end = _start(token), _end(token)
        return Piece(tree.Null(Place(start, end)), start, end, words.NULL, 1)

    def truth(self, token: Token) -> Expression:
        start, end = _start(token), _end(token)
        self._extension(f"the value {token.type}", start, end)
        return Piece(tree.Truth(token.type == "TRUE", Place(start, end)), start, end, words.ANY, 1)

    def function(self, word: Token, arguments: list[Expression] | None, closing: Token) -> Expression:
        name, arguments = word.upper(), arguments or []
        if name == "NULLIF":
            self._extension("NULLIF", _start(word), _end(closing))
        syntax = words.FUNCTIONS[name]
        if not syntax.pattern.fullmatch("".join(argument.kind for argument in arguments)):
            raise hints.wrong_arguments(name, syntax.usage, Place(_start(word), _end(closing)))
        return self._call(name, syntax.gives, word, arguments, closing)

    def _call(self, name: str, kind: str, word: Token, arguments: Sequence[Expression], closing: Token) -> Expression:
        start, end = _start(word), _end(closing)
        node = tree.Call(name, tuple(map(_value, arguments)), Place(start, end))
        return _piece(node, start, end, kind, *(argument.depth for argument in arguments))

    def count_all(self, word: Token, _: Token, closing: Token) -> Expression:
        name, start, end = word.upper(), _start(word), _end(closing)
        if name != "COUNT":
            raise hints.wrong_arguments(name, "one value; only COUNT takes *", Place(start, end))
        return Piece(tree.Call(name, (), Place(start, end), star=True), start, end, words.ANY, 1)

    def aggregate(
        self, word: Token, quantifier: Token | None, arguments: list[Expression], closing: Token
    ) -> Expression:
        name = word.upper()
        if len(arguments) != 1:
            raise hints.wrong_arguments(name, "one value", Place(_start(word), _end(closing)))
        piece = self._call(name, words.ANY, word, arguments, closing)
        distinct = quantifier is not None and quantifier.type == "DISTINCT"
        return piece._replace(node=replace(piece.node, distinct=distinct))

    def user_function(self, word: Token, arguments: list[Expression] | None, closing: Token) -> Expression:
        return self._call(str(word), words.USER, word, arguments or [], closing)

    def cast(self, word: Token, value: Expression, target: tuple[str, int | None], closing: Token) -> Expression:
        start, end = _start(word), _end(closing)
        node = tree.Cast(_value(value), *target, Place(start, end))
        return _piece(node, start, end, words.ANY, value.depth)

    def cast_type(
        self, first: Token, second: Token | None, length: Token | None, closing: Token | None
    ) -> tuple[str, int | None]:
        name = " ".join(word.upper() for word in (first, second) if word is not None)
        last = closing if closing is not None else second if second is not None else first
        place = Place(_start(first), _end(last))
        if name not in words.CAST_TYPES:
            raise hints.unknown_type(name, place)
        if length is not None and name not in words.SIZED_TYPES:
            raise QueryFault(f"{name} takes no length", place=place)
        return name, _number(length) if length is not None else None

    def case(self, word: Token, operand: Expression | None, *rest: Any) -> Expression:
        *branches, otherwise, closing = rest
        start, end = _start(word), _end(closing)
        self._extension("CASE", start, end)
        whens = tuple((_condition(when) if operand is None else _value(when), _value(then)) for when, then in branches)
        node = tree.Case(
            operand=_value(operand) if operand else None,
            branches=whens,
            otherwise=_value(otherwise) if otherwise else None,
            place=Place(start, end),
        )
        parts = [*(piece for pair in branches for piece in pair), *(p for p in (operand, otherwise) if p)]
        return _piece(node, start, end, words.ANY, *(part.depth for part in parts))

    def branch(self, when: Expression, then: Expression) -> tuple[Expression, Expression]:
        return when, then

    def scalar(self, query: Piece[tree.Query]) -> Expression:
        self._extension("a sub-query as a value", query.start, query.end)
        return _piece(tree.ScalarQuery(query.node, _place(query)), *query[1:3], words.ANY, query.depth)

    def parentheses(self, opening: Token, inner: Expression, closing: Token) -> Expression:
        kind = words.CONDITION if inner.kind == words.CONDITION else words.ANY
        return _piece(inner.node, _start(opening), _end(closing), kind, inner.depth)

    def names(self, *names: Any) -> list[tree.Name]:
        """Left recursive: the first name, or a list and one more. Refused early, for the lists are copied."""
        if len(names) == 1:
            return [names[0]]
        longer = [*names[0], names[1]]
        _names(longer, MAX_NAMES, "column")
        return longer

    def name(self, token: Token) -> tree.Name:
        return tree.Name(str(token), False, Place(_start(token), _end(token)))

    def delimited(self, token: Token) -> tree.Name:
        return tree.Name(token[1:-1].replace('""', '"'), True, Place(_start(token), _end(token)))


def _test(node: tree.Condition, *parts: Piece[Any]) -> Expression:
    """A condition made of parts; its place tells its stretch."""
    return _piece(node, node.place.start, node.place.end, words.CONDITION, *(part.depth for part in parts))

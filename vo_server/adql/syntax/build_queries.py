"""Queries and tables: the tree builder whole, a method for each rule of grammar.lark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple, cast

from vo_server.adql.syntax import tree
from vo_server.adql.syntax.build_values import Values
from vo_server.adql.syntax.lexer import Word
from vo_server.adql.syntax.partial import (
    MAX_TABLES,
    Expression,
    Piece,
    above,
    at_most,
    condition_in,
    value_in,
    whole_number,
)
from vo_server.errors import QueryError, TextSpan

Operator = Literal["UNION", "INTERSECT", "EXCEPT"]
PARENTHESISED = "("
"""The kind of a query that stands in parentheses."""


class JoinCondition(NamedTuple):
    on: tree.Condition | None
    using: tuple[tree.Name, ...]
    end: int
    depth: int


class Common(NamedTuple):
    """How many tables a query of WITH reads, and how deep it is."""

    tables: int
    depth: int


class Bounds(NamedTuple):
    offset: int | None
    limit: int | None
    end: int


class Builder(Values):
    """Made anew for each query.

    A query of WITH is put in wherever its name stands, so it counts there with its depth and its tables.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tables = 0
        self.common_tables: dict[str, Common] = {}

    # ---------------------------------------------------------------------------------------------- queries

    def start(self, common: Piece[Any] | None, query: Piece[tree.Query], semicolon: Word | None) -> Piece[tree.Query]:
        if semicolon is not None:
            self._extension("a semicolon at the end", semicolon.start, semicolon.end)
        if common is None:
            return query
        place = TextSpan(common.start, query.node.place.end)
        return query._replace(node=replace(query.node, common=common.node, place=place))

    def with_clause(self, word: Word, *common: Piece[tree.CommonTable]) -> Piece[tuple[tree.CommonTable, ...]]:
        return Piece(tuple(c.node for c in common), word.start, common[-1].end, "", 0)

    def common(self, name: tree.Name, query: Piece[tree.Query], close: Word) -> Piece[tree.CommonTable]:
        start, end = name.place.start, close.end
        made = above(tree.CommonTable(name, query.node, TextSpan(start, end)), start, end, "", query.depth)
        self.common_tables[name.text.lower()] = Common(self.tables, made.depth)
        self.tables = 0
        return made

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
            place=TextSpan(start, end),
        )
        return above(whole, start, end, "", query.depth, *(order.depth for order in order_by or ()))

    def combine(
        self, left: Piece[tree.Query], word: Word, quantifier: Word | None, right: Piece[tree.Query]
    ) -> Piece[tree.Query]:
        if quantifier is not None and quantifier.type == "DISTINCT":
            self._extension("DISTINCT after UNION, EXCEPT or INTERSECT", word.start, quantifier.end)
        operator = cast("Operator", word.text.upper())
        every = quantifier is not None and quantifier.type == "ALL"
        if operator == "UNION":
            return _union(left, right, every)
        return _set(operator, every, left, right)

    def operand(self, query: Piece[tree.Query]) -> Piece[tree.Query]:
        return query._replace(kind=PARENTHESISED)

    def subquery(self, opening: Word, query: Piece[tree.Query], closing: Word) -> Piece[tree.Query]:
        return above(query.node, opening.start, closing.end, "", query.depth)

    def order_by(self, *orders: Piece[tree.Order]) -> list[Piece[tree.Order]]:
        return list(orders)

    def order(self, value: Expression, direction: Word | None) -> Piece[tree.Order]:
        end = direction.end if direction is not None else value.end
        descending = direction is not None and direction.type == "DESC"
        node = tree.Order(value_in(value), descending, TextSpan(value.start, end))
        return Piece(node, value.start, end, "", value.depth)

    def bounds(self, *children: Word | None) -> Bounds:
        numbers: dict[str, Word] = {}
        for word, number in zip(children[::2], children[1::2], strict=True):
            if word is not None and number is not None:
                numbers[word.type] = number
                if word.type == "LIMIT":
                    self._extension("LIMIT", word.start, number.end)
        offset, limit = (whole_number(numbers[w]) if w in numbers else None for w in ("OFFSET", "LIMIT"))
        return Bounds(offset, limit, max(word.end for word in numbers.values()))

    def select(
        self,
        word: Word,
        quantifier: Word | None,
        top: int | None,
        items: list[Piece[tree.Star | tree.Item]],
        source: Piece[tree.Source],
        where: Expression | None,
        group_by: list[Expression] | None,
        having: Expression | None,
    ) -> Piece[tree.Query]:
        parts = [*items, source, *(p for p in (where, having) if p), *(group_by or ())]
        start, end = word.start, max(part.end for part in parts)
        body = tree.Select(
            distinct=quantifier is not None and quantifier.type == "DISTINCT",
            top=top,
            items=tuple(item.node for item in items),
            source=source.node,
            where=where.node if where else None,
            group_by=tuple(value_in(value) for value in group_by or ()),
            having=having.node if having else None,
            place=TextSpan(start, end),
        )
        return above(_bare(body, body.place), start, end, "", *(part.depth for part in parts))

    def top(self, number: Word) -> int:
        return whole_number(number)

    def items(self, *items: Piece[tree.Star | tree.Item]) -> list[Piece[tree.Star | tree.Item]]:
        if len(items) > 1:
            for item in items:
                if isinstance(item.node, tree.Star) and not item.node.qualifier:
                    self._extension("a bare * beside other columns", item.start, item.end)
        return list(items)

    def star(self, star: Word) -> Piece[tree.Star]:
        start, end = star.start, star.end
        return Piece(tree.Star((), TextSpan(start, end)), start, end, "", 1)

    def star_of(self, names: list[tree.Name], star: Word) -> Piece[tree.Star]:
        start, end = names[0].place.start, star.end
        return Piece(tree.Star(at_most(names, 3, "table"), TextSpan(start, end)), start, end, "", 1)

    def item(self, value: Expression, alias: tree.Name | None) -> Piece[tree.Item]:
        end = alias.place.end if alias else value.end
        return above(tree.Item(value_in(value), alias, TextSpan(value.start, end)), value.start, end, "", value.depth)

    def where(self, condition: Expression) -> Piece[tree.Condition]:
        return condition._replace(node=condition_in(condition))

    def having(self, condition: Expression) -> Piece[tree.Condition]:
        return condition._replace(node=condition_in(condition))

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
            place=TextSpan(start, end),
        )
        return above(node, start, end, "", left.depth, right.depth, condition.depth if condition else 0)

    def inner_join(self, left: Piece[tree.Source], *rest: Any) -> Piece[tree.Source]:
        return self._join("INNER", left, *rest[-2:])

    def outer_join(
        self, left: Piece[tree.Source], kind: Word, _: Word, right: Piece[tree.Source], condition: JoinCondition
    ) -> Piece[tree.Source]:
        return self._join(kind.type, left, right, condition)

    def natural_join(
        self, left: Piece[tree.Source], kind: Word | None, _: Word, right: Piece[tree.Source]
    ) -> Piece[tree.Source]:
        return self._join(kind.type if kind is not None else "INNER", left, right, natural=True)

    def cross_join(
        self, left: Piece[tree.Source], word: Word, join: Word, right: Piece[tree.Source]
    ) -> Piece[tree.Source]:
        self._extension("CROSS JOIN", word.start, join.end)
        return self._join("CROSS", left, right)

    def table_name(self, names: list[tree.Name], alias: tree.Name | None) -> Piece[tree.Source]:
        start, end = names[0].place.start, (alias or names[-1]).place.end
        common = self.common_tables.get(names[0].text.lower()) if len(names) == 1 else None
        tables, depth = common or (1, 0)
        self.tables += tables
        if self.tables > MAX_TABLES:
            raise QueryError(
                f"the query reads more than {MAX_TABLES} tables",
                span=TextSpan(start, end),
                hint="those in WITH count each time that they are used",
            )
        return above(tree.TableName(at_most(names, 3, "table"), alias, TextSpan(start, end)), start, end, "", depth)

    def derived(self, query: Piece[tree.Query], alias: tree.Name) -> Piece[tree.Source]:
        start, end = query.start, alias.place.end
        return above(tree.Derived(query.node, alias, TextSpan(start, end)), start, end, "", query.depth)

    def joined(self, opening: Word, join: Piece[tree.Source], closing: Word) -> Piece[tree.Source]:
        return above(join.node, opening.start, closing.end, "", join.depth)

    def joined_alias(self, join: Piece[tree.Source], alias: tree.Name) -> Piece[tree.Source]:
        """A joined table is a query expression in the grammar, so it may be a sub-query with a name."""
        return self.derived(above(_everything_of(join.node, join.place), *join[1:4], join.depth), alias)

    def on(self, condition: Expression) -> JoinCondition:
        return JoinCondition(condition_in(condition), (), condition.end, condition.depth)

    def using(self, *children: Any) -> JoinCondition:
        *names, closing = children
        return JoinCondition(None, tuple(names), closing.end, 0)


def _bare(body: tree.Select | tree.SetOperation, place: TextSpan) -> tree.Query:
    return tree.Query(body=body, order_by=(), offset=None, place=place)


def _set(operator: Operator, every: bool, left: Piece[tree.Query], right: Piece[tree.Query]) -> Piece[tree.Query]:
    place = TextSpan(left.start, right.end)
    body = tree.SetOperation(operator, every, left.node, right.node, place)
    made = above(_bare(body, place), left.start, right.end, "", left.depth, right.depth)
    return made._replace(links=left.links + right.links)


def _union(left: Piece[tree.Query], right: Piece[tree.Query], every: bool) -> Piece[tree.Query]:
    """A chain of them is a balanced tree, for (a UNION b) UNION c is a UNION (b UNION c): hundreds nest a few deep.

    The parts of a chain are kept as a binary counter keeps its digits: two of the same size become one.
    """
    kind = "UNION ALL" if every else "UNION"
    parts: list[Piece[tree.Query]] = [
        *(left.chain if left.kind == kind else (left._replace(links=1),)),
        right._replace(links=1),
    ]
    while len(parts) > 1 and parts[-2].links == parts[-1].links:
        parts[-2:] = [_set("UNION", every, *parts[-2:])]
    *larger, whole = parts
    for part in reversed(larger):
        whole = _set("UNION", every, part, whole)
    return whole._replace(kind=kind, chain=tuple(parts))


def _everything_of(source: tree.Source, place: TextSpan) -> tree.Query:
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

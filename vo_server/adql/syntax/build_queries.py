"""The tree builder: a method for each rule of grammar.lark, those of queries and tables here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple, cast

from vo_server.adql.syntax import tree
from vo_server.adql.syntax.build_values import ValueBuilder
from vo_server.adql.syntax.lexer import Word
from vo_server.adql.syntax.partial import (
    MAX_TABLE_NAMES,
    MAX_TABLES,
    Expression,
    ParseNode,
    check_name_parts,
    parent_of,
    parse_whole_number,
    require_condition,
    require_value,
)
from vo_server.errors import Code, QueryError, TextSpan

Operator = Literal["UNION", "INTERSECT", "EXCEPT"]
"""The operator of a set operation."""

PARENTHESISED = "("
"""The kind of a query in parentheses."""


class JoinCondition(NamedTuple):
    """The ON or USING of a join, its end in the text and its depth."""

    on: tree.Condition | None
    using: tuple[tree.Identifier, ...]
    end: int
    depth: int


class CommonTableSize(NamedTuple):
    """The number of tables that a query of WITH reads, and its depth."""

    table_count: int
    depth: int


class RowBounds(NamedTuple):
    """The numbers of OFFSET and LIMIT, and their end in the text."""

    offset: int | None
    limit: int | None
    end: int


class TreeBuilder(ValueBuilder):
    """A method for each rule of the grammar, named as the rule is; each query that is parsed has a builder.

    A query of WITH replaces its name wherever that stands, so its depth and its tables count there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table_count = 0
        self.common_tables: dict[str, CommonTableSize] = {}

    # ---------------------------------------------------------------------------------------------- queries

    def start(
        self, common: ParseNode[Any] | None, query: ParseNode[tree.Query], semicolon: Word | None
    ) -> ParseNode[tree.Query]:
        """Return the query of the text, with the queries of its WITH."""
        if semicolon is not None:
            self._note_extension("a semicolon at the end", semicolon.start, semicolon.end)
        if common is None:
            return query
        span = TextSpan(common.start, query.node.span.end)
        return query._replace(node=replace(query.node, common_tables=common.node, span=span))

    def with_clause(self, word: Word, *common: ParseNode[tree.CommonTable]) -> ParseNode[tuple[tree.CommonTable, ...]]:
        """Return the queries of WITH."""
        return ParseNode(tuple(c.node for c in common), word.start, common[-1].end, "", 0)

    def common(self, name: tree.Identifier, query: ParseNode[tree.Query], close: Word) -> ParseNode[tree.CommonTable]:
        """Return a query of WITH, and note how many tables it reads and how deep it is."""
        start, end = name.span.start, close.end
        node = parent_of(tree.CommonTable(name, query.node, TextSpan(start, end)), start, end, "", query.depth)
        self.common_tables[name.text.lower()] = CommonTableSize(self.table_count, node.depth)
        self.table_count = 0
        return node

    def query(
        self, query: ParseNode[tree.Query], order_by: list[ParseNode[tree.OrderTerm]] | None, bounds: RowBounds | None
    ) -> ParseNode[tree.Query]:
        """Return a query with its ORDER BY, OFFSET and LIMIT.

        A query in parentheses that has ORDER BY, OFFSET, LIMIT or TOP itself becomes a sub-query in FROM.
        """
        if order_by is None and bounds is None:
            return query
        node = query.node
        if query.kind == PARENTHESISED and _is_final(node):
            alias = tree.Identifier("query", delimited=True, span=node.span)
            node = _select_all_from(tree.DerivedTable(node, alias, node.span), node.span)
        start, end = query.start, bounds.end if bounds else (order_by or [])[-1].end
        complete = tree.Query(
            body=node.body,
            order_by=tuple(order.node for order in order_by or ()),
            offset=bounds.offset if bounds else None,
            limit=bounds.limit if bounds else None,
            span=TextSpan(start, end),
        )
        return parent_of(complete, start, end, "", query.depth, *(order.depth for order in order_by or ()))

    def combine(
        self, left: ParseNode[tree.Query], word: Word, quantifier: Word | None, right: ParseNode[tree.Query]
    ) -> ParseNode[tree.Query]:
        """Return a UNION, EXCEPT or INTERSECT of two queries."""
        if quantifier is not None and quantifier.type == "DISTINCT":
            self._note_extension("DISTINCT after UNION, EXCEPT or INTERSECT", word.start, quantifier.end)
        operator = cast("Operator", word.text.upper())
        every = quantifier is not None and quantifier.type == "ALL"
        if operator == "UNION":
            return _build_union(left, right, every)
        return _build_set_operation(operator, every, left, right)

    def operand(self, query: ParseNode[tree.Query]) -> ParseNode[tree.Query]:
        """Mark a query as one in parentheses."""
        return query._replace(kind=PARENTHESISED)

    def subquery(self, opening: Word, query: ParseNode[tree.Query], closing: Word) -> ParseNode[tree.Query]:
        """Return a query in parentheses."""
        return parent_of(query.node, opening.start, closing.end, "", query.depth)

    def order_by(self, *orders: ParseNode[tree.OrderTerm]) -> list[ParseNode[tree.OrderTerm]]:
        """Return the terms of ORDER BY."""
        return list(orders)

    def order(self, value: Expression, direction: Word | None) -> ParseNode[tree.OrderTerm]:
        """Return a term of ORDER BY."""
        end = direction.end if direction is not None else value.end
        descending = direction is not None and direction.type == "DESC"
        node = tree.OrderTerm(require_value(value), descending, TextSpan(value.start, end))
        return ParseNode(node, value.start, end, "", value.depth)

    def bounds(self, *children: Word | None) -> RowBounds:
        """Return OFFSET and LIMIT, which may stand in either order."""
        numbers: dict[str, Word] = {}
        for word, number in zip(children[::2], children[1::2], strict=True):
            if word is not None and number is not None:
                numbers[word.type] = number
                if word.type == "LIMIT":
                    self._note_extension("LIMIT", word.start, number.end)
        offset, limit = (parse_whole_number(numbers[w]) if w in numbers else None for w in ("OFFSET", "LIMIT"))
        return RowBounds(offset, limit, max(word.end for word in numbers.values()))

    def select(
        self,
        word: Word,
        quantifier: Word | None,
        top: int | None,
        items: list[ParseNode[tree.Star | tree.SelectItem]],
        source: ParseNode[tree.Source],
        where: Expression | None,
        group_by: list[Expression] | None,
        having: Expression | None,
    ) -> ParseNode[tree.Query]:
        """Return a SELECT."""
        parts = [*items, source, *(p for p in (where, having) if p), *(group_by or ())]
        start, end = word.start, max(part.end for part in parts)
        body = tree.Select(
            distinct=quantifier is not None and quantifier.type == "DISTINCT",
            top=top,
            items=tuple(item.node for item in items),
            source=source.node,
            where=where.node if where else None,
            group_by=tuple(require_value(value) for value in group_by or ()),
            having=having.node if having else None,
            span=TextSpan(start, end),
        )
        return parent_of(_to_query(body, body.span), start, end, "", *(part.depth for part in parts))

    def top(self, number: Word) -> int:
        """Return the number of TOP."""
        return parse_whole_number(number)

    def items(self, *items: ParseNode[tree.Star | tree.SelectItem]) -> list[ParseNode[tree.Star | tree.SelectItem]]:
        """Return a select list."""
        if len(items) > 1:
            for item in items:
                if isinstance(item.node, tree.Star) and not item.node.qualifier:
                    self._note_extension("a bare * beside other columns", item.start, item.end)
        return list(items)

    def star(self, star: Word) -> ParseNode[tree.Star]:
        """Return a * in a select list."""
        start, end = star.start, star.end
        return ParseNode(tree.Star((), TextSpan(start, end)), start, end, "", 1)

    def star_of(self, names: list[tree.Identifier], star: Word) -> ParseNode[tree.Star]:
        """Return a t.* in a select list."""
        start, end = names[0].span.start, star.end
        qualifier = check_name_parts(names, MAX_TABLE_NAMES, "table")
        return ParseNode(tree.Star(qualifier, TextSpan(start, end)), start, end, "", 1)

    def item(self, value: Expression, alias: tree.Identifier | None) -> ParseNode[tree.SelectItem]:
        """Return a value in a select list."""
        end = alias.span.end if alias else value.end
        return parent_of(
            tree.SelectItem(require_value(value), alias, TextSpan(value.start, end)), value.start, end, "", value.depth
        )

    def where(self, condition: Expression) -> ParseNode[tree.Condition]:
        """Return the condition of WHERE."""
        return condition._replace(node=require_condition(condition))

    def having(self, condition: Expression) -> ParseNode[tree.Condition]:
        """Return the condition of HAVING."""
        return condition._replace(node=require_condition(condition))

    def group_by(self, values: list[Expression]) -> list[Expression]:
        """Return the values of GROUP BY."""
        return values

    # ----------------------------------------------------------------------------------------------- tables

    def sources(self, *sources: ParseNode[tree.Source]) -> ParseNode[tree.Source]:
        """Return the tables of FROM; a comma is a CROSS JOIN."""
        first, *others = sources
        for other in others:
            first = self._build_join("CROSS", first, other)
        return first

    def _build_join(
        self,
        kind: str,
        left: ParseNode[tree.Source],
        right: ParseNode[tree.Source],
        condition: JoinCondition | None = None,
        natural: bool = False,
    ) -> ParseNode[tree.Source]:
        """Return a join."""
        start, end = left.start, condition.end if condition else right.end
        node = tree.Join(
            kind=cast(Literal["INNER", "LEFT", "RIGHT", "FULL", "CROSS"], kind),
            natural=natural,
            left=left.node,
            right=right.node,
            on=condition.on if condition else None,
            using=condition.using if condition else (),
            span=TextSpan(start, end),
        )
        return parent_of(node, start, end, "", left.depth, right.depth, condition.depth if condition else 0)

    def inner_join(self, left: ParseNode[tree.Source], *rest: Any) -> ParseNode[tree.Source]:
        """Return an inner join; the last two children are the right table and the condition."""
        return self._build_join("INNER", left, *rest[-2:])

    def outer_join(
        self, left: ParseNode[tree.Source], kind: Word, _: Word, right: ParseNode[tree.Source], condition: JoinCondition
    ) -> ParseNode[tree.Source]:
        """Return a LEFT, RIGHT or FULL join."""
        return self._build_join(kind.type, left, right, condition)

    def natural_join(
        self, left: ParseNode[tree.Source], kind: Word | None, _: Word, right: ParseNode[tree.Source]
    ) -> ParseNode[tree.Source]:
        """Return a NATURAL join."""
        return self._build_join(kind.type if kind is not None else "INNER", left, right, natural=True)

    def cross_join(
        self, left: ParseNode[tree.Source], word: Word, join: Word, right: ParseNode[tree.Source]
    ) -> ParseNode[tree.Source]:
        """Return a CROSS JOIN."""
        self._note_extension("CROSS JOIN", word.start, join.end)
        return self._build_join("CROSS", left, right)

    def table_name(self, names: list[tree.Identifier], alias: tree.Identifier | None) -> ParseNode[tree.Source]:
        """Return a table by name; raises QueryError where the query reads more than MAX_TABLES."""
        start, end = names[0].span.start, (alias or names[-1]).span.end
        common = self.common_tables.get(names[0].text.lower()) if len(names) == 1 else None
        tables, depth = common or (1, 0)
        self.table_count += tables
        if self.table_count > MAX_TABLES:
            message = f"the query reads more than {MAX_TABLES} tables"
            hint = "those in WITH count each time that they are used"
            raise QueryError(message, span=TextSpan(start, end), hint=hint, code=Code.ADQL_TOO_COMPLEX)
        parts = check_name_parts(names, MAX_TABLE_NAMES, "table")
        return parent_of(tree.TableName(parts, alias, TextSpan(start, end)), start, end, "", depth)

    def derived_table(self, query: ParseNode[tree.Query], alias: tree.Identifier) -> ParseNode[tree.Source]:
        """Return a sub-query in FROM."""
        start, end = query.start, alias.span.end
        return parent_of(tree.DerivedTable(query.node, alias, TextSpan(start, end)), start, end, "", query.depth)

    def joined_table(self, opening: Word, join: ParseNode[tree.Source], closing: Word) -> ParseNode[tree.Source]:
        """Return a join in parentheses."""
        return parent_of(join.node, opening.start, closing.end, "", join.depth)

    def joined_table_alias(self, join: ParseNode[tree.Source], alias: tree.Identifier) -> ParseNode[tree.Source]:
        """Return a join in parentheses with an alias: a sub-query, for the grammar allows a join as a query."""
        return self.derived_table(parent_of(_select_all_from(join.node, join.span), *join[1:4], join.depth), alias)

    def on(self, condition: Expression) -> JoinCondition:
        """Return the condition of ON."""
        return JoinCondition(require_condition(condition), (), condition.end, condition.depth)

    def using(self, *children: Any) -> JoinCondition:
        """Return the columns of USING; the last child is the closing parenthesis."""
        *names, closing = children
        return JoinCondition(None, tuple(names), closing.end, 0)


def _to_query(body: tree.Select | tree.SetOperation, span: TextSpan) -> tree.Query:
    """Return a query without ORDER BY, OFFSET and LIMIT."""
    return tree.Query(body=body, order_by=(), offset=None, span=span)


def _build_set_operation(
    operator: Operator, every: bool, left: ParseNode[tree.Query], right: ParseNode[tree.Query]
) -> ParseNode[tree.Query]:
    """Return a set operation of two queries."""
    span = TextSpan(left.start, right.end)
    body = tree.SetOperation(operator, every, left.node, right.node, span)
    node = parent_of(_to_query(body, span), left.start, right.end, "", left.depth, right.depth)
    return node._replace(query_count=left.query_count + right.query_count)


def _build_union(left: ParseNode[tree.Query], right: ParseNode[tree.Query], every: bool) -> ParseNode[tree.Query]:
    """Return the UNION of two queries, as a balanced tree where the first is a UNION itself.

    (a UNION b) UNION c equals a UNION (b UNION c), so that a chain of hundreds is a few levels deep. The parts of a
    chain are like the digits of a binary counter: two of the same size become one.
    """
    kind = "UNION ALL" if every else "UNION"
    parts: list[ParseNode[tree.Query]] = [
        *(left.union_parts if left.kind == kind else (left._replace(query_count=1),)),
        right._replace(query_count=1),
    ]
    while len(parts) > 1 and parts[-2].query_count == parts[-1].query_count:
        parts[-2:] = [_build_set_operation("UNION", every, *parts[-2:])]
    *larger, union = parts
    for part in reversed(larger):
        union = _build_set_operation("UNION", every, part, union)
    return union._replace(kind=kind, union_parts=tuple(parts))


def _select_all_from(source: tree.Source, span: TextSpan) -> tree.Query:
    """Return SELECT * FROM source, which the user did not write."""
    star = tree.Star(qualifier=(), span=span)
    body = tree.Select(
        distinct=False, top=None, items=(star,), source=source, where=None, group_by=(), having=None, span=span
    )
    return _to_query(body, span)


def _is_final(query: tree.Query) -> bool:
    """Return whether ORDER BY or OFFSET after the closing parenthesis act on rows that are already cut or sorted."""
    cut = isinstance(query.body, tree.Select) and query.body.top is not None
    return cut or bool(query.order_by) or query.offset is not None or query.limit is not None

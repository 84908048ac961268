"""What lies on the parser's stack while the tree is built, and what the rules of the grammar ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from vo_server.adql.syntax import operand_errors, tree, words
from vo_server.adql.syntax.lexer import MAX_DEPTH, Word, explain_depth
from vo_server.errors import QueryError, TextSpan

MAX_NAMES = 4
"""Of a column: catalogue, schema, table and its own."""

MAX_TABLES = 500
"""Tables that a query reads, those in WITH counted each time that they are used."""

MAX_DIGITS = 18
"""Digits of the numbers of TOP, OFFSET and LIMIT."""

Node = TypeVar("Node")


class ParseNode(NamedTuple, Generic[Node]):
    """A node on the parser's stack. The stretch counts parentheses in, which the node's own place does not."""

    node: Node
    start: int
    end: int
    kind: str
    depth: int
    union_parts: tuple[ParseNode[Any], ...] = ()
    """Of a UNION of many: what it is made of, each part of more queries than the next."""
    query_count: int = 1
    """How many queries a part of a chain unites."""

    @property
    def span(self) -> TextSpan:
        return TextSpan(self.start, self.end)


Expression = ParseNode[Any]
"""A value or a condition."""


def parent_of(node: Node, start: int, end: int, kind: str, *depths: int) -> ParseNode[Node]:
    """A piece on top of others, of which the depths are given."""
    depth = 1 + max(depths, default=0)
    if depth > MAX_DEPTH:
        raise explain_depth(TextSpan(start, end))
    return ParseNode(node, start, end, kind, depth)


def condition_node(node: tree.Condition, *parts: ParseNode[Any]) -> Expression:
    """A condition made of parts; its place tells its stretch."""
    return parent_of(node, node.span.start, node.span.end, words.CONDITION, *(part.depth for part in parts))


def require_value(node: Expression, formal: str = "v", where: str = "here") -> tree.Value:
    """The value in a piece, if it is of the kind that the grammar has at this span."""
    if node.kind not in words.FORMAL_KINDS[formal]:
        raise operand_errors.explain_wrong_kind(node.kind, formal, where, node.span)
    return cast("tree.Value", node.node)


def require_condition(node: Expression) -> tree.Condition:
    if node.kind != words.CONDITION:
        raise operand_errors.explain_missing_condition(node.node, node.span)
    return cast("tree.Condition", node.node)


def check_name_parts(names: Sequence[tree.Name], limit: int, what: str) -> tuple[tree.Name, ...]:
    if len(names) > limit:
        span = TextSpan(names[0].span.start, names[-1].span.end)
        raise QueryError(f"a {what} has at most {limit} names between dots", span=span)
    return tuple(names)


def parse_whole_number(word: Word) -> int:
    """The number of TOP, OFFSET or LIMIT."""
    if len(word.text) > MAX_DIGITS:
        raise QueryError(f"numbers here have at most {MAX_DIGITS} digits", span=word.span)
    return int(word.text)

"""The nodes on the parser's stack while the tree is built, and the checks that rules of the grammar make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from vo_server.adql.syntax import operand_errors, tree, words
from vo_server.adql.syntax.lexer import MAX_DEPTH, Word, explain_depth
from vo_server.errors import Code, QueryError, TextSpan

MAX_COLUMN_NAMES = 4
"""Names of a column reference: catalogue, schema, table and column."""

MAX_TABLE_NAMES = 3
"""Names of a table: catalogue, schema and table."""

MAX_TABLES = 500
"""Tables that a query reads; those in WITH count each time that they are used."""

MAX_DIGITS = 18
"""Digits of the numbers of TOP, OFFSET, LIMIT and lengths of types."""

Node = TypeVar("Node")


class ParseNode(NamedTuple, Generic[Node]):
    """A syntax tree node on the parser's stack, with its kind (words.py) and the depth of the tree under it.

    `start` and `end` include parentheses around it, which the span of the node itself does not.
    """

    node: Node
    start: int
    end: int
    kind: str
    depth: int
    union_parts: tuple[ParseNode[Any], ...] = ()
    """The parts of a chain of UNION, each of more queries than the next."""
    query_count: int = 1
    """The number of queries in a part of a chain of UNION."""

    @property
    def span(self) -> TextSpan:
        """Return the span with the parentheses."""
        return TextSpan(self.start, self.end)


Expression = ParseNode[Any]
"""The node of a value or a condition."""


def parent_of(node: Node, start: int, end: int, kind: str, *depths: int) -> ParseNode[Node]:
    """Return a node with children of these depths.

    Raises QueryError where it is more than MAX_DEPTH levels deep.
    """
    depth = 1 + max(depths, default=0)
    if depth > MAX_DEPTH:
        raise explain_depth(TextSpan(start, end))
    return ParseNode(node, start, end, kind, depth)


def condition_node(node: tree.Condition, *parts: ParseNode[Any]) -> Expression:
    """Return the parse node of a condition with these operands and without parentheses."""
    return parent_of(node, node.span.start, node.span.end, words.CONDITION, *(part.depth for part in parts))


def require_value(node: Expression, formal: str = "v", where: str = "here") -> tree.Value:
    """Return the value of a node, if it has a kind that the grammar allows there (`formal`, see words.py).

    Raises QueryError otherwise, which says `where` the value stands.
    """
    if node.kind not in words.FORMAL_KINDS[formal]:
        raise operand_errors.explain_wrong_kind(node.kind, formal, where, node.span)
    return cast("tree.Value", node.node)


def require_condition(node: Expression) -> tree.Condition:
    """Return the condition of a node; raises QueryError if it is a value."""
    if node.kind != words.CONDITION:
        raise operand_errors.explain_missing_condition(node.node, node.span)
    return cast("tree.Condition", node.node)


def check_name_parts(names: Sequence[tree.Identifier], limit: int, what: str) -> tuple[tree.Identifier, ...]:
    """Return the names of a table or column; raises QueryError if they are more than `limit`."""
    if len(names) > limit:
        span = TextSpan(names[0].span.start, names[-1].span.end)
        raise QueryError(f"a {what} has at most {limit} names between dots", span=span, code=Code.ADQL_SYNTAX)
    return tuple(names)


def parse_whole_number(word: Word) -> int:
    """Return the number of TOP, OFFSET or LIMIT, or the length of a type."""
    if len(word.text) > MAX_DIGITS:
        message = f"numbers here have at most {MAX_DIGITS} digits"
        raise QueryError(message, span=word.span, code=Code.ADQL_BAD_LITERAL)
    return int(word.text)

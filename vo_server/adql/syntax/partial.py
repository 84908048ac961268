"""What lies on the parser's stack while the tree is built, and what the rules of the grammar ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from vo_server.adql.syntax import operand_errors, tree, words
from vo_server.adql.syntax.lexer import MAX_DEPTH, Word, too_deep
from vo_server.errors import QueryError, TextSpan

MAX_NAMES = 4
"""Of a column: catalogue, schema, table and its own."""

MAX_TABLES = 500
"""Tables that a query reads, those in WITH counted each time that they are used."""

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
    chain: tuple[Piece[Any], ...] = ()
    """Of a UNION of many: what it is made of, each part of more queries than the next."""
    links: int = 1
    """How many queries a part of a chain unites."""

    @property
    def place(self) -> TextSpan:
        return TextSpan(self.start, self.end)


Expression = Piece[Any]
"""A value or a condition."""


def above(node: Node, start: int, end: int, kind: str, *depths: int) -> Piece[Node]:
    """A piece on top of others, of which the depths are given."""
    depth = 1 + max(depths, default=0)
    if depth > MAX_DEPTH:
        raise too_deep(TextSpan(start, end))
    return Piece(node, start, end, kind, depth)


def tested(node: tree.Condition, *parts: Piece[Any]) -> Expression:
    """A condition made of parts; its place tells its stretch."""
    return above(node, node.place.start, node.place.end, words.CONDITION, *(part.depth for part in parts))


def value_in(given: Expression, formal: str = "v", where: str = "here") -> tree.Value:
    """The value in a piece, if it is of the kind that the grammar has at this place."""
    if given.kind not in words.FORMAL[formal]:
        raise operand_errors.wrong_kind(given.kind, formal, where, given.place)
    return cast("tree.Value", given.node)


def condition_in(given: Expression) -> tree.Condition:
    if given.kind != words.CONDITION:
        raise operand_errors.bare_value(given.node, given.place)
    return cast("tree.Condition", given.node)


def at_most(names: Sequence[tree.Name], limit: int, what: str) -> tuple[tree.Name, ...]:
    if len(names) > limit:
        place = TextSpan(names[0].place.start, names[-1].place.end)
        raise QueryError(f"a {what} has at most {limit} names between dots", span=place)
    return tuple(names)


def whole_number(word: Word) -> int:
    """The number of TOP, OFFSET or LIMIT."""
    if len(word.text) > MAX_DIGITS:
        raise QueryError(f"numbers here have at most {MAX_DIGITS} digits", span=word.place)
    return int(word.text)

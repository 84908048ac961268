"""When two values say the same, and what a group leaves loose (SQL-92 7.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vo_server.adql.semantics import query as q


def bare(value: q.Value) -> q.Value:
    """The value without what its column is called in this query."""
    return (
        replace(value, column=value.column.replace(name="", description=None))
        if not isinstance(value, q.Field)
        else value
    )


def alike(a: q.Value, b: q.Value) -> bool:
    """Do two values say the same, whatever they are called?"""
    if isinstance(a, q.Field) and isinstance(b, q.Field):
        return (a.source, a.name) == (b.source, b.name)
    return bare(a) == bare(b)


def ungrouped(node: q.Node, grouped: list[q.Value], own: frozenset[str]) -> Iterator[q.Field]:
    """The columns of a SELECT's own sources, in a part of it, that are neither grouped by nor in an aggregate."""
    if isinstance(node, _VALUES) and any(alike(node, g) for g in grouped):
        return
    if isinstance(node, q.Field):
        if node.source in own:
            yield node
    elif not isinstance(node, q.Aggregate) or own.isdisjoint(p.source for p in q.parts(node) if isinstance(p, q.Field)):
        for part in q.direct(node):
            yield from ungrouped(part, grouped, own)


_VALUES = (q.Field, q.Constant, q.Apply, q.Aggregate, q.Cast, q.Case, q.Scalar)


def here(node: q.Node | None) -> Iterator[q.Node]:
    """The parts of a value or a source that belong to this SELECT and not to a sub-query."""
    if node is None:
        return
    yield node
    for part in q.direct(node):
        if not isinstance(part, q.Select | q.Combined):
            yield from here(part)

"""Equality of values and the rules of GROUP BY (SQL-92 7.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vo_server.adql.semantics import query as q


def strip_name(value: q.Value) -> q.Value:
    """Return the value without the name and description of its column."""
    return (
        replace(value, column=value.column.replace(name="", description=None))
        if not isinstance(value, q.ColumnRef)
        else value
    )


def is_same_value(a: q.Value, b: q.Value) -> bool:
    """Tell whether two values are the same apart from their names."""
    if isinstance(a, q.ColumnRef) and isinstance(b, q.ColumnRef):
        return (a.source, a.name) == (b.source, b.name)
    return strip_name(a) == strip_name(b)


def find_ungrouped(node: q.Node, grouped: list[q.Value], sources: frozenset[str]) -> Iterator[q.ColumnRef]:
    """Yield the columns of a SELECT's own sources, in a part of it, that are neither grouped by nor in an aggregate."""
    if isinstance(node, _VALUE_CLASSES) and any(is_same_value(node, g) for g in grouped):
        return
    if isinstance(node, q.ColumnRef):
        if node.source in sources:
            yield node
    elif not isinstance(node, q.AggregateCall) or sources.isdisjoint(q.find_sources(node)):
        for part in q.iter_children(node):
            yield from find_ungrouped(part, grouped, sources)


_VALUE_CLASSES = (
    q.ColumnRef,
    q.Constant,
    q.FunctionCall,
    q.AggregateCall,
    q.TypeCast,
    q.CaseExpression,
    q.ScalarSubquery,
)


def walk_select(node: q.Node | None) -> Iterator[q.Node]:
    """Yield the parts of a value or a source that belong to this SELECT and not to a sub-query."""
    if node is None:
        return
    yield node
    for part in q.iter_children(node):
        if not isinstance(part, q.SelectQuery | q.SetQuery):
            yield from walk_select(part)

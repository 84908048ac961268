"""The shape of a query: what is left when its constants are taken out.

Scripts ask the same again and again with other numbers. Queries of one shape are one statement for the database,
built and compiled once. Equal constants share a slot, so that an expression that stands twice (in a select list and
after GROUP BY) is the same expression for the database, too.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

from vo_server.adql import query as q


def shaped(query: q.Query) -> tuple[q.Query, tuple[Any, ...]]:
    """The query with a Slot for each of its constants, and their values in the order of the slots' numbers.

    A null stays where it is: it is a word of SQL and no value.
    """
    slots: dict[tuple[str, Any], q.Slot] = {}
    shape: q.Query = _without(query, slots)
    return shape, tuple(value for _, value in slots)


def _without(node: Any, slots: dict[tuple[str, Any], q.Slot]) -> Any:
    if isinstance(node, q.Field):
        return node
    if isinstance(node, q.Constant):
        return node if node.value is None else _slot(node, slots)
    if isinstance(node, tuple):
        made = tuple(_without(each, slots) for each in node)
        return node if all(a is b for a, b in zip(made, node, strict=True)) else made
    if not is_dataclass(node):
        return node
    changed = {}
    for name in _parts(type(node)):  # type: ignore[arg-type]
        value = getattr(node, name)
        without = _without(value, slots)
        if without is not value:
            changed[name] = without
    return replace(node, **changed) if changed else node  # type: ignore[type-var]


def _slot(node: q.Constant, slots: dict[tuple[str, Any], q.Slot]) -> q.Slot:
    key = node.column.type.name, node.value
    if key not in slots:
        slots[key] = q.Slot(len(slots), node.column)
    return slots[key]


@cache
def _parts(kind: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind) if f.name not in q.LEAVES)

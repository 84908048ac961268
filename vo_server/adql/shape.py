"""The shape of a query: what is left when its constants are taken out.

Scripts ask the same again and again with other numbers. Queries of one shape are one statement for the database,
built and compiled once. Equal constants share a slot, so that an expression that stands twice (in a select list and
after GROUP BY) is the same expression for the database, too.
"""

from __future__ import annotations

from typing import Any

from vo_server.adql.semantics import query as q


def shaped(query: q.Query) -> tuple[q.Query, tuple[Any, ...]]:
    """The query with a Slot for each of its constants, and their values in the order of the slots' numbers.

    A null stays where it is: it is a word of SQL and no value.
    """
    slots: dict[tuple[str, Any], q.Slot] = {}

    def slotted(node: Any) -> Any:
        return _slot(node, slots) if isinstance(node, q.Constant) and node.value is not None else node

    shape: q.Query = q.mapped(query, slotted)
    return shape, tuple(value for _, value in slots)


def _slot(node: q.Constant, slots: dict[tuple[str, Any], q.Slot]) -> q.Slot:
    key = node.column.type.name, node.value
    if key not in slots:
        slots[key] = q.Slot(len(slots), node.column)
    return slots[key]

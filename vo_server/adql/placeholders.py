"""The shape of a query: the query with placeholders for its constants.

Scripts repeat a query with other numbers. Queries of one shape are one statement for the database, built and compiled
once. Equal constants share a placeholder, so that an expression that stands twice (in a select list and after GROUP BY)
is one expression for the database, too.
"""

from __future__ import annotations

from typing import Any

from vo_server.adql.semantics import query as q


def extract_constants(query: q.Query) -> tuple[q.Query, tuple[Any, ...]]:
    """Return the query with a Placeholder for each constant, and their values in the order of their numbers.

    A null stays in the query: it is a keyword of SQL and no value.
    """
    slots: dict[tuple[str, Any], q.Placeholder] = {}

    def slotted(node: Any) -> Any:
        return _find_placeholder(node, slots) if isinstance(node, q.Constant) and node.value is not None else node

    shape: q.Query = q.transform(query, slotted)
    return shape, tuple(value for _, value in slots)


def _find_placeholder(node: q.Constant, slots: dict[tuple[str, Any], q.Placeholder]) -> q.Placeholder:
    key = node.column.type.name, node.value
    if key not in slots:
        slots[key] = q.Placeholder(len(slots), node.column)
    return slots[key]

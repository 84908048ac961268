"""What makes a query slow that its author can help, told by the query as it is planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vo_server.adql.planning.cells import CELL_TESTS
from vo_server.adql.semantics import query as q
from vo_server.model.column import Table

Rows = Callable[[Table], int | None]


def advice(query: q.Query, rows: Rows) -> Iterator[str]:
    """A sentence for each thing that could be better; `rows` tells how many a table has."""
    for part in q.parts(query):
        if isinstance(part, q.Select):
            yield from _unbounded(part)
            yield from _products(part, rows)


def _unbounded(query: q.Select) -> Iterator[str]:
    """Coordinates that are compared by themselves: only a region bounds the index."""
    conditions = list(_all(query))
    bounded = {c.index.source for c in conditions if isinstance(c, q.Within)}
    for scan in _leaves(query.source):
        if not isinstance(scan, q.Scan) or scan.table.position is None or scan.name in bounded:
            continue
        position = scan.table.position
        own = [q.Field(scan.name, name, scan.table.column(name)) for name in (position.ra, position.dec)]
        compared = [f for f in own if any(_bounds(c, f) for c in conditions)]
        if compared:
            names = " and ".join(f.name for f in compared)
            yield (
                f"the index does not help where {names} of {scan.name} {'are' if len(compared) > 1 else 'is'} compared"
                f" with numbers; it does with 1 = CONTAINS(POINT({position.ra}, {position.dec}), BOX(...)),"
                " a CIRCLE or a POLYGON"
            )


def _bounds(condition: q.Condition, field: q.Field) -> bool:
    match condition:
        case q.Compare(_, left, right):
            return field in (left, right) and any(isinstance(side, q.Constant) for side in (left, right))
        case q.Between(value, _, _, False):
            return value == field
        case _:
            return False


def _products(query: q.Select, rows: Rows) -> Iterator[str]:
    """Sources that no equality ties together, of columns or of cells of the sky."""
    leaves = list(_leaves(query.source))
    groups = [{leaf.name} for leaf in leaves]
    for condition in _all(query):
        tied = _tied(condition)
        touched = [group for group in groups if group & tied]
        if touched:
            groups = [group for group in groups if not group & tied] + [set().union(*touched)]
    if len(groups) < 2:
        return
    counts = [(rows(leaf.table) if isinstance(leaf, q.Scan) else None) for leaf in leaves]
    said = " x ".join("?" if count is None else f"{count:,}" for count in counts)
    names = " and ".join(" with ".join(sorted(group)) for group in groups)
    yield f"no equality and no distance below a number joins {names}: all pairs of rows are looked at ({said})"


def _tied(condition: q.Condition) -> set[str]:
    """The sources that an equality of columns or of cells ties together."""
    match condition:
        case q.Compare("=", left, right) if _sources(left) and _sources(right):
            return _sources(left) | _sources(right)
        case q.Holds(predicate) if predicate.function in CELL_TESTS:
            return _sources(predicate)
        case _:
            return set()


def _sources(value: q.Value) -> set[str]:
    return {part.source for part in q.parts(value) if isinstance(part, q.Field)}


def _leaves(source: q.Source) -> Iterator[q.Scan | q.Derived]:
    match source:
        case q.Join():
            yield from _leaves(source.left)
            yield from _leaves(source.right)
        case q.Spread():
            yield from (leaf for leaf in _leaves(source.source) if leaf.name == source.name)
        case q.Scan() | q.Derived():
            yield source


def _all(query: q.Select) -> Iterator[q.Condition]:
    """The conditions of WHERE and ON that all must hold."""
    yield from _ands(query.where)
    yield from (each for on in _ons(query.source) for each in _ands(on))


def _ons(source: q.Source) -> Iterator[q.Condition]:
    match source:
        case q.Join():
            if source.on is not None:
                yield source.on
            yield from _ons(source.left)
            yield from _ons(source.right)
        case q.Spread():
            yield from _ons(source.source)
        case _:
            return


def _ands(condition: q.Condition | None) -> Iterator[q.Condition]:
    if isinstance(condition, q.And):
        for operand in condition.operands:
            yield from _ands(operand)
    elif condition is not None:
        yield condition

"""Advice on slow queries that their authors can improve, from the planned query."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.adql.planning.cells import CELL_TESTS
from vo_server.adql.planning.nearness import iter_conjuncts
from vo_server.adql.semantics import query as q


def find_advice(query: q.Query, rows: q.RowCounts) -> Iterator[str]:
    """Yield a sentence for each thing that could be better; `rows` returns how many rows a table has."""
    for part in q.walk(query):
        if isinstance(part, q.SelectQuery):
            yield from _advise_regions(part)
            yield from _advise_joins(part, rows)


def _advise_regions(query: q.SelectQuery) -> Iterator[str]:
    """Advise a region where coordinates are compared by themselves: only a region bounds the index."""
    conditions = list(_iter_conditions(query))
    bounded = {c.index.source for c in conditions if isinstance(c, q.IndexRanges)}
    for scan in _iter_sources(query.source):
        if not isinstance(scan, q.TableScan) or scan.table.position is None or scan.name in bounded:
            continue
        position = scan.table.position
        columns = [q.ColumnRef(scan.name, name, scan.table.get_column(name)) for name in (position.ra, position.dec)]
        compared = [f for f in columns if any(_is_bound_of(c, f) for c in conditions)]
        if compared:
            names = " and ".join(f.name for f in compared)
            yield (
                f"the index does not help where {names} of {scan.name} {'are' if len(compared) > 1 else 'is'} compared"
                f" with numbers; it does with 1 = CONTAINS(POINT({position.ra}, {position.dec}), BOX(...)),"
                " a CIRCLE or a POLYGON"
            )


def _is_bound_of(condition: q.Condition, field: q.ColumnRef) -> bool:
    match condition:
        case q.Comparison(_, left, right):
            return field in (left, right) and any(isinstance(side, q.Constant) for side in (left, right))
        case q.RangeTest(value, _, _, False):
            return value == field
        case _:
            return False


def _advise_joins(query: q.SelectQuery, rows: q.RowCounts) -> Iterator[str]:
    """Advise a join condition for sources that no equality ties together, of columns or of cells of the sky."""
    leaves = list(_iter_sources(query.source))
    groups = [{leaf.name} for leaf in leaves]
    for condition in _iter_conditions(query):
        sources = _tied_sources(condition)
        touched = [group for group in groups if group & sources]
        if touched:
            groups = [group for group in groups if not group & sources] + [set().union(*touched)]
    if len(groups) < 2:
        return
    counts = [(rows(leaf.table) if isinstance(leaf, q.TableScan) else None) for leaf in leaves]
    product = " x ".join("?" if count is None else f"{count:,}" for count in counts)
    names = " and ".join(" with ".join(sorted(group)) for group in groups)
    yield f"no equality and no distance below a number joins {names}: all pairs of rows are looked at ({product})"


def _tied_sources(condition: q.Condition) -> frozenset[str]:
    """Return the sources that an equality of columns or of cells ties together."""
    match condition:
        case q.Comparison("=", left, right) if q.find_sources(left) and q.find_sources(right):
            return q.find_sources(left) | q.find_sources(right)
        case q.PredicateTest(predicate) if predicate.function in CELL_TESTS:
            return q.find_sources(predicate)
        case _:
            return frozenset()


def _iter_sources(source: q.Source) -> Iterator[q.TableScan | q.Subquery]:
    match source:
        case q.JoinedSource():
            yield from _iter_sources(source.left)
            yield from _iter_sources(source.right)
        case q.Unnest():
            yield from (leaf for leaf in _iter_sources(source.source) if leaf.name == source.name)
        case q.TableScan() | q.Subquery():
            yield source


def _iter_conditions(query: q.SelectQuery) -> Iterator[q.Condition]:
    """Yield the conditions of WHERE and ON that all must hold."""
    yield from iter_conjuncts(query.where)
    yield from (each for on in _iter_on_conditions(query.source) for each in iter_conjuncts(on))


def _iter_on_conditions(source: q.Source) -> Iterator[q.Condition]:
    match source:
        case q.JoinedSource():
            if source.on is not None:
                yield source.on
            yield from _iter_on_conditions(source.left)
            yield from _iter_on_conditions(source.right)
        case q.Unnest():
            yield from _iter_on_conditions(source.source)
        case _:
            return

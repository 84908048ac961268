"""All joins on nearness of a query made through cells: inner and outer ones, and those of its sub-queries with it.

In an inner join either source may be spread. Where a row without a partner counts (outer joins, EXISTS), its own side
must not be: then the other side is, or the pairs are found by themselves first and are joined to the rows by the values
that they were found by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vo_server.adql.planning import positions
from vo_server.adql.planning.cells import (
    Edge,
    Linked,
    again,
    edges,
    fixed,
    replaced,
    sources,
    steady,
    through_cells,
)
from vo_server.adql.planning.nearness import conjuncts
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import IN_CELL, LOOK_UP
from vo_server.model.column import Table
from vo_server.sky import cover

Rows = Callable[[Table], int | None]

_MANY = 10
"""As many rows are sorted or hashed by the time that one is found in an index."""


def linked(query: q.Select, rows: Rows) -> q.Select:
    """A query whose sub-queries in FROM are linked already."""
    return _Joins(query, rows, dict(positions.leaves(query.source))).linked()


@dataclass(slots=True)
class _Joins:
    """The joins of one SELECT; `leaves` are its sources and those of the sub-queries with which it is linked."""

    query: q.Select
    rows: Rows
    leaves: dict[str, q.Source]

    def linked(self) -> q.Select:
        query = self.query
        if query.where is not None and any(isinstance(p, q.Exists | q.In) for p in q.parts(query.where)):
            query = replace(query, where=self._asking(query.where))
        source, groups = self._source(query.source)
        source, same, _ = self._inner(source, self.query.where, groups)
        where = _and(*same, query.where) if same else query.where
        if source is query.source and not same:
            return query
        return _findable(replace(query, source=source, where=where))

    # ------------------------------------------------------- inner joins

    def _source(self, source: q.Source) -> tuple[q.Source, list[frozenset[str]]]:
        """A source and, of those in it, which are linked to which already."""
        if not isinstance(source, q.Join):
            return source, []
        (left, groups), (right, more) = self._source(source.left), self._source(source.right)
        if left is not source.left or right is not source.right:
            source = replace(source, left=left, right=right)
        if source.kind in ("INNER", "CROSS"):
            made, same, groups = self._inner(source, source.on, groups + more)
            return _on((made, _and(*same)), source.on) if same else source, groups
        if source.kind == "FULL":
            return self._full(source), []
        return self._outer(source), groups if source.kind == "LEFT" else more

    def _inner(
        self, source: q.Source, condition: q.Condition | None, groups: list[frozenset[str]]
    ) -> tuple[q.Source, list[q.Condition], list[frozenset[str]]]:
        """A source whose rows a condition chooses, with further conditions; no two sources are linked in a ring."""
        here, same = dict(positions.leaves(source)), list[q.Condition]()
        for edge in edges(conjuncts(condition), here, here):
            both = frozenset({edge.first, edge.second})
            if any(both <= group for group in groups):
                continue
            made = self._through_cells(source, self._lighter(edge))
            if made is not None:
                source, equal = made
                same.append(equal)
                groups = [*(g for g in groups if not g & both), both.union(*(g for g in groups if g & both))]
        return source, same, groups

    # ------------------------------------------------------- outer joins

    def _outer(self, join: q.Join) -> q.Join:
        kept, asked = (join.left, join.right) if join.kind == "LEFT" else (join.right, join.left)
        made = self._partners(asked, dict(positions.leaves(kept)), join.on)
        if made is None:
            return join
        source, on = made
        return replace(join, right=source, on=on) if join.kind == "LEFT" else replace(join, left=source, on=on)

    def _full(self, join: q.Join) -> q.Join:
        """A full join by way of the pairs: the left rows with their pairs, and these with the right rows.

        One side must be a source by itself, or a pair might be there whose right row another join has left out.
        """
        if isinstance(join.right, q.Join):
            join = replace(join, left=join.right, right=join.left)
        left, right = dict(positions.leaves(join.left)), dict(positions.leaves(join.right))
        for edge in edges(conjuncts(join.on), left, right):
            pairs = self._pairs(edge, join.on) if edge.second == getattr(join.right, "name", "") else None
            if pairs is not None:
                of_left, of_right = self._as_in(pairs, edge)
                return q.Join("FULL", q.Join("LEFT", join.left, pairs, of_left), join.right, of_right)
        return join

    def _pairs(self, edge: Edge, on: q.Condition | None) -> q.Derived | None:
        """What a condition looks at, of each pair for which it is true."""
        first, second = again(self.leaves[edge.first]), again(self.leaves[edge.second])
        if on is None or first is None or second is None or not _only(on, edge):
            return None
        made = self._through_cells(q.Join("INNER", first, second, on), self._lighter(edge))
        outputs = tuple(q.Output(f"_{n}_{f.source}", f) for n, f in enumerate(_fields(on)))
        name = f"_pairs_{edge.first}_{edge.second}"
        return None if made is None else q.Derived(name, q.Select(outputs, _on(made, on), distinct=True))

    def _as_in(self, pairs: q.Derived, edge: Edge) -> tuple[q.Condition, q.Condition]:
        """Is a row of the first source, and one of the second, as in a pair? Their places are never null there."""
        equal: dict[str, list[q.Condition]] = {edge.first: [], edge.second: []}
        places = (*_fields(edge.pair.first), *_fields(edge.pair.second))
        for output in pairs.query.outputs if isinstance(pairs.query, q.Select) else ():
            mine = output.value
            if isinstance(mine, q.Field):
                same = q.Compare("=", mine, q.Field(pairs.name, output.label, mine.column))
                nulls = q.And((q.IsNull(mine), q.IsNull(same.right)))
                equal[mine.source].append(same if mine in places else q.Or((same, nulls)))
        return _and(*equal[edge.first]), _and(*equal[edge.second])

    # -------------------------------------------------------- sub-queries

    def _asking(self, condition: q.Condition, alone: bool = True) -> q.Condition:
        """A condition whose sub-queries are asked for what is near; `alone`: it holds for all rows of the answer."""
        match condition:
            case q.And(operands):
                return replace(condition, operands=tuple(self._asking(o, alone) for o in operands))
            case q.Or(operands):
                return replace(condition, operands=tuple(self._asking(o, False) for o in operands))
            case q.Not(operand):
                return replace(condition, operand=self._asking(operand, alone and isinstance(operand, q.Exists)))
            case q.Exists(q.Select() as inner):
                return replace(condition, query=self._near(inner, alone))
            case q.In(value, q.Select() as inner, False) if alone and _is_plain(inner):
                made = self._near(inner, alone)
                if made is inner:
                    return condition
                found = q.Compare("=", value, inner.outputs[0].value)
                return q.Exists(replace(made, where=_and(made.where, found)))  # PostgreSQL joins by no other IN
            case q.In(_, q.Select() as inner):
                return replace(condition, options=self._near(inner, False))
            case _:
                return condition

    def _near(self, query: q.Select, alone: bool) -> q.Select:
        """A sub-query of a condition, asked for what is near a row of this SELECT."""
        self.leaves.update(positions.leaves(query.source))
        made = self._partners(query.source, dict(positions.leaves(self.query.source)), query.where, alone=alone)
        return query if made is None else replace(query, source=made[0], where=made[1])

    def _partners(
        self, asked: q.Source, around: Mapping[str, q.Source], on: q.Condition | None, *, alone: bool = True
    ) -> Linked | None:
        """A source that is asked for the partners of rows around it, and the condition by which it then is.

        A row of it may be there more than once, but each pair is found once. `alone`: a database can make a join of it.
        """
        for edge in edges(conjuncts(on), around, dict(positions.leaves(asked))):
            light = alone and self._weight(edge.second) <= self._weight(edge.first)
            found = None if light and edge.radius is not None else self._found(asked, edge, on)
            if found is None:
                spread = fixed(asked, edge.turned(), around[edge.first])
                found = None if spread is None else (spread[0], _and(spread[1], on))
            if found is not None:
                return found
        return None

    def _found(self, asked: q.Source, edge: Edge, on: q.Condition | None) -> Linked | None:
        """Each place of the first source with its partners, instead of the second."""
        whole = again(self.leaves[edge.first], more=edge.radius is None)
        if whole is None or not _only(edge.condition, edge):
            return None
        columns = tuple(f for f in _fields(edge.condition) if f.source == edge.first)
        all = {f.name: q.Output(f.name, f) for f in (*columns, *positions.hidden(whole))}
        mine = q.Select(tuple(all.values()), whole, self._known(edge.first), distinct=True)
        leaf = dict(positions.leaves(asked))[edge.second]
        product = q.Join("INNER", q.Derived(edge.first, mine), leaf, edge.condition)
        made = self._through_cells(product, edge)
        if made is None:
            return None
        labels = [f"_{n}_{edge.first}" for n, _ in enumerate(columns)]
        found = [q.Output(f.name, f) for f in self._used(edge.second, asked, on)]
        found += [q.Output(label, f) for label, f in zip(labels, columns, strict=True)]
        pairs = q.Derived(edge.second, q.Select(tuple(found), _on(made, edge.condition)))
        equal = (q.Compare("=", f, q.Field(edge.second, n, f.column)) for n, f in zip(labels, columns, strict=True))
        rest = (c for c in conjuncts(on) if c is not edge.condition)
        return replaced(asked, edge.second, pairs), _and(*equal, *rest)

    def _used(self, name: str, asked: q.Source, on: q.Condition | None) -> tuple[q.Field, ...]:
        """The columns of a source that the query speaks of, and those that no user sees."""
        leaf = dict(positions.leaves(asked))[name]
        found = [f for node in (self.query, asked, on) if node is not None for f in _fields(node) if f.source == name]
        return tuple({f.name: f for f in (*found, *positions.hidden(leaf))}.values())

    # -------------------------------------------------------- what is known

    def _known(self, name: str) -> q.Condition | None:
        """What holds for all rows of a source that count, by conditions on it alone."""
        if name not in positions.kept(self.query.source):
            return None
        found = [c for c in conjuncts(self.query.where) if sources(c) == {name} and steady(c)]
        return _and(*found) if found else None

    def _through_cells(self, source: q.Source, edge: Edge) -> Linked | None:
        whole = {name: again(leaf, more=True) for name, leaf in self.leaves.items()}
        return through_cells(source, edge, whole, self._few(edge))

    def _few(self, edge: Edge) -> bool:
        return _MANY * self._weight(edge.first) < self._weight(edge.second)

    def _lighter(self, edge: Edge) -> Edge:
        return edge if self._weight(edge.first) <= self._weight(edge.second) else edge.turned()

    def _weight(self, name: str) -> float:
        """About how many rows a source has."""
        within = (c for c in conjuncts(self.query.where) if isinstance(c, q.Within) and c.index.source == name)
        return min(map(_part, within), default=1.0) * self._size(self.leaves[name])

    def _size(self, source: q.Source) -> float:
        """What is not a published table, and no sub-query over one, is taken to be small."""
        match source:
            case q.Scan(_, table):
                return self.rows(table) or table.nrows or 0
            case q.Derived(_, q.Select() as inner):
                return _Joins(inner, self.rows, dict(positions.leaves(inner.source))).size()
            case q.Derived(_, q.Combined() as both):
                return sum(self._size(q.Derived("", side)) for side in (both.left, both.right))
            case _:
                return 0

    def size(self) -> float:
        """About how many rows the SELECT has, at the most: those of its largest source."""
        most = max(self._weight(name) for name in self.leaves)
        return most if self.query.top is None else min(most, self.query.top)


def _findable(query: q.Select) -> q.Select:
    """A query that looks up nothing in a source that was spread in the end: it then has no index any more."""
    spread = {leaf.name for _, leaf in positions.leaves(query.source) if isinstance(leaf, q.Spread)}

    def hashed(node: Any) -> Any:
        looked_up = isinstance(node, q.Apply) and node.function is LOOK_UP
        return replace(node, function=IN_CELL) if looked_up and node.arguments[0].source in spread else node

    made: q.Select = q.mapped(query, hashed) if len(spread) > 1 else query
    return made


def _on(linked: Linked, condition: q.Condition | None) -> q.Source:
    """A join with what must hold for it further on."""
    source, same = linked
    return replace(source, on=_and(same, condition)) if isinstance(source, q.Join) else source


def _only(condition: q.Condition, edge: Edge) -> bool:
    """Is a condition about the two sources of an edge alone, and the same each time?"""
    return sources(condition) == {edge.first, edge.second} and steady(condition)


def _and(*conditions: q.Condition | None) -> q.Condition:
    known = tuple(c for c in conditions if c is not None)
    return known[0] if len(known) == 1 else q.And(known)


def _fields(node: q.Node) -> tuple[q.Field, ...]:
    """The columns in a part of a query, each once."""
    return tuple({(p.source, p.name): p for p in q.parts(node) if isinstance(p, q.Field)}.values())


def _is_plain(query: q.Select) -> bool:
    """Is each row of a SELECT a row of its sources?"""
    aggregated = any(isinstance(p, q.Aggregate) for o in query.outputs for p in q.parts(o))
    return not (query.group_by or query.having or query.top is not None or query.offset or aggregated)


def _part(within: q.Within) -> float:
    """The part of the sky that is in some ranges."""
    ends = [
        (lo.value, hi.value) for lo, hi in within.ranges if isinstance(lo, q.Constant) and isinstance(hi, q.Constant)
    ]
    return float(sum(int(hi) - int(lo) + 1 for lo, hi in ends) / int(cover.SKY[0, 1]))

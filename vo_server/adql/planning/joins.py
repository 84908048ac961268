"""All joins by distance of a query planned through cells: inner and outer ones, and those of its sub-queries with it.

In an inner join either source may be unnested. Where a row without a partner counts (outer joins, EXISTS), its own side
must not be: then the other side is, or the pairs are selected first and are joined to the rows by the values that the
condition reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vo_server.adql.planning import positions
from vo_server.adql.planning.cells import (
    Edge,
    LinkedSource,
    find_edges,
    is_deterministic,
    link_fixed_order,
    link_through_cells,
    replace_source,
    rereadable,
    sources_or_nested,
)
from vo_server.adql.planning.nearness import conjoin, iter_conjuncts
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.internal_functions import IN_CELL, INDEX_LOOKUP

_LOOKUP_COST = 10
"""Rows that are sorted or hashed in the time of one lookup in an index."""


def link_joins(query: q.SelectQuery, rows: q.RowCounts) -> q.SelectQuery:
    """Plan the joins by distance of a SELECT whose sub-queries in FROM are planned already."""
    return _JoinPlanner(query, rows, dict(positions.iter_leaves(query.source))).link()


@dataclass(slots=True)
class _JoinPlanner:
    """The planner of the joins of one SELECT.

    `leaves` are its sources and those of the sub-queries with which it is linked.
    """

    query: q.SelectQuery
    rows: q.RowCounts
    leaves: dict[str, q.Source]

    def link(self) -> q.SelectQuery:
        """Return the SELECT with its joins by distance planned."""
        query = self.query
        if query.where is not None and any(isinstance(p, q.ExistsTest | q.InTest) for p in q.walk(query.where)):
            query = replace(query, where=self._link_condition(query.where))
        source, groups = self._link_source(query.source)
        source, conditions, _ = self._link_inner(source, self.query.where, groups)
        where = conjoin(*conditions, query.where) if conditions else query.where
        if source is query.source and not conditions:
            return query
        return _avoid_lookups(replace(query, source=source, where=where))

    # ------------------------------------------------------- inner joins

    def _link_source(self, source: q.Source) -> tuple[q.Source, list[frozenset[str]]]:
        """Return a source planned, and the groups of sources in it that are linked already."""
        if not isinstance(source, q.JoinedSource):
            return source, []
        (left, groups), (right, more) = self._link_source(source.left), self._link_source(source.right)
        if left is not source.left or right is not source.right:
            source = replace(source, left=left, right=right)
        if source.kind in ("INNER", "CROSS"):
            linked, conditions, groups = self._link_inner(source, source.on, groups + more)
            return _add_condition((linked, conjoin(*conditions)), source.on) if conditions else source, groups
        if source.kind == "FULL":
            return self._link_full(source), []
        return self._link_outer(source), groups if source.kind == "LEFT" else more

    def _link_inner(
        self, source: q.Source, condition: q.Condition | None, groups: list[frozenset[str]]
    ) -> tuple[q.Source, list[q.Condition], list[frozenset[str]]]:
        """Return a source whose rows a condition chooses, planned, with further conditions; no cycle of links
        is made."""
        leaves, conditions = dict(positions.iter_leaves(source)), list[q.Condition]()
        for edge in find_edges(iter_conjuncts(condition), leaves, leaves):
            both = frozenset({edge.first, edge.second})
            if any(both <= group for group in groups):
                continue
            linked = self._link_through_cells(source, self._put_smaller_first(edge))
            if linked is not None:
                source, condition_on_cells = linked
                conditions.append(condition_on_cells)
                groups = [*(g for g in groups if not g & both), both.union(*(g for g in groups if g & both))]
        return source, conditions, groups

    # ------------------------------------------------------- outer joins

    def _link_outer(self, join: q.JoinedSource) -> q.JoinedSource:
        preserved, optional = (join.left, join.right) if join.kind == "LEFT" else (join.right, join.left)
        linked = self._link_partners(optional, dict(positions.iter_leaves(preserved)), join.on)
        if linked is None:
            return join
        source, on = linked
        return replace(join, right=source, on=on) if join.kind == "LEFT" else replace(join, left=source, on=on)

    def _link_full(self, join: q.JoinedSource) -> q.JoinedSource:
        """Plan a full join by way of the pairs: the left rows with their pairs, and these with the right rows.

        One side must be a source by itself, or a pair might exist whose right row another join has left out.
        """
        if isinstance(join.right, q.JoinedSource):
            join = replace(join, left=join.right, right=join.left)
        left, right = dict(positions.iter_leaves(join.left)), dict(positions.iter_leaves(join.right))
        for edge in find_edges(iter_conjuncts(join.on), left, right):
            pairs = self._select_pairs(edge, join.on) if edge.second == getattr(join.right, "name", "") else None
            if pairs is not None:
                of_left, of_right = self._match_pairs(pairs, edge)
                return q.JoinedSource("FULL", q.JoinedSource("LEFT", join.left, pairs, of_left), join.right, of_right)
        return join

    def _select_pairs(self, edge: Edge, on: q.Condition | None) -> q.Subquery | None:
        """Return a sub-query of the values that a condition reads, for each pair for which it is true; None if it
        cannot be."""
        first, second = rereadable(self.leaves[edge.first]), rereadable(self.leaves[edge.second])
        if on is None or first is None or second is None or not _is_about_edge(on, edge):
            return None
        linked = self._link_through_cells(q.JoinedSource("INNER", first, second, on), self._put_smaller_first(edge))
        outputs = tuple(q.OutputColumn(f"_{n}_{f.source}", f) for n, f in enumerate(_list_columns(on)))
        name = f"_pairs_{edge.first}_{edge.second}"
        if linked is None:
            return None
        return q.Subquery(name, q.SelectQuery(outputs, _add_condition(linked, on), distinct=True))

    def _match_pairs(self, pairs: q.Subquery, edge: Edge) -> tuple[q.Condition, q.Condition]:
        """Return the conditions that a row of the first source, and one of the second, is as in a pair.

        Their positions are never null in a pair.
        """
        equal: dict[str, list[q.Condition]] = {edge.first: [], edge.second: []}
        positions_of_edge = (*_list_columns(edge.pair.first), *_list_columns(edge.pair.second))
        for output in pairs.query.outputs if isinstance(pairs.query, q.SelectQuery) else ():
            column = output.value
            if isinstance(column, q.ColumnRef):
                is_equal = q.Comparison("=", column, q.ColumnRef(pairs.name, output.label, column.column))
                nulls = q.Conjunction((q.NullTest(column), q.NullTest(is_equal.right)))
                equal[column.source].append(
                    is_equal if column in positions_of_edge else q.Disjunction((is_equal, nulls))
                )
        return conjoin(*equal[edge.first]), conjoin(*equal[edge.second])

    # -------------------------------------------------------- sub-queries

    def _link_condition(self, condition: q.Condition, alone: bool = True) -> q.Condition:
        """Plan the sub-queries of a condition; `alone`: it holds for all rows of the answer."""
        match condition:
            case q.Conjunction(operands):
                return replace(condition, operands=tuple(self._link_condition(o, alone) for o in operands))
            case q.Disjunction(operands):
                return replace(condition, operands=tuple(self._link_condition(o, False) for o in operands))
            case q.Negation(operand):
                return replace(
                    condition, operand=self._link_condition(operand, alone and isinstance(operand, q.ExistsTest))
                )
            case q.ExistsTest(q.SelectQuery() as inner):
                return replace(condition, query=self._link_subquery(inner, alone))
            case q.InTest(value, q.SelectQuery() as inner, False) if alone and _is_plain(inner):
                subquery = self._link_subquery(inner, alone)
                if subquery is inner:
                    return condition
                equality = q.Comparison("=", value, inner.outputs[0].value)
                where = conjoin(subquery.where, equality)
                return q.ExistsTest(replace(subquery, where=where))  # PostgreSQL makes a join of no other IN
            case q.InTest(_, q.SelectQuery() as inner):
                return replace(condition, options=self._link_subquery(inner, False))
            case _:
                return condition

    def _link_subquery(self, query: q.SelectQuery, alone: bool) -> q.SelectQuery:
        """Plan a sub-query of a condition by its distance from a row of this SELECT."""
        self.leaves.update(positions.iter_leaves(query.source))
        linked = self._link_partners(
            query.source, dict(positions.iter_leaves(self.query.source)), query.where, alone=alone
        )
        return query if linked is None else replace(query, source=linked[0], where=linked[1])

    def _link_partners(
        self, source: q.Source, outer: Mapping[str, q.Source], on: q.Condition | None, *, alone: bool = True
    ) -> LinkedSource | None:
        """Plan a source that is read for the partners of rows around it; return it with the new condition, None if it
        cannot be.

        A row of it may be there more than once, but each pair occurs once. `alone`: a database can make a join of it.
        """
        for edge in find_edges(iter_conjuncts(on), outer, dict(positions.iter_leaves(source))):
            is_smaller = alone and self._estimate_source_rows(edge.second) <= self._estimate_source_rows(edge.first)
            linked = None if is_smaller and edge.radius is not None else self._join_pairs_first(source, edge, on)
            if linked is None:
                unnested = link_fixed_order(source, edge.reverse(), outer[edge.first])
                linked = None if unnested is None else (unnested[0], conjoin(unnested[1], on))
            if linked is not None:
                return linked
        return None

    def _join_pairs_first(self, source: q.Source, edge: Edge, on: q.Condition | None) -> LinkedSource | None:
        """Return the pairs, each position of the first source with its partners, in the place of the second source."""
        first_source = rereadable(self.leaves[edge.first], allow_more=edge.radius is None)
        if first_source is None or not _is_about_edge(edge.condition, edge):
            return None
        columns = tuple(f for f in _list_columns(edge.condition) if f.source == edge.first)
        position_outputs = {
            f.name: q.OutputColumn(f.name, f) for f in (*columns, *positions.hidden_columns(first_source))
        }
        first_positions = q.SelectQuery(
            tuple(position_outputs.values()), first_source, self._find_own_condition(edge.first), distinct=True
        )
        leaf = dict(positions.iter_leaves(source))[edge.second]
        product = q.JoinedSource("INNER", q.Subquery(edge.first, first_positions), leaf, edge.condition)
        linked = self._link_through_cells(product, edge)
        if linked is None:
            return None
        labels = [f"_{n}_{edge.first}" for n, _ in enumerate(columns)]
        outputs = [q.OutputColumn(f.name, f) for f in self._find_used_columns(edge.second, source, on)]
        outputs += [q.OutputColumn(label, f) for label, f in zip(labels, columns, strict=True)]
        pairs = q.Subquery(edge.second, q.SelectQuery(tuple(outputs), _add_condition(linked, edge.condition)))
        equal = (
            q.Comparison("=", f, q.ColumnRef(edge.second, n, f.column)) for n, f in zip(labels, columns, strict=True)
        )
        rest = (c for c in iter_conjuncts(on) if c is not edge.condition)
        return replace_source(source, edge.second, pairs), conjoin(*equal, *rest)

    def _find_used_columns(self, name: str, source: q.Source, on: q.Condition | None) -> tuple[q.ColumnRef, ...]:
        """Return the columns of a source that the query refers to, and its hidden columns."""
        leaf = dict(positions.iter_leaves(source))[name]
        columns = [
            f for node in (self.query, source, on) if node is not None for f in _list_columns(node) if f.source == name
        ]
        return tuple({f.name: f for f in (*columns, *positions.hidden_columns(leaf))}.values())

    # -------------------------------------------------------- what is known

    def _find_own_condition(self, name: str) -> q.Condition | None:
        """Return the conditions on a source alone that all of its rows in the answer satisfy; None if there are
        none."""
        if name not in positions.row_preserving_sources(self.query.source):
            return None
        conditions = [
            c for c in iter_conjuncts(self.query.where) if sources_or_nested(c) == {name} and is_deterministic(c)
        ]
        return conjoin(*conditions) if conditions else None

    def _link_through_cells(self, source: q.Source, edge: Edge) -> LinkedSource | None:
        readable = {name: rereadable(leaf, allow_more=True) for name, leaf in self.leaves.items()}
        return link_through_cells(source, edge, readable, self._has_few_rows(edge))

    def _has_few_rows(self, edge: Edge) -> bool:
        return _LOOKUP_COST * self._estimate_source_rows(edge.first) < self._estimate_source_rows(edge.second)

    def _put_smaller_first(self, edge: Edge) -> Edge:
        return (
            edge
            if self._estimate_source_rows(edge.first) <= self._estimate_source_rows(edge.second)
            else edge.reverse()
        )

    def _estimate_source_rows(self, name: str) -> float:
        """Estimate how many rows of a source are read."""
        within = (
            c for c in iter_conjuncts(self.query.where) if isinstance(c, q.IndexRanges) and c.index.source == name
        )
        return min(map(positions.sky_fraction, within), default=1.0) * self._estimate_size(self.leaves[name])

    def _estimate_size(self, source: q.Source) -> float:
        """Estimate the rows of a source: of published tables and sub-queries over them; others count as 0."""
        match source:
            case q.TableScan(_, table):
                return self.rows(table) or table.nrows or 0
            case q.Subquery(_, q.SelectQuery() as inner):
                return _JoinPlanner(inner, self.rows, dict(positions.iter_leaves(inner.source))).estimate_rows()
            case q.Subquery(_, q.SetQuery() as both):
                return sum(self._estimate_size(q.Subquery("", side)) for side in (both.left, both.right))
            case _:
                return 0

    def estimate_rows(self) -> float:
        """Estimate the largest number of rows of the SELECT: those of its largest source."""
        largest = max(self._estimate_source_rows(name) for name in self.leaves)
        return largest if self.query.top is None else min(largest, self.query.top)


def _avoid_lookups(query: q.SelectQuery) -> q.SelectQuery:
    """Return a query without index lookups in a source that is unnested in the end: it has no index any more."""
    unnested = {leaf.name for _, leaf in positions.iter_leaves(query.source) if isinstance(leaf, q.Unnest)}

    def avoid(node: Any) -> Any:
        looked_up = isinstance(node, q.FunctionCall) and node.function is INDEX_LOOKUP
        return replace(node, function=IN_CELL) if looked_up and node.arguments[0].source in unnested else node

    replaced: q.SelectQuery = q.transform(query, avoid) if len(unnested) > 1 else query
    return replaced


def _add_condition(linked: LinkedSource, condition: q.Condition | None) -> q.Source:
    """Return a join with a further condition."""
    source, further = linked
    return replace(source, on=conjoin(further, condition)) if isinstance(source, q.JoinedSource) else source


def _is_about_edge(condition: q.Condition, edge: Edge) -> bool:
    """Tell whether a condition is deterministic and about the two sources of an edge alone."""
    return sources_or_nested(condition) == {edge.first, edge.second} and is_deterministic(condition)


def _list_columns(node: q.Node) -> tuple[q.ColumnRef, ...]:
    """Return the columns in a part of a query, each once."""
    return tuple({(p.source, p.name): p for p in q.walk(node) if isinstance(p, q.ColumnRef)}.values())


def _is_plain(query: q.SelectQuery) -> bool:
    """Tell whether each row of a SELECT is a row of its sources."""
    aggregated = any(isinstance(p, q.AggregateCall) for o in query.outputs for p in q.walk(o))
    return not (query.group_by or query.having or query.top is not None or query.offset or aggregated)

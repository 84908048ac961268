"""From a query to its explanation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from vo_server.adql.planning.cells import find_cell_joins
from vo_server.adql.planning.positions import constant_ranges, sky_fraction
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.resolve import ResolvedQuery
from vo_server.answer import PreparedQuery, prepare
from vo_server.catalogue.catalogue import UPLOADS
from vo_server.engines.engine import Engine, PlanStep, iterate_steps
from vo_server.explain.advice import find_advice
from vo_server.explain.explanation import Estimate, Explanation, IndexCoverage, TableRead
from vo_server.explain.sizes import estimate_sizes
from vo_server.model.column import Table


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """The text of a query and its resolved form, and the settings with which it would be run."""

    text: str
    resolved: ResolvedQuery
    engine: Engine
    maxrec: int
    timeout: float | None = None
    uploads: Mapping[str, pa.Table] = field(default_factory=dict)

    def rows(self, table: Table) -> int | None:
        """Return how many rows a table has; None where that is not known."""
        if table.schema == UPLOADS:
            return int(self.uploads[table.name].num_rows)
        return self.engine.count_rows(table)


def explain(request: ExplainRequest) -> Explanation:
    """Explain what a query would do. No row of it is read.

    Raises the errors that its answer would raise before the first row.
    """
    prepared = prepare(request.resolved.query, request.engine, request.maxrec)
    plan = request.engine.explain(
        prepared.statement,
        prepared.parameters,
        timeout=request.timeout,
        uploads=request.uploads,
        brief=prepared.is_small,
    )
    return Explanation(
        request.text,
        request.maxrec,
        request.resolved.query.columns,
        request.resolved.warnings,
        tuple(find_advice(prepared.query, request.rows)),
        tuple(_list_reads(prepared.query, request)),
        tuple(find_cell_joins(prepared.query)),
        plan,
        _estimate(request, prepared, plan.plan),
    )


def _list_reads(query: q.Query, request: ExplainRequest) -> Iterator[TableRead]:
    bounds = {part.index.source: part for part in q.walk(query) if isinstance(part, q.IndexRanges)}
    for part in q.walk(query):
        if isinstance(part, q.TableScan):
            rows = request.rows(part.table)
            within = bounds.get(part.name)
            yield TableRead(part.name, part.table, rows, None if within is None else _measure_coverage(within, rows))


def _measure_coverage(within: q.IndexRanges, rows: int | None) -> IndexCoverage:
    sky = sky_fraction(within)
    return IndexCoverage(tuple(constant_ranges(within)), sky, None if rows is None else int(rows * sky))


def _estimate(request: ExplainRequest, prepared: PreparedQuery, plan: PlanStep) -> Estimate:
    index = None if _combines_rows(prepared.query) else prepared.expected_rows
    engine = _read_plan_rows(plan, prepared.query.top)
    top = request.resolved.query.top
    max_rows = request.maxrec if top is None else min(top, request.maxrec)
    estimates = (index,) if _has_only_region(request.resolved.query) else (index, engine)
    unlimited_rows = min((rows for rows in estimates if rows is not None), default=engine)
    rows = None if unlimited_rows is None else min(unlimited_rows, max_rows)
    return Estimate(
        rows,
        unlimited_rows,
        index,
        engine,
        max_rows,
        estimate_sizes(request.resolved.query.columns, max_rows if rows is None else rows),
    )


def _has_only_region(query: q.Query) -> bool:
    """Tell whether the only condition is one on the position."""
    return isinstance(query, q.SelectQuery) and isinstance(query.where, q.PredicateTest)


def _combines_rows(query: q.Query) -> bool:
    """Tell whether rows of the answer combine rows that are read, so that the index does not tell their number."""
    if not isinstance(query, q.SelectQuery) or query.group_by or query.distinct:
        return True
    return any(isinstance(part, q.AggregateCall) for output in query.outputs for part in q.walk(output))


def _read_plan_rows(plan: PlanStep, cut: int | None) -> int | None:
    """Return how many rows the plan expects before they are cut off: the rows of its first step that has an
    estimate."""
    for step in iterate_steps(plan):
        if cut is not None and step.rows == cut and step.inputs:
            return _read_plan_rows(step.inputs[0], None)
    return next((step.rows for step in iterate_steps(plan) if step.rows is not None), None)

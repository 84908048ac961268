"""From a query to what it would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from vo_server.adql.planning.cells import cell_joins
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.resolve import Meaning
from vo_server.answer import Prepared, prepared
from vo_server.catalogue.catalogue import UPLOADS
from vo_server.engines.engine import Engine, Step, steps
from vo_server.explain.advice import advice
from vo_server.explain.explanation import Estimate, Explanation, Reading, Stretches
from vo_server.explain.sizes import sizes
from vo_server.model.column import Table
from vo_server.sky import cover


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is to be explained: the text of a query and its meaning, and what it would be run with."""

    text: str
    meaning: Meaning
    engine: Engine
    maxrec: int
    timeout: float | None = None
    uploads: Mapping[str, pa.Table] = field(default_factory=dict)

    def rows(self, table: Table) -> int | None:
        """How many rows a table has; None where that is not known."""
        if table.schema == UPLOADS:
            return int(self.uploads[table.name].num_rows)
        return self.engine.rows(table)


def explain(asked: Inquiry) -> Explanation:
    """What a query would do. No row of it is read.

    Raises what its answer would raise before the first row.
    """
    made = prepared(asked.meaning.query, asked.engine, asked.maxrec)
    explained = asked.engine.explain(
        made.statement, made.slots, timeout=asked.timeout, uploads=asked.uploads, brief=made.brief
    )
    return Explanation(
        asked.text,
        asked.maxrec,
        asked.meaning.query.columns,
        asked.meaning.warnings,
        tuple(advice(made.query, asked.rows)),
        tuple(_readings(made.query, asked)),
        tuple(cell_joins(made.query)),
        explained,
        _estimate(asked, made, explained.plan),
    )


def _readings(query: q.Query, asked: Inquiry) -> Iterator[Reading]:
    bounds = {part.index.source: part for part in q.parts(query) if isinstance(part, q.Within)}
    for part in q.parts(query):
        if isinstance(part, q.Scan):
            rows = asked.rows(part.table)
            within = bounds.get(part.name)
            yield Reading(part.name, part.table, rows, None if within is None else _stretches(within, rows))


def _stretches(within: q.Within, rows: int | None) -> Stretches:
    ends = (
        (lo.value, hi.value) for lo, hi in within.ranges if isinstance(lo, q.Constant) and isinstance(hi, q.Constant)
    )
    ranges = tuple((int(lo), int(hi)) for lo, hi in ends)
    sky = sum(hi - lo + 1 for lo, hi in ranges) / int(cover.SKY[0, 1])
    return Stretches(ranges, sky, None if rows is None else int(rows * sky))


def _estimate(asked: Inquiry, made: Prepared, plan: Step) -> Estimate:
    index = None if _gathers(made.query) else made.expected
    engine = _told(plan, made.query.top)
    top = asked.meaning.query.top
    most = asked.maxrec if top is None else min(top, asked.maxrec)
    told = (index,) if _by_region_alone(asked.meaning.query) else (index, engine)
    found = min((rows for rows in told if rows is not None), default=engine)
    rows = None if found is None else min(found, most)
    return Estimate(
        rows, found, index, engine, most, sizes(asked.meaning.query.columns, most if rows is None else rows)
    )


def _by_region_alone(query: q.Query) -> bool:
    """Is there no condition but one on the place?"""
    return isinstance(query, q.Select) and isinstance(query.where, q.Holds)


def _gathers(query: q.Query) -> bool:
    """Is a row of the answer made of many that are read? Then the index tells nothing of their number."""
    if not isinstance(query, q.Select) or query.group_by or query.distinct:
        return True
    return any(isinstance(part, q.Aggregate) for output in query.outputs for part in q.parts(output))


def _told(plan: Step, cut: int | None) -> int | None:
    """How many rows the plan expects before it cuts them off: the rows of its first step that has any."""
    for step in steps(plan):
        if cut is not None and step.rows == cut and step.inputs:
            return _told(step.inputs[0], None)
    return next((step.rows for step in steps(plan) if step.rows is not None), None)

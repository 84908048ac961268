"""An explanation for programs.

    {"query", "maxrec",
     "columns": [{"name", "type", "datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description"}],
     "warnings": [text], "advice": [text],
     "tables": [{"table", "as", "rows", "index": null or
                 {"count", "sky", "rows", "ranges": [[first, last]], "all"}}],
     "cell_joins": [{"spread", "with", "indexed", "order", "width_deg"}],
     "estimate": {"rows", "found", "by_index", "by_engine", "most", "bytes": {format: bytes}},
     "engine", "sql", "plan": {"step", "rows", "details", "inputs": [plan]}}

What is not known of a column is left out; a number that is not known is null.
"""

from __future__ import annotations

import json
from typing import Any

from vo_server.adql.planning.cells import CellJoin
from vo_server.engines.engine import PlanStep
from vo_server.explain.explanation import Explanation, IndexCoverage, TableRead
from vo_server.model.column import Column
from vo_server.sky import cover

MAX_RANGES = 1_000
"""Ranges of a table that are listed."""

_COLUMN_FIELDS = ("datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")


def as_json(explanation: Explanation) -> bytes:
    """Return the explanation as a JSON document."""
    return json.dumps(to_record(explanation), ensure_ascii=False, indent=1).encode() + b"\n"


def to_record(explanation: Explanation) -> dict[str, Any]:
    """Return the explanation as objects that JSON can represent."""
    estimate = explanation.estimate
    return {
        "query": explanation.text,
        "maxrec": explanation.maxrec,
        "columns": [_column_record(column) for column in explanation.columns],
        "warnings": list(explanation.warnings),
        "advice": list(explanation.advice),
        "tables": [_table_record(reading) for reading in explanation.reads],
        "cell_joins": [_join_record(join) for join in explanation.joins],
        "estimate": {
            "rows": estimate.rows,
            "found": estimate.unlimited_rows,
            "by_index": estimate.index,
            "by_engine": estimate.engine,
            "most": estimate.max_rows,
            "bytes": dict(estimate.bytes),
        },
        "engine": explanation.engine.engine,
        "sql": explanation.engine.sql,
        "plan": _step_record(explanation.engine.plan),
    }


def _column_record(column: Column) -> dict[str, Any]:
    record = {name: getattr(column, name) for name in _COLUMN_FIELDS}
    return {"name": column.name, "type": column.type.name} | {n: v for n, v in record.items() if v is not None}


def _table_record(reading: TableRead) -> dict[str, Any]:
    index = None if reading.coverage is None else _index_record(reading.coverage)
    return {"table": reading.table.qualified_name, "as": reading.name, "rows": reading.rows, "index": index}


def _index_record(stretches: IndexCoverage) -> dict[str, Any]:
    return {
        "count": len(stretches.ranges),
        "sky": stretches.sky,
        "rows": stretches.rows,
        "ranges": [list(pair) for pair in stretches.ranges[:MAX_RANGES]],
        "all": len(stretches.ranges) <= MAX_RANGES,
    }


def _join_record(join: CellJoin) -> dict[str, Any]:
    return {
        "spread": join.unnested,
        "with": join.other,
        "indexed": join.indexed,
        "order": join.order,
        "width_deg": None if join.order is None else cover.cell_width(join.order),
    }


def _step_record(step: PlanStep) -> dict[str, Any]:
    return {
        "step": step.name,
        "rows": step.rows,
        "details": dict(step.details),
        "inputs": [_step_record(each) for each in step.inputs],
    }

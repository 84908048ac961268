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
from vo_server.engines.engine import Step
from vo_server.explain.explanation import Explanation, Reading, Stretches
from vo_server.model.column import Column
from vo_server.sky import cover

MOST_RANGES = 1_000
"""Ranges of a table that are listed."""

_OF_COLUMNS = ("datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")


def as_json(explained: Explanation) -> bytes:
    """The explanation as a JSON document."""
    return json.dumps(record(explained), ensure_ascii=False, indent=1).encode() + b"\n"


def record(explained: Explanation) -> dict[str, Any]:
    """The explanation as what JSON is made of."""
    estimate = explained.estimate
    return {
        "query": explained.text,
        "maxrec": explained.maxrec,
        "columns": [_column(column) for column in explained.columns],
        "warnings": list(explained.warnings),
        "advice": list(explained.advice),
        "tables": [_reading(reading) for reading in explained.readings],
        "cell_joins": [_join(join) for join in explained.joins],
        "estimate": {
            "rows": estimate.rows,
            "found": estimate.found,
            "by_index": estimate.index,
            "by_engine": estimate.engine,
            "most": estimate.most,
            "bytes": dict(estimate.bytes),
        },
        "engine": explained.engine.engine,
        "sql": explained.engine.sql,
        "plan": _step(explained.engine.plan),
    }


def _column(column: Column) -> dict[str, Any]:
    said = {name: getattr(column, name) for name in _OF_COLUMNS}
    return {"name": column.name, "type": column.type.name} | {n: v for n, v in said.items() if v is not None}


def _reading(reading: Reading) -> dict[str, Any]:
    index = None if reading.stretches is None else _stretches(reading.stretches)
    return {"table": reading.table.qualified, "as": reading.name, "rows": reading.rows, "index": index}


def _stretches(stretches: Stretches) -> dict[str, Any]:
    return {
        "count": len(stretches.ranges),
        "sky": stretches.sky,
        "rows": stretches.rows,
        "ranges": [list(pair) for pair in stretches.ranges[:MOST_RANGES]],
        "all": len(stretches.ranges) <= MOST_RANGES,
    }


def _join(join: CellJoin) -> dict[str, Any]:
    return {
        "spread": join.spread,
        "with": join.other,
        "indexed": join.indexed,
        "order": join.order,
        "width_deg": None if join.order is None else cover.width(join.order),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "step": step.name,
        "rows": step.rows,
        "details": dict(step.details),
        "inputs": [_step(each) for each in step.inputs],
    }

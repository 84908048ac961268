"""JSON: the columns, the rows as arrays, and at the end whether they are all.

A missing value is null; NaN and the infinities, which JSON does not have, are texts. A fault after the first byte
breaks the document off, so that no parser takes it for a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import ServiceError
from vo_server.formats.arrays import blocks, conform, gather
from vo_server.formats.format import Format
from vo_server.formats.write.cells import (
    Words,
    each,
    holds,
    joined,
    literal,
    spelled,
    table,
)
from vo_server.formats.write.votable import overflow
from vo_server.model.column import Column
from vo_server.model.result import Info, Result

MEDIA_TYPE = "application/json"

WORDS = Words('"Infinity"', '"-Infinity"', '"NaN"', "[", ",", "]", "null")

SPECIAL = table(b'"\\' + bytes(range(32)))

SAID = ("name", "datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")


def _write(result: Result) -> Iterator[bytes]:
    infos = [_known(asdict(info)) for info in result.infos]
    columns = [_known({name: getattr(column, name) for name in SAID}) for column in result.columns]
    said = _known({"title": result.title, "description": result.description, "infos": infos, "metadata": columns})
    yield json.dumps(said, ensure_ascii=False)[:-1].encode() + b',"data":['
    yield from gather(_rows(result))


def _known(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _rows(result: Result) -> Iterator[bytes]:
    rows = 0
    for batch in result.batches:
        for block in blocks(batch):
            cells = each(conform(block, result.columns), result.columns, _cells)
            lines = joined(cells, ",\n[", ",", "]", null="null")
            yield lines if rows else lines[1:]
            rows += block.num_rows
    yield b"\n]," + json.dumps(_status(result, rows))[1:].encode() + b"\n"


def _status(result: Result, rows: int) -> dict[str, Any]:
    if not result.overflow:
        return {"rows": rows, "status": "OK"}
    return {"rows": rows, "status": "OVERFLOW", "message": overflow(rows).text}


def _cells(array: pa.Array, column: Column) -> pa.Array:
    text = spelled(array, column, WORDS)
    return _quoted(text) if column.type.family in ("text", "time") else text


def _quoted(array: pa.Array) -> pa.Array:
    if holds(array, SPECIAL):
        return pa.array([None if v is None else json.dumps(v, ensure_ascii=False) for v in array.to_pylist()])
    return pc.binary_join_element_wise(literal('"'), array, literal('"'), literal(""))


def _fault(fault: ServiceError, infos: Sequence[Info] = ()) -> bytes:
    said = {"status": "ERROR", "fault": fault.dali_name, **fault.as_dict(), **{info.name: info.value for info in infos}}
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


JSON = Format(
    name="json",
    label="JSON, columns and rows",
    media_type=MEDIA_TYPE,
    extension="json",
    write=_write,
    fault=_fault,
    fault_type=MEDIA_TYPE,
    family=("json", MEDIA_TYPE),
    parameters=(("charset", ("utf-8",)),),
)

"""Write JSON: the columns, the rows as arrays, and the status at the end.

A missing value is null; NaN and the infinities, which JSON does not have, are texts. An error after the first byte
ends the document with status, code and message, but without its closing brace, so that no parser takes it for complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import ServiceError
from vo_server.formats.arrays import buffer_chunks, byte_set, cast_to_columns, has_bytes, split_blocks
from vo_server.formats.format import Format
from vo_server.formats.write.status import failure_infos, overflow_info
from vo_server.formats.write.value_text import ValueSpelling, format_columns, format_values, join_rows, text_scalar
from vo_server.model.column import Column
from vo_server.model.result import Info, Result

MEDIA_TYPE = "application/json"

SPELLING = ValueSpelling('"Infinity"', '"-Infinity"', '"NaN"', "[", ",", "]", "null")

ESCAPED_BYTES = byte_set(b'"\\' + bytes(range(32)))

COLUMN_KEYS = ("name", "datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")


def _write(result: Result) -> Iterator[bytes]:
    infos = [_drop_none(asdict(info)) for info in result.infos]
    columns = [_drop_none({name: getattr(column, name) for name in COLUMN_KEYS}) for column in result.columns]
    head = _drop_none({"title": result.title, "description": result.description, "infos": infos, "metadata": columns})
    yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b',"data":['
    yield from buffer_chunks(_write_rows(result))


def _drop_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _write_rows(result: Result) -> Iterator[bytes]:
    rows = 0
    try:
        for block in chain.from_iterable(map(split_blocks, result.batches)):
            cells = format_columns(cast_to_columns(block, result.columns), result.columns, _format_cells)
            lines = join_rows(cells, ",\n[", ",", "]", null="null")
            yield lines if rows else lines[1:]
            rows += block.num_rows
    except Exception as error:
        yield _end_failed(error, rows)
        raise
    yield b"\n]," + json.dumps(_status_members(result, rows))[1:].encode() + b"\n"


def _end_failed(error: Exception, rows: int) -> bytes:
    """Return the end of a document that failed: status, code and message, without the closing brace."""
    status, *codes = failure_infos(error)
    code = next(info.value for info in codes if info.name == "ERROR_CODE")
    members = {"rows": rows, "status": status.value, "code": code, "message": status.text}
    return b"\n]," + json.dumps(members, ensure_ascii=False)[1:-1].encode() + b"\n"


def _status_members(result: Result, rows: int) -> dict[str, Any]:
    if not result.overflow:
        return {"rows": rows, "status": "OK"}
    return {"rows": rows, "status": "OVERFLOW", "message": overflow_info(rows).text}


def _format_cells(array: pa.Array, column: Column) -> pa.Array:
    text = format_values(array, column, SPELLING)
    return _quote(text) if column.type.family in ("text", "time") else text


def _quote(array: pa.Array) -> pa.Array:
    if has_bytes(array, ESCAPED_BYTES):
        return pa.array([None if v is None else json.dumps(v, ensure_ascii=False) for v in array.to_pylist()])
    return pc.binary_join_element_wise(text_scalar('"'), array, text_scalar('"'), text_scalar(""))


def _error_document(error: ServiceError, infos: Sequence[Info] = ()) -> bytes:
    members = {
        "status": "ERROR",
        "fault": error.dali_name,
        **error.as_dict(),
        **{info.name: info.value for info in infos},
    }
    return json.dumps(members, ensure_ascii=False).encode() + b"\n"


JSON = Format(
    name="json",
    label="JSON, columns and rows",
    page_label="JSON",
    media_type=MEDIA_TYPE,
    extension="json",
    write=_write,
    error_document=_error_document,
    error_media_type=MEDIA_TYPE,
    family=("json", MEDIA_TYPE),
    parameters=(("charset", ("utf-8",)),),
)

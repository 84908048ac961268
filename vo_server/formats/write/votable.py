"""Write VOTable 1.4 documents: header, rows in one of the serialisations, footer (DALI 1.1 section 4.4).

The header is sent before the rows are known, so its QUERY_STATUS is OK; a second QUERY_STATUS after the table corrects
it where rows were left out or an error occurred (DALI 1.1 section 4.4.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Protocol

import pyarrow as pa

from vo_server.errors import ServiceError
from vo_server.formats.arrays import buffer_chunks
from vo_server.formats.format import Format
from vo_server.formats.write.binary2 import BinaryEncoder, null_marker
from vo_server.formats.write.descriptors import param_element, service_resource
from vo_server.formats.write.markup import description_element, escape_text, format_attributes
from vo_server.formats.write.status import code_infos, error_info, failure_infos, overflow_info
from vo_server.formats.write.tabledata import TabledataEncoder
from vo_server.model.column import Column
from vo_server.model.result import Info, Result
from vo_server.model.unique_names import make_unique

MEDIA_TYPE = "application/x-votable+xml"

BEGIN = '<?xml version="1.0" encoding="UTF-8"?>\n<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
END = "</VOTABLE>\n"

FRAME_ID = "ICRS"
"""The ID of the COOSYS to which positions refer."""

OK = Info("QUERY_STATUS", "OK")


class RowEncoder(Protocol):
    """An encoder of the content of a DATA element; `finish` returns the bytes that are pending after the last batch."""

    def encode(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """Yield the rows of a batch."""
        ...

    def finish(self) -> bytes:
        """Return the pending bytes."""
        ...


EncoderFactory = Callable[[tuple[Column, ...]], RowEncoder]


def _write(result: Result, encoder: EncoderFactory, element: str, marked: bool) -> Iterator[bytes]:
    begin, end = _data_tags(element)
    yield _write_header(result, marked) + begin
    yield from buffer_chunks(_write_body(result, encoder(result.columns), end))


def _write_body(result: Result, encoder: RowEncoder, end: bytes) -> Iterator[bytes]:
    rows = 0
    status: tuple[Info, ...] = ()
    try:
        for batch in result.batches:
            yield from encoder.encode(batch)
            rows += batch.num_rows
    except Exception as error:  # noqa: BLE001 - border: the answer has begun, its end is the place left to say so
        result.failure, status = error, failure_infos(error)
    else:
        status = (overflow_info(rows),) if result.overflow else ()
    yield encoder.finish() + end + _write_footer(result, status)


def document_without_rows(result: Result, rows: int | None = None) -> str:
    """Return the document without its rows, for formats that embed it; with `rows` it has the final QUERY_STATUS."""
    status = (overflow_info(rows),) if rows is not None and result.overflow else ()
    return (_write_header(result, marked=False) + b"</TABLE>\n" + _write_footer(result, status)).decode()


def _data_tags(element: str) -> tuple[bytes, bytes]:
    stream, end = ("", "") if element == "TABLEDATA" else ('<STREAM encoding="base64">', "</STREAM>")
    return f"<DATA>\n<{element}>{stream}\n".encode(), f"{end}</{element}>\n</DATA>\n</TABLE>\n".encode()


def _write_footer(result: Result, status: Sequence[Info]) -> bytes:
    names = [c.name for c in result.columns]
    ids = dict(zip(names[::-1], unique_ids(names)[::-1], strict=True)) if result.descriptors else {}
    services = "".join(service_resource(descriptor, ids) for descriptor in result.descriptors)
    return f"{''.join(map(_info_element, status))}</RESOURCE>\n{services}{END}".encode()


def _write_header(result: Result, marked: bool) -> bytes:
    inputs = (param_element(input, {}, unique_ids([input.name])[0]) for input in result.inputs)
    infos = "".join((*map(_info_element, (OK, *result.infos)), *inputs))
    begin = f'{BEGIN}{description_element(result.title)}<RESOURCE type="results">\n{infos}'
    return begin.encode() + _table_start(result.columns, result.description, marked)


def _info_element(info: Info) -> str:
    attributes = format_attributes(name=info.name, ucd=info.ucd, value=info.value)
    return f"<INFO{attributes}>{escape_text(info.text or '')}</INFO>\n"


@lru_cache(maxsize=256)
def _table_start(columns: tuple[Column, ...], table_description: str | None, marked: bool) -> bytes:
    """Return the COOSYS and the start of the TABLE; cached, because the same columns are requested repeatedly."""
    positions = any(map(_is_position, columns))
    frame = f'<COOSYS ID="{FRAME_ID}" system="ICRS"/>\n' if positions else ""
    ids = unique_ids(c.name for c in columns)
    fields = "".join(_field_element(c, id, marked) for c, id in zip(columns, ids, strict=True))
    return f'{frame}<TABLE name="result">\n{description_element(table_description)}{fields}'.encode()


def _is_position(column: Column) -> bool:
    """Return whether a column is a coordinate on the sky, by its UCD1+ or UCD1."""
    return (column.ucd or "").lower().replace("_", ".").startswith("pos.eq.")


def _field_element(column: Column, id: str, marked: bool) -> str:
    attributes = format_attributes(
        ID=id,
        name=column.name,
        datatype=column.datatype,
        arraysize=column.arraysize,
        xtype=column.xtype,
        unit=column.unit,
        ucd=column.ucd,
        utype=column.utype,
        ref=FRAME_ID if _is_position(column) else None,
    )
    mark = null_marker(column) if marked else None
    values = f'<VALUES null="{mark}"/>\n' if mark is not None else ""
    return f"<FIELD{attributes}>\n{description_element(column.description)}{values}</FIELD>\n"


def unique_ids(names: Iterable[str]) -> list[str]:
    """Return a unique XML ID for each column name."""
    ids = (re.sub(r"[^A-Za-z0-9_.-]", "_", name) for name in names)
    valid_ids = (id if re.match("[A-Za-z_]", id) else f"_{id}" for id in ids)
    return make_unique(valid_ids, taken=[FRAME_ID], ignore_case=False)


def _error_document(error: ServiceError, infos: Sequence[Info] = ()) -> bytes:
    """Return an error document; the infos stand before the RESOURCE, where Simple Cone Search requires its own."""
    statements = "".join(map(_info_element, (*infos, *code_infos(error))))
    return (
        f'{BEGIN}{statements}<RESOURCE type="results">\n{_info_element(error_info(error))}</RESOURCE>\n{END}'.encode()
    )


def _votable_format(
    name: str, short: str, key: str, encoder: EncoderFactory, marked: bool = False, page_label: str | None = None
) -> Format:
    media_type = f"{MEDIA_TYPE};serialization={name}"
    return Format(
        name=short,
        label=f"VOTable, {name}",
        page_label=page_label,
        media_type=media_type,
        extension="vot",
        write=partial(_write, encoder=encoder, element=name, marked=marked),
        error_document=_error_document,
        error_media_type=media_type,
        aliases=(short,),
        family=("votable", MEDIA_TYPE, "text/xml", "application/xml"),
        parameters=(("serialization", (name,)), ("charset", ("utf-8",)), ("content", ())),
        ivoa_id=f"ivo://ivoa.net/std/TAPRegExt#output-votable-{key}",
    )


BINARY2 = _votable_format("BINARY2", "votable/b2", "binary2", partial(BinaryEncoder, flags=True), page_label="VOTable")
TABLEDATA = _votable_format("TABLEDATA", "votable/td", "td", TabledataEncoder)
BINARY = _votable_format("BINARY", "votable/b", "binary", partial(BinaryEncoder, flags=False), marked=True)

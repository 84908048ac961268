"""VOTable 1.4 documents: header, rows in one of the serialisations, footer (DALI 1.1 section 4.4).

The header goes out before the rows are known, so it says QUERY_STATUS OK; a second QUERY_STATUS after the table
takes that back when rows were left out or something failed (DALI 1.1 section 4.4.1).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Protocol

import pyarrow as pa

from vo_server.errors import ServiceError
from vo_server.formats.arrays import gather
from vo_server.formats.format import Format
from vo_server.formats.write.binary2 import Binary, marker
from vo_server.formats.write.descriptors import param, service
from vo_server.formats.write.markup import attributes, description, text
from vo_server.formats.write.tabledata import TableData
from vo_server.model.column import Column
from vo_server.model.result import Info, Result

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/x-votable+xml"

BEGIN = '<?xml version="1.0" encoding="UTF-8"?>\n<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
END = "</VOTABLE>\n"

FRAME = "ICRS"
"""The ID of the COOSYS that positions refer to."""

OK = Info("QUERY_STATUS", "OK")


class Encoder(Protocol):
    """Makes the content of a DATA element; `finish` is what still waits when the batches are at their end."""

    def encode(self, batch: pa.RecordBatch) -> Iterator[bytes]: ...

    def finish(self) -> bytes: ...


Open = Callable[[tuple[Column, ...]], Encoder]


def _write(result: Result, encoder: Open, element: str, marked: bool) -> Iterator[bytes]:
    begin, end = _tags(element)
    yield _header(result, marked) + begin
    yield from gather(_body(result, encoder(result.columns), end))


def _body(result: Result, encoder: Encoder, end: bytes) -> Iterator[bytes]:
    rows, status = 0, None
    try:
        for batch in result.batches:
            yield from encoder.encode(batch)
            rows += batch.num_rows
    except Exception as error:  # noqa: BLE001 - border: the answer has begun, its end is the place left to say so
        result.failure, status = error, failed(error)
    else:
        status = overflow(rows) if result.overflow else None
    yield encoder.finish() + end + _footer(result, status)


def described(result: Result, rows: int | None = None) -> str:
    """The document without its rows, for formats whose files carry it along; with `rows` the end is known."""
    status = overflow(rows) if rows is not None and result.overflow else None
    return (_header(result, marked=False) + b"</TABLE>\n" + _footer(result, status)).decode()


def failed(error: Exception) -> Info:
    """What is said of a result that broke off; what only the operator should know goes to the log."""
    if isinstance(error, ServiceError):
        return _error(error)
    log.error("a result failed after its first row", exc_info=error)
    return Info("QUERY_STATUS", "ERROR", "FatalFault: internal error")


def _error(fault: ServiceError) -> Info:
    return Info("QUERY_STATUS", "ERROR", f"{fault.dali_name}: {fault}")


def code_infos(error: ServiceError) -> tuple[Info, ...]:
    """Return the code of an error and, of a query, its line and column, as INFOs."""
    return tuple(Info(name, value) for name, value in error.infos().items())


def overflow(rows: int) -> Info:
    """What is said of a result that was cut after so many rows."""
    said = f"The result was cut at {rows} rows, the limit (MAXREC): there are more."
    return Info("QUERY_STATUS", "OVERFLOW", said)


def _tags(element: str) -> tuple[bytes, bytes]:
    stream, end = ("", "") if element == "TABLEDATA" else ('<STREAM encoding="base64">', "</STREAM>")
    return f"<DATA>\n<{element}>{stream}\n".encode(), f"{end}</{element}>\n</DATA>\n</TABLE>\n".encode()


def _footer(result: Result, status: Info | None) -> bytes:
    names = [c.name for c in result.columns]
    ids = dict(zip(names[::-1], identifiers(names)[::-1], strict=True)) if result.descriptors else {}
    services = "".join(service(each, ids) for each in result.descriptors)
    return f"{_info(status) if status else ''}</RESOURCE>\n{services}{END}".encode()


def _header(result: Result, marked: bool) -> bytes:
    inputs = (param(given, {}, identifiers([given.name])[0]) for given in result.inputs)
    infos = "".join((*map(_info, (OK, *result.infos)), *inputs))
    begin = f'{BEGIN}{description(result.title)}<RESOURCE type="results">\n{infos}'
    return begin.encode() + _table(result.columns, result.description, marked)


def _info(info: Info) -> str:
    return f"<INFO{attributes(name=info.name, ucd=info.ucd, value=info.value)}>{text(info.text or '')}</INFO>\n"


@lru_cache(maxsize=256)
def _table(columns: tuple[Column, ...], said: str | None, marked: bool) -> bytes:
    """The start of the TABLE and what it refers to; the same columns are asked for again and again."""
    positions = any(map(_positional, columns))
    frame = f'<COOSYS ID="{FRAME}" system="ICRS"/>\n' if positions else ""
    ids = identifiers(c.name for c in columns)
    fields = "".join(_field(c, id, marked) for c, id in zip(columns, ids, strict=True))
    return f'{frame}<TABLE name="result">\n{description(said)}{fields}'.encode()


def _positional(column: Column) -> bool:
    """Is this a coordinate on the sky, by its UCD1+ or UCD1?"""
    return (column.ucd or "").lower().replace("_", ".").startswith("pos.eq.")


def _field(column: Column, id: str, marked: bool) -> str:
    said = attributes(
        ID=id,
        name=column.name,
        datatype=column.datatype,
        arraysize=column.arraysize,
        xtype=column.xtype,
        unit=column.unit,
        ucd=column.ucd,
        utype=column.utype,
        ref=FRAME if _positional(column) else None,
    )
    mark = marker(column) if marked else None
    values = f'<VALUES null="{mark}"/>\n' if mark is not None else ""
    return f"<FIELD{said}>\n{description(column.description)}{values}</FIELD>\n"


def identifiers(names: Iterable[str]) -> list[str]:
    """An XML name for each column, like its own name and unlike all others."""
    taken, made = {FRAME}, []
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
        base = base if re.match("[A-Za-z_]", base) else f"_{base}"
        id, count = base, 2
        while id in taken:
            id, count = f"{base}_{count}", count + 1
        taken.add(id)
        made.append(id)
    return made


def _fault(fault: ServiceError, infos: Sequence[Info] = ()) -> bytes:
    """An error document: the infos stand before the RESOURCE, where cone search wants its own."""
    said = "".join(map(_info, (*infos, *code_infos(fault))))
    return f'{BEGIN}{said}<RESOURCE type="results">\n{_info(_error(fault))}</RESOURCE>\n{END}'.encode()


def _format(name: str, short: str, key: str, encoder: Open, marked: bool = False) -> Format:
    media_type = f"{MEDIA_TYPE};serialization={name}"
    return Format(
        name=short,
        label=f"VOTable, {name}",
        media_type=media_type,
        extension="vot",
        write=partial(_write, encoder=encoder, element=name, marked=marked),
        fault=_fault,
        fault_type=media_type,
        aliases=(short,),
        family=("votable", MEDIA_TYPE, "text/xml", "application/xml"),
        parameters=(("serialization", (name,)), ("charset", ("utf-8",)), ("content", ())),
        ivoa_id=f"ivo://ivoa.net/std/TAPRegExt#output-votable-{key}",
    )


BINARY2 = _format("BINARY2", "votable/b2", "binary2", partial(Binary, flags=True))
TABLEDATA = _format("TABLEDATA", "votable/td", "td", TableData)
BINARY = _format("BINARY", "votable/b", "binary", partial(Binary, flags=False), marked=True)

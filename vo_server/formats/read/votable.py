"""Read VOTables of versions 1.0 to 1.5, with or without namespace, in every serialisation.

The parser is expat, which fetches nothing; a document that declares entities is rejected. Plain TABLEDATA bypasses it
(tabledata.py). The first TABLE is read.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from xml.parsers import expat

import pyarrow as pa

from vo_server.errors import Code, UsageError
from vo_server.formats.field import MAX_FIELDS, Field, malformed_upload, too_many_columns
from vo_server.formats.read import tabledata
from vo_server.formats.read.binary import read_stream
from vo_server.formats.read.values import parse_column
from vo_server.model.column import Column

BEGIN = b"<TABLEDATA>"
END = b"</TABLEDATA>"

Columns = tuple[tuple[Column, ...], list[pa.ChunkedArray]]


@dataclass(slots=True)
class TableContent:
    """The parsed content of a TABLE: its fields and rows, descriptions by element, and the INFOs before it by name."""

    fields: list[Field] = field(default_factory=list)
    name: str | None = None
    descriptions: dict[str, str] = field(default_factory=dict)
    infos: dict[str, str] = field(default_factory=dict)
    cells: list[list[str]] = field(default_factory=list)
    serialisation: str | None = None
    stream: list[str] = field(default_factory=list)
    encoding: str = "base64"
    is_complete: bool = False


def read_votable(data: memoryview) -> tuple[Columns | None, bytes]:
    """Return the columns of the first table and their arrays, or None and the FITS file that holds its rows.

    Raises UsageError for a document that is not a VOTable or has something unsupported.
    """
    return read_described(data)[:2]


def read_described(data: memoryview, *, with_rows: bool = False) -> tuple[Columns | None, bytes, TableContent]:
    """Return the results of `read_votable` and the metadata of the table.

    With `with_rows` the first table that has rows is read, if there is one. Raises UsageError.
    """
    bounds = _find_tabledata(data)
    reader = _VOTableParser(with_rows)
    if bounds is None:
        reader.feed(data)
    else:
        start, end = bounds
        reader.feed(data[:start], final=False)
        if reader.path[-1:] == ["TABLEDATA"] and not reader.content.is_complete and not reader.content.cells:
            try:
                columns = _read_plain(data[start:end], reader.content.fields)
                if not with_rows or len(columns[1][0]):
                    table, reader.content = reader.content, TableContent(is_complete=True)
                    reader.feed(data[end:])
                    return columns, b"", table
            except tabledata.NotPlainTabledata:
                pass
        reader = _VOTableParser(with_rows)
        reader.feed(data)
    table = reader.content if reader.content.fields or reader.empty is None else reader.empty
    return *_to_columns(table), table


def _find_tabledata(data: memoryview) -> tuple[int, int] | None:
    """Return start and end of the content of the first TABLEDATA; None for encodings other than UTF-8 and ASCII."""
    head = bytes(data[:200])
    declared = re.search(rb"""encoding\s*=\s*["']([^"']+)""", head)
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii"):
        return None
    start = re.search(BEGIN, data)
    after = start and re.compile(END).search(data, start.end())
    return (start.end(), after.start()) if start and after else None


def _read_plain(data: memoryview, fields: list[Field]) -> Columns:
    chunks = [
        pa.chunked_array(list(c), pa.string()) for c in zip(*tabledata.read_cells(data, len(fields)), strict=True)
    ]
    return _parse_columns(chunks or [pa.chunked_array([], pa.string())] * len(fields), fields)


def _parse_columns(texts: Sequence[pa.ChunkedArray], fields: list[Field]) -> Columns:
    parsed = [parse_column(_combine_chunks(t), f) for t, f in zip(texts, fields, strict=True)]
    return tuple(c for c, _ in parsed), [pa.chunked_array([a], a.type) for _, a in parsed]


def _combine_chunks(texts: pa.ChunkedArray) -> pa.Array:
    array = texts.combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raise malformed_upload("the VOTable is not in the encoding that it declares") from None
    return array


def _to_columns(table: TableContent) -> tuple[Columns | None, bytes]:
    if not table.fields and not table.is_complete:
        raise malformed_upload("the VOTable has no TABLE with FIELDs")
    match table.serialisation:
        case None | "TABLEDATA":
            columns = zip(*table.cells, strict=True) if table.cells else [()] * len(table.fields)
            return _parse_columns([pa.chunked_array([pa.array(c, pa.string())]) for c in columns], table.fields), b""
        case "FITS":
            return None, _decode_stream(table)
        case kind:
            return read_stream(_decode_stream(table), table.fields, flags=kind == "BINARY2"), b""


def _decode_stream(table: TableContent) -> bytes:
    if table.encoding != "base64":
        raise malformed_upload(f"a STREAM with the encoding {table.encoding!r} is not supported", "send base64")
    try:
        return base64.b64decode("".join(table.stream))
    except (binascii.Error, ValueError):
        raise malformed_upload("the STREAM of the VOTable is not base64") from None


class _VOTableParser:
    """A parser that collects the first table of a document and skips everything else.

    With `with_rows` it skips tables without rows too; the first of those is `empty`.
    """

    def __init__(self, with_rows: bool = False) -> None:
        self.content = TableContent()
        self.empty: TableContent | None = None
        self._with_rows = with_rows
        self.path: list[str] = []
        self._text: list[str] | None = None
        self._row: list[str] = []
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self._start_element
        parser.EndElementHandler = self._end_element
        parser.CharacterDataHandler = self._add_characters
        parser.StartDoctypeDeclHandler = self._reject_doctype
        parser.EntityDeclHandler = self._reject_entity
        self._parser = parser

    def feed(self, data: memoryview, final: bool = True) -> None:
        """Parse a further part of the document.

        Raises UsageError (UPLOAD.MALFORMED) where it is not well-formed.
        """
        try:
            for start in range(0, len(data), 1 << 20):
                self._parser.Parse(bytes(data[start : start + (1 << 20)]), False)
            if final:
                self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise malformed_upload(f"the VOTable is not well-formed XML: {error}") from None

    def _reject_doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        if internal:
            raise malformed_upload("a VOTable with declarations in its DOCTYPE is not supported")

    def _reject_entity(self, *declaration: object) -> None:
        raise malformed_upload("a VOTable that declares entities is not supported")

    def _start_element(self, qualified: str, attributes: dict[str, str]) -> None:
        name = qualified.rpartition(":")[2]
        self.path.append(name)
        if len(self.path) == 1 and name != "VOTABLE":
            raise UsageError(
                f"the document is not a VOTable: its first element is {qualified}", code=Code.UPLOAD_UNKNOWN_FORMAT
            )
        if self.content.is_complete:
            return
        match name:
            case "TR":
                self._row = []
            case "TD":
                self._text = []
            case "FIELD":
                if len(self.content.fields) == MAX_FIELDS:
                    raise too_many_columns(MAX_FIELDS + 1)
                self.content.fields.append(_to_field(attributes, len(self.content.fields) + 1))
            case "VALUES" if self.path[-2:-1] == ["FIELD"] and "null" in attributes:
                self.content.fields[-1] = replace(self.content.fields[-1], null=attributes["null"])
            case "DESCRIPTION" if self.path[-2] in _DESCRIBED_ELEMENTS:
                self._text = []
            case "TABLE":
                self.content.name = attributes.get("name") or attributes.get("ID")
            case "INFO" if "name" in attributes:
                self.content.infos.setdefault(attributes["name"], attributes.get("value", ""))
            case "TABLEDATA" | "BINARY" | "BINARY2" | "FITS":
                self.content.serialisation = name
            case "STREAM":
                if "href" in attributes:
                    raise malformed_upload("a VOTable whose STREAM is elsewhere is not supported", "send it inline")
                self.content.encoding = attributes.get("encoding", "base64")
                self._text = self.content.stream
            case _:
                pass

    def _add_characters(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _end_element(self, qualified: str) -> None:
        name = self.path.pop()
        if self.content.is_complete:
            return
        match name:
            case "TD":
                self._row.append("".join(self._text or ()))
                self._text = None
            case "TR":
                self._end_row()
            case "DESCRIPTION" if self.path[-1:] and self.path[-1] in _DESCRIBED_ELEMENTS:
                self._set_description(self.path[-1], " ".join("".join(self._text or ()).split()))
                self._text = None
            case "STREAM":
                self._text = None
            case "TABLE":
                self._end_table()
            case _:
                pass

    def _set_description(self, element: str, text: str) -> None:
        if element == "FIELD":
            self.content.fields[-1] = replace(self.content.fields[-1], description=text or None)
        elif text:
            self.content.descriptions[element] = text

    def _end_table(self) -> None:
        self.content.is_complete = not self._with_rows or bool(
            self.content.cells or any(s.strip() for s in self.content.stream)
        )
        if not self.content.is_complete:
            before = self.content
            self.empty = self.empty or before
            self.content = TableContent(descriptions=dict(before.descriptions), infos=dict(before.infos))

    def _end_row(self) -> None:
        if len(self._row) != len(self.content.fields):
            row, declared = len(self.content.cells) + 1, len(self.content.fields)
            raise malformed_upload(f"row {row} of the table has {len(self._row)} cells for {declared} FIELDs")
        self.content.cells.append(self._row)


_DESCRIBED_ELEMENTS = ("FIELD", "TABLE", "RESOURCE", "VOTABLE")
"""Elements whose DESCRIPTION is read."""


def _to_field(attributes: dict[str, str], number: int) -> Field:
    name = (attributes.get("name") or attributes.get("ID") or f"column_{number}").strip()
    known = {key: attributes.get(key) or None for key in ("arraysize", "xtype", "unit", "ucd", "utype")}
    return Field(name, attributes.get("datatype", "char"), **known)

"""VOTables read: of every version from 1.0 to 1.5, with or without namespace, in every serialisation.

The parser is expat, which fetches nothing; a document that declares entities is refused. Plain TABLEDATA goes past it
(rows.py). The first TABLE is read.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from xml.parsers import expat

import pyarrow as pa

from vo_server.errors import UsageError
from vo_server.formats.field import MOST_FIELDS, Field
from vo_server.formats.read import tabledata
from vo_server.formats.read.binary import unpacked
from vo_server.formats.read.values import parsed
from vo_server.model.column import Column

BEGIN = b"<TABLEDATA>"
END = b"</TABLEDATA>"

Columns = tuple[tuple[Column, ...], list[pa.ChunkedArray]]


@dataclass(slots=True)
class Seen:
    """What of a table is there: its fields and rows, its descriptions by element, the INFOs before it by name."""

    fields: list[Field] = field(default_factory=list)
    name: str | None = None
    descriptions: dict[str, str] = field(default_factory=dict)
    infos: dict[str, str] = field(default_factory=dict)
    cells: list[list[str]] = field(default_factory=list)
    serialisation: str | None = None
    stream: list[str] = field(default_factory=list)
    encoding: str = "base64"
    done: bool = False


def read_votable(data: memoryview) -> tuple[Columns | None, bytes]:
    """The columns of the first table, or the FITS file that holds its rows.

    Raises UsageError for what is no VOTable, and for one that this reader does not take.
    """
    return read_told(data)[:2]


def read_told(data: memoryview, *, filled: bool = False) -> tuple[Columns | None, bytes, Seen]:
    """The same, and what the document says of the table; with `filled` it is the first table that has rows, if one has.

    Raises UsageError.
    """
    with_rows = _past(data)
    reader = _Reader(filled)
    if with_rows is None:
        reader.feed(data)
    else:
        start, end = with_rows
        reader.feed(data[:start], final=False)
        if reader.path[-1:] == ["TABLEDATA"] and not reader.seen.done and not reader.seen.cells:
            try:
                made = _quickly(data[start:end], reader.seen.fields)
                if not filled or len(made[1][0]):
                    seen, reader.seen = reader.seen, Seen(done=True)
                    reader.feed(data[end:])
                    return made, b"", seen
            except tabledata.Unusual:
                pass
        reader = _Reader(filled)
        reader.feed(data)
    seen = reader.seen if reader.seen.fields or reader.empty is None else reader.empty
    return *_made(seen), seen


def _past(data: memoryview) -> tuple[int, int] | None:
    """Where the content of the first TABLEDATA is, in a document of a character set that holds ASCII."""
    head = bytes(data[:200])
    declared = re.search(rb"""encoding\s*=\s*["']([^"']+)""", head)
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii"):
        return None
    found = re.search(BEGIN, data)
    after = found and re.compile(END).search(data, found.end())
    return (found.end(), after.start()) if found and after else None


def _quickly(data: memoryview, fields: list[Field]) -> Columns:
    chunks = [pa.chunked_array(list(c), pa.string()) for c in zip(*tabledata.texts(data, len(fields)), strict=True)]
    return _parsed(chunks or [pa.chunked_array([], pa.string())] * len(fields), fields)


def _parsed(texts: Sequence[pa.ChunkedArray], fields: list[Field]) -> Columns:
    made = [parsed(_whole(t), f) for t, f in zip(texts, fields, strict=True)]
    return tuple(c for c, _ in made), [pa.chunked_array([a], a.type) for _, a in made]


def _whole(texts: pa.ChunkedArray) -> pa.Array:
    array = texts.combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raise UsageError("the VOTable is not in the character set that it says") from None
    return array


def _made(seen: Seen) -> tuple[Columns | None, bytes]:
    if not seen.fields and not seen.done:
        raise UsageError("the VOTable has no TABLE with FIELDs")
    match seen.serialisation:
        case None | "TABLEDATA":
            columns = zip(*seen.cells, strict=True) if seen.cells else [()] * len(seen.fields)
            return _parsed([pa.chunked_array([pa.array(c, pa.string())]) for c in columns], seen.fields), b""
        case "FITS":
            return None, _decoded(seen)
        case kind:
            return unpacked(_decoded(seen), seen.fields, flags=kind == "BINARY2"), b""


def _decoded(seen: Seen) -> bytes:
    if seen.encoding != "base64":
        raise UsageError(f"a STREAM with the encoding {seen.encoding!r} is not taken here", hint="send base64")
    try:
        return base64.b64decode("".join(seen.stream))
    except (binascii.Error, ValueError):
        raise UsageError("the STREAM of the VOTable is not base64") from None


class _Reader:
    """Follows the elements of a document; what is not about the first table's rows and columns it passes by.

    With `filled` a table without rows is passed by too, and the first such is `empty`.
    """

    def __init__(self, filled: bool = False) -> None:
        self.seen = Seen()
        self.empty: Seen | None = None
        self._filled = filled
        self.path: list[str] = []
        self._text: list[str] | None = None
        self._row: list[str] = []
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        self._parser = parser

    def feed(self, data: memoryview, final: bool = True) -> None:
        """More of the document."""
        try:
            for start in range(0, len(data), 1 << 20):
                self._parser.Parse(bytes(data[start : start + (1 << 20)]), False)
            if final:
                self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise UsageError(f"the VOTable is not well-formed XML: {error}") from None

    def _doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        if internal:
            raise UsageError("a VOTable with declarations of its own in its DOCTYPE is not taken here")

    def _entity(self, *said: object) -> None:
        raise UsageError("a VOTable that declares entities is not taken here")

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        name = qualified.rpartition(":")[2]
        self.path.append(name)
        if len(self.path) == 1 and name != "VOTABLE":
            raise UsageError(f"the document is no VOTable: its first element is {qualified}")
        if self.seen.done:
            return
        match name:
            case "TR":
                self._row = []
            case "TD":
                self._text = []
            case "FIELD":
                if len(self.seen.fields) == MOST_FIELDS:
                    raise UsageError(f"the VOTable has more than {MOST_FIELDS:,} columns")
                self.seen.fields.append(_field(attributes, len(self.seen.fields) + 1))
            case "VALUES" if self.path[-2:-1] == ["FIELD"] and "null" in attributes:
                self.seen.fields[-1] = replace(self.seen.fields[-1], null=attributes["null"])
            case "DESCRIPTION" if self.path[-2] in _DESCRIBED:
                self._text = []
            case "TABLE":
                self.seen.name = attributes.get("name") or attributes.get("ID")
            case "INFO" if "name" in attributes:
                self.seen.infos.setdefault(attributes["name"], attributes.get("value", ""))
            case "TABLEDATA" | "BINARY" | "BINARY2" | "FITS":
                self.seen.serialisation = name
            case "STREAM":
                if "href" in attributes:
                    raise UsageError("a VOTable whose STREAM is elsewhere is not taken here", hint="send it inline")
                self.seen.encoding = attributes.get("encoding", "base64")
                self._text = self.seen.stream
            case _:
                pass

    def _characters(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _end(self, qualified: str) -> None:
        name = self.path.pop()
        if self.seen.done:
            return
        match name:
            case "TD":
                self._row.append("".join(self._text or ()))
                self._text = None
            case "TR":
                self._take_row()
            case "DESCRIPTION" if self.path[-1:] and self.path[-1] in _DESCRIBED:
                self._describe(self.path[-1], " ".join("".join(self._text or ()).split()))
                self._text = None
            case "STREAM":
                self._text = None
            case "TABLE":
                self._end_table()
            case _:
                pass

    def _describe(self, element: str, said: str) -> None:
        if element == "FIELD":
            self.seen.fields[-1] = replace(self.seen.fields[-1], description=said or None)
        elif said:
            self.seen.descriptions[element] = said

    def _end_table(self) -> None:
        self.seen.done = not self._filled or bool(self.seen.cells or any(s.strip() for s in self.seen.stream))
        if not self.seen.done:
            before = self.seen
            self.empty = self.empty or before
            self.seen = Seen(descriptions=dict(before.descriptions), infos=dict(before.infos))

    def _take_row(self) -> None:
        if len(self._row) != len(self.seen.fields):
            row, declared = len(self.seen.cells) + 1, len(self.seen.fields)
            raise UsageError(f"row {row} of the table has {len(self._row)} cells, where {declared} FIELDs are declared")
        self.seen.cells.append(self._row)


_DESCRIBED = ("FIELD", "TABLE", "RESOURCE", "VOTABLE")
"""Elements whose DESCRIPTION is of use."""


def _field(said: dict[str, str], number: int) -> Field:
    name = (said.get("name") or said.get("ID") or f"column_{number}").strip()
    known = {key: said.get(key) or None for key in ("arraysize", "xtype", "unit", "ucd", "utype")}
    return Field(name, said.get("datatype", "char"), **known)

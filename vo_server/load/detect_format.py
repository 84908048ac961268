"""The format of a file, detected by its first bytes and never by its name, and its rows in chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from vo_server.errors import Code, LoadError
from vo_server.formats.read.detect import TableFormat, detect_format
from vo_server.load.chunks import Chunk
from vo_server.load.column_mapping import ColumnMapping, WarningHandler
from vo_server.load.delimited import DelimitedLayout, read_lines
from vo_server.load.described import FieldMapper, read_rows
from vo_server.load.input_files import InputFile
from vo_server.load.readers.delimited import DelimitedHeader, parse_header, read_delimited
from vo_server.load.readers.fits import read_fits
from vo_server.load.readers.ipac import read_ipac
from vo_server.load.readers.parquet import read_parquet
from vo_server.load.readers.source_table import TableReader
from vo_server.load.readers.votable import read_votable

_READERS: dict[TableFormat, TableReader] = {
    TableFormat.FITS: read_fits,
    TableFormat.PARQUET: read_parquet,
    TableFormat.VOTABLE: read_votable,
}
_IPAC = re.compile(rb"(\\[^|\r\n]*\r?\n)*\|[^\r\n]*\|[ \r]*\n")
_TEXT = re.compile(rb"[^\x00-\x08\x0e-\x1f]*")


def detect_reader(input: InputFile) -> TableReader:
    """Return the reader of a file with named columns; that of delimited text if no other format matches.

    Raises LoadError for an unknown binary format.
    """
    reader = _match_reader(input)
    if reader is None and not _TEXT.fullmatch(input.head):
        raise LoadError(f"{input.name} is {_NOT_SUPPORTED}, but binary data", code=Code.LOAD_UNREADABLE)
    return reader or read_delimited


def read_chunks(input: InputFile, mapping: ColumnMapping, warn: WarningHandler) -> Iterator[Chunk]:
    """Yield the rows of a file in any supported format.

    Raises LoadError for an unknown format.
    """
    map_fields = partial(mapping.map_fields, input.name, warn=warn)
    reader = detect_reader(input)
    return (
        _read_text(input, map_fields, mapping)
        if reader is read_delimited
        else read_rows(input, reader, map_fields, mapping.columns)
    )


def _match_reader(input: InputFile) -> TableReader | None:
    if _IPAC.match(input.head):
        return read_ipac
    table_format = detect_format(input.head)
    return None if table_format is None else _READERS.get(table_format)


def _read_text(input: InputFile, map_fields: FieldMapper, mapping: ColumnMapping) -> Iterator[Chunk]:
    header = parse_header(input.head, mapping.count_known)
    if len(header.names) > 1 and 2 * mapping.count_known(header.names) >= min(len(header.names), 4):
        return _read_csv(input, map_fields(header.names), header, mapping)
    if mapping.bulk.delimiter in _decode_first_line(input.head):
        return read_lines(input.name, input.stream, mapping.bulk)
    raise LoadError(f"{input.name} is {_NOT_SUPPORTED}", code=Code.LOAD_UNREADABLE)


_NOT_SUPPORTED = (
    "not a bulk file of the release, CSV or ECSV file with a line of column names, IPAC table, VOTable, FITS table or "
    "Parquet file"
)


def _decode_first_line(start: bytes) -> str:
    return start.split(b"\n", 1)[0].decode(errors="replace")


def _read_csv(
    input: InputFile, fields: Sequence[str | None], header: DelimitedHeader, mapping: ColumnMapping
) -> Iterator[Chunk]:
    nulls = tuple(dict.fromkeys((*header.nulls, *mapping.bulk.nulls)))
    layout = DelimitedLayout(
        mapping.columns,
        tuple(fields),
        header.delimiter,
        nulls,
        quoted=True,
        restore_zeros=True,
        blank_is_null=header.is_ecsv,
    )
    for _ in range(header.number):
        input.stream.readline()
    return read_lines(input.name, input.stream, layout, first=header.number + 1)

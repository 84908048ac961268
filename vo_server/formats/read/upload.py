"""Read an upload into columns and rows; its format is detected by its first bytes.

Nothing outside the upload is read: no entities, no links. A compressed upload may not unpack to more than a limit.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

import pyarrow as pa

from vo_server.errors import Code, ServiceError, TooLargeError, UsageError
from vo_server.formats.field import malformed_upload
from vo_server.formats.read import tables
from vo_server.formats.read.detect import GZIP_MAGIC, HEAD_BYTES, TableFormat, detect_format
from vo_server.formats.read.votable import read_votable
from vo_server.model.column import Column
from vo_server.model.unique_names import UniqueNames

SUPPORTED = "VOTable, FITS, Parquet, Arrow, CSV or TSV"
"""The formats of uploads, for hints."""


@dataclass(frozen=True, slots=True)
class UploadedTable:
    """The columns and rows of an upload; the rows have the names of the columns, or names with a number where these
    differ only in case."""

    columns: tuple[Column, ...]
    rows: pa.Table


def read_upload(data: bytes | memoryview, limit: int) -> UploadedTable:
    """Return the table of an upload.

    Raises UsageError for an unknown format, a damaged table or an unsupported column, and TooLargeError for an upload
    that unpacks to more than `limit` bytes.
    """
    try:
        return _check_columns(*_read_columns(memoryview(data), limit))
    except ServiceError:
        raise
    except Exception as error:  # border: the readers belong to other libraries, and their input is arbitrary
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        raise malformed_upload(f"the upload cannot be read in the format that it begins like: {reason}") from error


def _read_columns(data: memoryview, limit: int) -> tables.Columns:
    if bytes(data[:2]) == GZIP_MAGIC:
        data = memoryview(_gunzip(data, limit))
    head = bytes(data[:HEAD_BYTES])
    match detect_format(head):
        case TableFormat.PARQUET:
            return tables.read_parquet(data, limit)
        case TableFormat.ARROW:
            return tables.read_arrow(data, limit)
        case TableFormat.FITS:
            return tables.read_fits(data)
        case TableFormat.VOTABLE:
            columns, file = read_votable(data)
            return tables.read_fits(memoryview(file)) if columns is None else columns
        case None:
            return _read_text(data, head)


def _read_text(data: memoryview, head: bytes) -> tables.Columns:
    if not head.strip() or b"\0" in head:
        raise UsageError("unrecognised table format", hint=f"send {SUPPORTED}", code=Code.UPLOAD_UNKNOWN_FORMAT)
    return tables.read_csv(data)


def _gunzip(data: memoryview, limit: int) -> bytes:
    unpacker = zlib.decompressobj(31)
    unpacked = io.BytesIO()
    try:
        unpacked.write(unpacker.decompress(data, limit + 1))
    except zlib.error:
        raise malformed_upload("the upload begins like gzip and is not gzip") from None
    if unpacked.tell() > limit:
        raise TooLargeError(f"the upload unpacks to more than the limit of {limit:,} bytes", code=Code.UPLOAD_TOO_LARGE)
    if not unpacker.eof:
        raise malformed_upload("the gzip stream of the upload is truncated")
    return unpacked.getvalue()


def _check_columns(columns: tuple[Column, ...], arrays: list[pa.ChunkedArray]) -> UploadedTable:
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise malformed_upload(f"two columns of the upload are called {column.name}", "give one another name")
        seen.add(column.name)
    if not columns:
        raise malformed_upload("the upload has no columns")
    return UploadedTable(columns, pa.Table.from_arrays(arrays, names=_make_unique([c.name for c in columns])))


def _make_unique(names: list[str]) -> list[str]:
    """Return the names, with a number after a later one that differs from another only in case.

    Databases do not distinguish such names.
    """
    assigner, seen = UniqueNames(names), set[str]()
    unique: list[str] = []
    for name in names:
        unique.append(assigner.assign(name) if name.lower() in seen else name)
        seen.add(name.lower())
    return unique

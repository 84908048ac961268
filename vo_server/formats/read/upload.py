"""An upload into columns and rows: VOTable, FITS, Parquet, Arrow, CSV and TSV, known by how they begin.

Nothing outside of the bytes is looked at: no entities, no links. What is packed may not unpack to more than `limit`.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from itertools import count

import pyarrow as pa

from vo_server.errors import ServiceError, TooLargeError, UsageError
from vo_server.formats.read import tables
from vo_server.formats.read.votable import read_votable
from vo_server.model.column import Column

TAKEN = "VOTable, FITS, Parquet, Arrow, CSV or TSV"


@dataclass(frozen=True, slots=True)
class Upload:
    """A table that came in: what its columns are, and its rows, under the columns' names, or under others
    where these differ in case alone."""

    columns: tuple[Column, ...]
    rows: pa.Table


def read(data: bytes | memoryview, limit: int) -> Upload:
    """The table of a file.

    Raises UsageError for what cannot be read, TooLargeError for what unpacks to more than `limit` bytes.
    """
    try:
        return _upload(*_read(memoryview(data), limit))
    except ServiceError:
        raise
    except Exception as error:  # border: the readers are others', and what they are given is anything
        said = str(error).partition("\n")[0][:200]
        raise UsageError(f"the upload cannot be read as what it begins like: {said or type(error).__name__}") from error


def _read(data: memoryview, limit: int) -> tables.Columns:
    head = bytes(data[:64])
    if head.startswith(b"\x1f\x8b"):
        data = memoryview(_gunzipped(data, limit))
        head = bytes(data[:64])
    if head.startswith(b"PAR1"):
        return tables.parquet(data, limit)
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return tables.arrow(data, limit)
    if head.startswith(b"SIMPLE  ="):
        return tables.fits(data)
    if _is_xml(head):
        found, file = read_votable(data)
        return tables.fits(memoryview(file)) if found is None else found
    if not head.strip() or b"\0" in head:
        raise UsageError("the upload is no table that is known here", hint=f"send {TAKEN}")
    return tables.csv(data)


def _is_xml(head: bytes) -> bool:
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    return utf16 or head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def _gunzipped(data: memoryview, limit: int) -> bytes:
    unpacker = zlib.decompressobj(31)
    made = io.BytesIO()
    try:
        made.write(unpacker.decompress(data, limit + 1))
    except zlib.error:
        raise UsageError("the upload begins like gzip and is not") from None
    if made.tell() > limit:
        raise TooLargeError(f"an upload unpacks to more than {limit:,} bytes, the limit of this service")
    if not unpacker.eof:
        raise UsageError("the upload is gzip that breaks off")
    return made.getvalue()


def _upload(columns: tuple[Column, ...], arrays: list[pa.ChunkedArray]) -> Upload:
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise UsageError(f"two columns of the upload are called {column.name}", hint="give one another name")
        seen.add(column.name)
    if not columns:
        raise UsageError("the upload has no columns")
    return Upload(columns, pa.Table.from_arrays(arrays, names=_apart([c.name for c in columns])))


def _apart(names: list[str]) -> list[str]:
    """Names that differ in more than case, for databases that see no difference there: the later ones have a number."""
    taken = {name.lower() for name in names}
    found: list[str] = []
    for n, name in enumerate(names):
        if name.lower() in map(str.lower, names[:n]):
            name = next(other for k in count(2) if (other := f"{name}_{k}").lower() not in taken)
            taken.add(name.lower())
        found.append(name)
    return found

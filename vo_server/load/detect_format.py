"""What a file is, told by its first bytes and never by its name, and its rows in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from vo_server.errors import LoadError
from vo_server.load.delimited import Layout, lines
from vo_server.load.described import Choose, rows
from vo_server.load.inputs import Input
from vo_server.load.pieces import Piece
from vo_server.load.readers.delimited import Head, delimited, head
from vo_server.load.readers.fits import fits_table
from vo_server.load.readers.found import Reader
from vo_server.load.readers.ipac import ipac
from vo_server.load.readers.parquet import parquet
from vo_server.load.readers.votable import votable
from vo_server.load.shape import Shape, Warn

_READERS: tuple[tuple[re.Pattern[bytes], Reader], ...] = (
    (re.compile(rb"SIMPLE  ="), fits_table),
    (re.compile(rb"PAR1"), parquet),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|VOTABLE|!--|\w+:VOTABLE)"), votable),
    (re.compile(rb"(\\[^|\r\n]*\r?\n)*\|[^\r\n]*\|[ \r]*\n"), ipac),
)
_TEXT = re.compile(rb"[^\x00-\x08\x0e-\x1f]*")


def reader(input: Input) -> Reader:
    """What reads a file that names its columns.

    Raises LoadError for what is in no format that we read.
    """
    found = _reader(input)
    if found is None and not _TEXT.fullmatch(input.head):
        raise LoadError(f"{input.name} is {_WANTED}, but binary data")
    return found or delimited


def pieces(input: Input, shape: Shape, warn: Warn) -> Iterator[Piece]:
    """The rows of a file, whatever its format.

    Raises LoadError for what is in none that we read.
    """
    choose = partial(shape.mapped, input.name, warn=warn)
    found = reader(input)
    return _text(input, choose, shape) if found is delimited else rows(input, found, choose, shape.columns)


def _reader(input: Input) -> Reader | None:
    return next((read for magic, read in _READERS if magic.match(input.head)), None)


def _text(input: Input, choose: Choose, shape: Shape) -> Iterator[Piece]:
    top = head(input.head, shape.known)
    if len(top.names) > 1 and 2 * shape.known(top.names) >= min(len(top.names), 4):
        return _csv(input, choose(top.names), top, shape)
    if shape.bulk.delimiter in _first_line(input.head):
        return lines(input.name, input.stream, shape.bulk)
    raise LoadError(f"{input.name} is {_WANTED}")


_WANTED = (
    "no file of the release, no CSV or ECSV file with a line of the names of columns, no IPAC table, VOTable, FITS "
    "table or Parquet file"
)


def _first_line(start: bytes) -> str:
    return start.split(b"\n", 1)[0].decode(errors="replace")


def _csv(input: Input, fields: Sequence[str | None], top: Head, shape: Shape) -> Iterator[Piece]:
    nulls = tuple(dict.fromkeys((*top.nulls, *shape.bulk.nulls)))
    layout = Layout(shape.columns, tuple(fields), top.delimiter, nulls, quoted=True, restored=True, blank=top.described)
    for _ in range(top.number):
        input.stream.readline()
    return lines(input.name, input.stream, layout, first=top.number + 1)

"""What a file is, told by its first bytes and never by its name, and its rows in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from vo_server.errors import LoadFault
from vo_server.load.inputs import Input
from vo_server.load.irsa import Layout, lines
from vo_server.load.pieces import Piece
from vo_server.load.shape import Shape, Warn
from vo_server.load.tables import Choose, fits_table, ipac, parquet, rows, votable_table

_DELIMITERS = (",", "\t", ";", "|")
_NULLS = ("", "\\N", "null", "NULL", "NaN", "nan")
_READERS = (
    (re.compile(rb"SIMPLE  ="), fits_table),
    (re.compile(rb"PAR1"), parquet),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|VOTABLE|!--)"), votable_table),
)
_IPAC = re.compile(rb"(\\[^|\r\n]*\r?\n)*\|[^\r\n]*\|[ \r]*\n")
_TEXT = re.compile(rb"[^\x00-\x08\x0e-\x1f]*")


def pieces(input: Input, shape: Shape, warn: Warn) -> Iterator[Piece]:
    """The rows of a file, whatever its format.

    Raises LoadFault for what is in none that we read.
    """
    choose = partial(shape.mapped, input.name, warn=warn)
    for magic, read in _READERS:
        if magic.match(input.head):
            return rows(input, read, choose, shape.columns)
    if not _TEXT.fullmatch(input.head):
        raise LoadFault(f"{input.name} is {_WANTED}, but binary data")
    return _text(input, choose, shape)


def _text(input: Input, choose: Choose, shape: Shape) -> Iterator[Piece]:
    first = _first_line(input.head)
    if _IPAC.match(input.head):
        return ipac(input, choose, shape.columns)
    if delimiter := _header_delimiter(first, shape):
        return _csv(input, choose(_names(first, delimiter)), delimiter, shape)
    if shape.bulk.delimiter in first:
        return lines(input.name, input.stream, shape.bulk)
    raise LoadFault(f"{input.name} is {_WANTED}")


_WANTED = (
    "no file of the release, no CSV file with the names of columns in its first line, no IPAC table, VOTable, FITS "
    "table or Parquet file"
)


def _first_line(head: bytes) -> str:
    return head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r").decode(errors="replace")


def _header_delimiter(line: str, shape: Shape) -> str | None:
    """The delimiter at which the line falls into names of columns, if there is one."""
    best = max(_DELIMITERS, key=lambda d: shape.known(_names(line, d)))
    fields = _names(line, best)
    return best if len(fields) > 1 and 2 * shape.known(fields) >= min(len(fields), 4) else None


def _names(line: str, delimiter: str) -> list[str]:
    return [field.strip().strip('"') for field in line.split(delimiter)]


def _csv(input: Input, fields: Sequence[str | None], delimiter: str, shape: Shape) -> Iterator[Piece]:
    layout = Layout(shape.columns, tuple(fields), delimiter, _NULLS, quoted=True, restored=True)
    input.stream.readline()
    return lines(input.name, input.stream, layout, first=2)

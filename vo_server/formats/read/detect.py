"""The magic numbers of files, and the detection of table formats by them."""

from __future__ import annotations

from enum import Enum, auto

HEAD_BYTES = 64
"""Number of first bytes that suffice to detect a format."""


GZIP_MAGIC = b"\x1f\x8b"
"""The first bytes of a gzip stream (RFC 1952 section 2.3.1)."""


class TableFormat(Enum):
    """The table formats that begin with a magic number."""

    PARQUET = auto()
    ARROW = auto()
    FITS = auto()
    VOTABLE = auto()


_MAGIC_NUMBERS = (
    (b"PAR1", TableFormat.PARQUET),
    (b"ARROW1", TableFormat.ARROW),
    (b"\xff\xff\xff\xff", TableFormat.ARROW),
    (b"SIMPLE  =", TableFormat.FITS),
    (b"\xff\xfe", TableFormat.VOTABLE),
    (b"\xfe\xff", TableFormat.VOTABLE),
)
"""The first bytes of Parquet, Arrow IPC files and streams, FITS, and XML in UTF-16."""


def detect_format(head: bytes) -> TableFormat | None:
    """Return the format of a file from its first bytes; None for delimited text and unknown formats.

    XML is taken for a VOTable.
    """
    for magic, table_format in _MAGIC_NUMBERS:
        if head.startswith(magic):
            return table_format
    is_xml = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
    return TableFormat.VOTABLE if is_xml else None

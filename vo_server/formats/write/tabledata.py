"""Rows as the TABLEDATA of VOTable 1.4 (section 5.1): a column at a time into text, then all rows joined at once.

A missing value is an empty TD, as is an empty string: TABLEDATA has no way to tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import blocks, conform
from vo_server.formats.write.cells import (
    Words,
    each,
    holds,
    joined,
    spelled,
    table,
)
from vo_server.model.column import Column

SPECIAL = table(b"&<>\xef" + bytes(b for b in range(32) if b not in b"\t\n"))
"""Bytes of texts that may need work: 0xEF begins U+FFFE and U+FFFF."""

WORDS = Words("+Inf", "-Inf")

ILLEGAL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{FFFE}\x{FFFF}]"

ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"))


class TableData:
    """Makes TR elements of the batches it is given."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns

    def encode(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The rows of a batch."""
        for block in blocks(batch):
            yield self._rows(conform(block, self._columns))

    def finish(self) -> bytes:
        """Nothing waits."""
        return b""

    def _rows(self, arrays: list[pa.Array]) -> bytes:
        return joined(each(arrays, self._columns, _cells), "<TR><TD>", "</TD><TD>", "</TD></TR>\n")


def _cells(array: pa.Array, column: Column) -> pa.Array:
    text = spelled(array, column, WORDS)
    return escaped(text) if column.type.family == "text" else text


def escaped(array: pa.Array) -> pa.Array:
    """Texts as character data of XML, without what no XML document may hold."""
    if not holds(array, SPECIAL):
        return array
    array = pc.replace_substring_regex(array, ILLEGAL, "")
    for character, entity in ENTITIES:
        array = pc.replace_substring(array, character, entity)
    return array

"""Encode rows as the TABLEDATA of VOTable 1.4 (section 5.1): columns are formatted as text, then joined to rows.

A missing value is an empty TD, as is an empty string: TABLEDATA cannot distinguish them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import byte_set, cast_to_columns, has_bytes, split_blocks
from vo_server.formats.write.value_text import ValueSpelling, format_columns, format_values, join_rows
from vo_server.model.column import Column

ESCAPED_BYTES = byte_set(b"&<>\xef" + bytes(b for b in range(32) if b not in b"\t\n"))
"""Bytes of texts that may need escapes: 0xEF begins U+FFFE and U+FFFF."""

SPELLING = ValueSpelling("+Inf", "-Inf")

ILLEGAL_CHARACTERS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{FFFE}\x{FFFF}]"

ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"))


class TabledataEncoder:
    """An encoder of batches as TR elements."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns

    def encode(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """Yield the rows of a batch."""
        for block in split_blocks(batch):
            yield self._encode_rows(cast_to_columns(block, self._columns))

    def finish(self) -> bytes:
        """Return nothing: no bytes are pending."""
        return b""

    def _encode_rows(self, arrays: list[pa.Array]) -> bytes:
        return join_rows(format_columns(arrays, self._columns, _format_cells), "<TR><TD>", "</TD><TD>", "</TD></TR>\n")


def _format_cells(array: pa.Array, column: Column) -> pa.Array:
    text = format_values(array, column, SPELLING)
    return escape_texts(text) if column.type.family == "text" else text


def escape_texts(array: pa.Array) -> pa.Array:
    """Return texts (n,) as character data, without the characters that XML does not allow."""
    if not has_bytes(array, ESCAPED_BYTES):
        return array
    array = pc.replace_substring_regex(array, ILLEGAL_CHARACTERS, "")
    for character, entity in ENTITIES:
        array = pc.replace_substring(array, character, entity)
    return array

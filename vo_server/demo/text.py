"""Arrow batches as text of the release's bulk files: ``|`` between fields, ``\\N`` for null,
shortest numbers.

Each block of rows is laid out in a matrix of character codes with room for the widest value of
every column. Numbers are written by looking up groups of four digits; places that are not needed
stay zero, and all zero bytes are dropped at the end. No Python code runs per value.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vo_server.demo.columns import SampleColumn

BLOCK_ROWS = 4096
NULL = "\\N"
GROUP = 10_000

Words = NDArray[np.uint32]
"""Four characters each."""


def _words(texts: list[str], left: bool = False) -> Words:
    padded = [text.ljust(4, "\0") if left else text.rjust(4, "\0") for text in texts]
    return np.frombuffer("".join(padded).encode("ascii"), dtype=np.uint32)


_NUMBERS = range(GROUP)
_FULL = [f"{number:04}" for number in _NUMBERS]

UPPER = _words([str(number) if number else "" for number in _NUMBERS] + _FULL)
"""A group that others follow: without leading zeros, then (from GROUP on) with them, for use below
a higher group."""

LAST = _words([str(number) for number in _NUMBERS] + _FULL + [NULL])
"""The last group before the decimal point likewise; the final word is null."""

FRACTION = _words([digits.rstrip("0") for digits in _FULL] + _FULL, left=True)
"""A group of decimals without trailing zeros, then with them, for use where more follow."""

NULL_WORD = 2 * GROUP


class _Layout:
    """Hands out the places of a row and remembers them until the matrix is made."""

    def __init__(self) -> None:
        self.width = 0

    def take(self, size: int) -> int:
        self.width += size
        return self.width - size


class _NumberField:
    """Sign, whole groups, point and groups of decimals of one column."""

    def __init__(self, column: SampleColumn, layout: _Layout) -> None:
        self._decimals = column.decimals
        self._sign = layout.take(1)
        self._whole = [layout.take(4) for _ in range(3 if column.kind == "int32" else 2)]
        self._point = layout.take(1) if column.decimals else 0
        self._tail = [layout.take(4) for _ in range(-(-column.decimals // 4))]

    def write(self, page: "_Page", values: pa.Array) -> None:
        null = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
        numbers = (values.fill_null(0) if values.null_count else values).to_numpy()
        whole, part = self._split(numbers, page, null)
        self._write_whole(page, whole, null)
        if self._decimals:
            self._write_part(page, part)

    def _split(self, numbers: NDArray[Any], page: "_Page", null: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._decimals:
            scale = 10**self._decimals
            scaled = np.rint(numbers.astype(np.float64) * scale).astype(np.int64)
        else:
            scale, scaled = 1, numbers.astype(np.int64)
        page.byte(self._sign)[:] = np.where(scaled < 0, ord("-"), 0)
        scaled = np.abs(scaled)
        whole = scaled // scale
        return whole, scaled - whole * scale

    def _write_whole(self, page: "_Page", whole: NDArray[np.int64], null: Any) -> None:
        *upper, last = self._whole
        above = np.zeros(whole.size, bool)
        for i, place in enumerate(upper):
            if (head := whole // GROUP ** (len(upper) - i)).any():
                page.word(place)[:] = UPPER[head % GROUP + GROUP * above]
                above = head > 0
            else:
                page.word(place)[:] = 0
        words = whole % GROUP + GROUP * above
        page.word(last)[:] = LAST[words if null is None else np.where(null, NULL_WORD, words)]

    def _write_part(self, page: "_Page", part: NDArray[np.int64]) -> None:
        page.byte(self._point)[:] = np.where(part > 0, ord("."), 0)
        left = part * 10 ** (4 * len(self._tail) - self._decimals)
        for i, place in enumerate(self._tail, start=1):
            unit = GROUP ** (len(self._tail) - i)
            group, left = left // unit, left % unit
            page.word(place)[:] = FRACTION[group + GROUP * (left > 0)]


class _TextField:
    """A text or a date; ``designation`` is padded with blanks as the release has it."""

    def __init__(self, column: SampleColumn, layout: _Layout) -> None:
        self._width, self._blanks = column.width, column.name == "designation"
        self._place = layout.take(column.width)

    def write(self, page: "_Page", values: pa.Array) -> None:
        text = pc.fill_null(pc.cast(values, pa.string()), NULL)
        text = pc.ascii_rpad(text, self._width, " " if self._blanks else "\0")
        data, start = text.buffers()[2], text.offset * self._width
        codes = np.frombuffer(data, np.uint8, len(text) * self._width, start).reshape(len(text), self._width)
        page.codes(self._place, self._width)[:] = codes


class _Page:
    """The matrix of a block of rows."""

    def __init__(self, rows: int, width: int) -> None:
        self.matrix = np.zeros((rows, width), np.uint8)
        self._rows = rows

    def shorten(self, rows: int) -> None:
        self._rows = rows

    def byte(self, place: int) -> NDArray[np.uint8]:
        return self.matrix[: self._rows, place]

    def codes(self, place: int, width: int) -> NDArray[np.uint8]:
        return self.matrix[: self._rows, place : place + width]

    def word(self, place: int) -> Words:
        """Four places as one number, which need not be aligned."""
        return np.ndarray((self._rows,), np.uint32, self.matrix, place, (self.matrix.shape[1],))

    def text(self) -> bytes:
        return self.matrix[: self._rows].tobytes().translate(None, b"\0")


class BulkText:
    """Writes batches of one catalogue."""

    def __init__(self, columns: tuple[SampleColumn, ...]) -> None:
        layout = _Layout()
        self._fields: list[_NumberField | _TextField] = []
        bars = []
        for column in columns:
            kind = _TextField if column.kind in ("text", "date") else _NumberField
            self._fields.append(kind(column, layout))
            bars.append(layout.take(1))
        self._page = _Page(BLOCK_ROWS, layout.width)
        self._page.matrix[:, bars] = ord("|")
        self._page.matrix[:, bars[-1]] = ord("\n")

    def lines(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The rows of the batch, some thousands of lines at a time."""
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            block = batch.slice(start, BLOCK_ROWS)
            self._page.shorten(block.num_rows)
            for field, values in zip(self._fields, block.columns, strict=True):
                field.write(self._page, values)
            yield self._page.text()

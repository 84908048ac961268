"""Arrow batches as text of the release's bulk files: `|` between fields, `\\N` for null, shortest numbers.

Each block of rows is a matrix of character codes with room for the widest value of every column. Numbers are written by
looking up groups of four digits; unused characters stay zero, and all zero bytes are dropped at the end. No Python code
runs per value.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vo_server.demo.columns import DemoColumn

BLOCK_ROWS = 4096
NULL = "\\N"
GROUP_SIZE = 10_000

CharacterGroups = NDArray[np.uint32]
"""Groups of four characters."""


def _to_words(texts: list[str], left: bool = False) -> CharacterGroups:
    padded = [text.ljust(4, "\0") if left else text.rjust(4, "\0") for text in texts]
    return np.frombuffer("".join(padded).encode("ascii"), dtype=np.uint32)


_NUMBERS = range(GROUP_SIZE)
_FULL = [f"{number:04}" for number in _NUMBERS]

UPPER_GROUPS = _to_words([str(number) if number else "" for number in _NUMBERS] + _FULL)
"""Groups before the last: without leading zeros, then, from GROUP_SIZE on, with them, for use after a higher group."""

LAST_GROUPS = _to_words([str(number) for number in _NUMBERS] + _FULL + [NULL])
"""The last group before the decimal point likewise; the final entry is null."""

FRACTION_GROUPS = _to_words([digits.rstrip("0") for digits in _FULL] + _FULL, left=True)
"""Groups of decimals without trailing zeros, then with them, for use before further groups."""

NULL_INDEX = 2 * GROUP_SIZE


class _RowLayout:
    """The layout of a row: the columns of the character matrix that each field takes."""

    def __init__(self) -> None:
        self.width = 0

    def take(self, size: int) -> int:
        """Reserve `size` columns and return the first."""
        self.width += size
        return self.width - size


class _NumberWriter:
    """The writer of a column of numbers: sign, groups of whole digits, point and groups of decimals."""

    def __init__(self, column: DemoColumn, layout: _RowLayout) -> None:
        self._decimals = column.decimals
        self._sign = layout.take(1)
        self._whole = [layout.take(4) for _ in range(3 if column.kind == "int32" else 2)]
        self._point = layout.take(1) if column.decimals else 0
        self._tail = [layout.take(4) for _ in range(-(-column.decimals // 4))]

    def write(self, matrix: "_CharacterMatrix", values: pa.Array) -> None:
        """Write values (n,) into the matrix."""
        null = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
        numbers = (values.fill_null(0) if values.null_count else values).to_numpy()
        whole, part = self._split(numbers, matrix, null)
        self._write_whole(matrix, whole, null)
        if self._decimals:
            self._write_part(matrix, part)

    def _split(
        self, numbers: NDArray[Any], matrix: "_CharacterMatrix", null: Any
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._decimals:
            scale = 10**self._decimals
            scaled = np.rint(numbers.astype(np.float64) * scale).astype(np.int64)
        else:
            scale, scaled = 1, numbers.astype(np.int64)
        matrix.byte(self._sign)[:] = np.where(scaled < 0, ord("-"), 0)
        scaled = np.abs(scaled)
        whole = scaled // scale
        return whole, scaled - whole * scale

    def _write_whole(self, matrix: "_CharacterMatrix", whole: NDArray[np.int64], null: Any) -> None:
        *upper, last = self._whole
        above = np.zeros(whole.size, bool)
        for i, place in enumerate(upper):
            if (head := whole // GROUP_SIZE ** (len(upper) - i)).any():
                matrix.word(place)[:] = UPPER_GROUPS[head % GROUP_SIZE + GROUP_SIZE * above]
                above = head > 0
            else:
                matrix.word(place)[:] = 0
        words = whole % GROUP_SIZE + GROUP_SIZE * above
        matrix.word(last)[:] = LAST_GROUPS[words if null is None else np.where(null, NULL_INDEX, words)]

    def _write_part(self, matrix: "_CharacterMatrix", part: NDArray[np.int64]) -> None:
        matrix.byte(self._point)[:] = np.where(part > 0, ord("."), 0)
        left = part * 10 ** (4 * len(self._tail) - self._decimals)
        for i, place in enumerate(self._tail, start=1):
            unit = GROUP_SIZE ** (len(self._tail) - i)
            group, left = left // unit, left % unit
            matrix.word(place)[:] = FRACTION_GROUPS[group + GROUP_SIZE * (left > 0)]


class _TextWriter:
    """The writer of a column of texts or dates; `designation` is padded with blanks as in the release."""

    def __init__(self, column: DemoColumn, layout: _RowLayout) -> None:
        self._width, self._blanks = column.width, column.name == "designation"
        self._place = layout.take(column.width)

    def write(self, matrix: "_CharacterMatrix", values: pa.Array) -> None:
        """Write values (n,) into the matrix."""
        text = pc.fill_null(pc.cast(values, pa.string()), NULL)
        text = pc.ascii_rpad(text, self._width, " " if self._blanks else "\0")
        data, start = text.buffers()[2], text.offset * self._width
        codes = np.frombuffer(data, np.uint8, len(text) * self._width, start).reshape(len(text), self._width)
        matrix.codes(self._place, self._width)[:] = codes


class _CharacterMatrix:
    """The character codes of a block of rows, shape (rows, width)."""

    def __init__(self, rows: int, width: int) -> None:
        self.matrix = np.zeros((rows, width), np.uint8)
        self._rows = rows

    def set_rows(self, rows: int) -> None:
        """Use the first `rows` rows."""
        self._rows = rows

    def byte(self, place: int) -> NDArray[np.uint8]:
        """Return a column (rows,)."""
        return self.matrix[: self._rows, place]

    def codes(self, place: int, width: int) -> NDArray[np.uint8]:
        """Return `width` columns (rows, width)."""
        return self.matrix[: self._rows, place : place + width]

    def word(self, place: int) -> CharacterGroups:
        """Return four columns (rows,) as one number each; they need not be aligned."""
        return np.ndarray((self._rows,), np.uint32, self.matrix, place, (self.matrix.shape[1],))

    def to_text(self) -> bytes:
        """Return the rows without zero bytes."""
        return self.matrix[: self._rows].tobytes().translate(None, b"\0")


class BulkTextWriter:
    """A writer of batches of one catalogue as lines of text."""

    def __init__(self, columns: tuple[DemoColumn, ...]) -> None:
        layout = _RowLayout()
        self._fields: list[_NumberWriter | _TextWriter] = []
        bars = []
        for column in columns:
            kind = _TextWriter if column.kind in ("text", "date") else _NumberWriter
            self._fields.append(kind(column, layout))
            bars.append(layout.take(1))
        self._matrix = _CharacterMatrix(BLOCK_ROWS, layout.width)
        self._matrix.matrix[:, bars] = ord("|")
        self._matrix.matrix[:, bars[-1]] = ord("\n")

    def format_rows(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """Yield the rows of a batch, some thousands of lines at a time."""
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            block = batch.slice(start, BLOCK_ROWS)
            self._matrix.set_rows(block.num_rows)
            for field, values in zip(self._fields, block.columns, strict=True):
                field.write(self._matrix, values)
            yield self._matrix.to_text()

"""The answer to a query, before it has a format: columns, and batches of rows that come as they are asked for.

MAXREC and overflow as in DALI 1.1 section 3.4.4 and TAP 1.1 section 2.7.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from vo_server.model.column import Column


@dataclass(frozen=True, slots=True)
class Info:
    """A statement about the answer: becomes an INFO of a VOTable (DALI 1.1 section 4.4.3)."""

    name: str
    value: str
    text: str | None = None
    ucd: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """A text that the service takes as a parameter: becomes a PARAM of a VOTable that describes it."""

    name: str
    description: str
    value: str = ""
    unit: str | None = None
    ucd: str | None = None
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class Result:
    """Columns and their rows.

    The batches have one array a column, in the columns' order; they are read once. `overflow` is known when they
    have been read to their end: it says that a row was left out. `failure` is what broke them off, where the writer
    ends its document in words instead of raising.
    """

    columns: tuple[Column, ...]
    batches: Iterator[pa.RecordBatch]
    title: str | None = None
    description: str | None = None
    infos: tuple[Info, ...] = ()
    inputs: tuple[Input, ...] = ()
    overflow: bool = field(default=False, init=False)
    failure: Exception | None = field(default=None, init=False)

    def limited(self, maxrec: int | None) -> Result:
        """The same with at most `maxrec` rows, cut as they are read.

        For overflow to be seen the batches must hold one row more than `maxrec` where there is one.
        `maxrec` 0 asks for the metadata alone: the batches are not touched and overflow is said (DALI 1.1, 3.4.4).
        """
        if maxrec is not None:
            self.batches = self._none() if maxrec == 0 else self._cut(self.batches, maxrec)
        return self

    def _none(self) -> Iterator[pa.RecordBatch]:
        self.overflow = True
        return iter(())

    def _cut(self, batches: Iterator[pa.RecordBatch], maxrec: int) -> Iterator[pa.RecordBatch]:
        left = maxrec
        for batch in batches:
            if batch.num_rows > left:
                self.overflow = True
                if left:
                    yield batch.slice(0, left)
                return
            left -= batch.num_rows
            yield batch

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
    """A parameter of a service: becomes a PARAM of a VOTable that describes it.

    It is a text if `datatype` and its like do not say otherwise. `low`, `high` and `options` are what its values may
    be. `ref` names the column that has its values.
    """

    name: str
    description: str
    value: str = ""
    unit: str | None = None
    ucd: str | None = None
    options: tuple[str, ...] = ()
    datatype: str = "char"
    arraysize: str = "*"
    xtype: str | None = None
    low: str | None = None
    high: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A service that goes with the rows: becomes a RESOURCE beside them (DataLink 1.1 section 4), under an `id` that no
    other has. `standard_id` is that of what the service does, `content_type` the media type of what it answers."""

    id: str
    name: str
    description: str
    access_url: str
    standard_id: str
    content_type: str
    inputs: tuple[Input, ...]


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
    descriptors: tuple[Descriptor, ...] = ()
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

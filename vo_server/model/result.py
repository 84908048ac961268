"""The result of a query before it has an output format: columns, and batches of rows that are read lazily.

MAXREC and overflow as in DALI 1.1 section 3.4.4 and TAP 1.1 section 2.7.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from vo_server.model.column import Column


@dataclass(frozen=True, slots=True)
class Info:
    """A statement about the result: an INFO of a VOTable (DALI 1.1 section 4.4.3)."""

    name: str
    value: str
    text: str | None = None
    ucd: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceParameter:
    """A parameter of a service: a PARAM of a VOTable.

    By default it is a text. `low`, `high` and `options` limit its values. `ref` is the name of the column that holds
    its values.
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
    """A service descriptor: a RESOURCE next to the table with a unique `id` (DataLink 1.1 section 4).

    `standard_id` identifies the capability, `content_type` is the media type of the responses.
    """

    id: str
    name: str
    description: str
    access_url: str
    standard_id: str
    content_type: str
    inputs: tuple[ServiceParameter, ...]


@dataclass(slots=True)
class Result:
    """Columns and their rows.

    The batches have one array per column, in the order of the columns; they are read once. `overflow` is valid after
    the last batch: it tells that rows were left out. `failure` is the error that ended the batches, if the writer
    reports it in the document instead of raising it.
    """

    columns: tuple[Column, ...]
    batches: Iterator[pa.RecordBatch]
    title: str | None = None
    description: str | None = None
    infos: tuple[Info, ...] = ()
    inputs: tuple[ServiceParameter, ...] = ()
    descriptors: tuple[Descriptor, ...] = ()
    overflow: bool = field(default=False, init=False)
    failure: Exception | None = field(default=None, init=False)

    def limit(self, maxrec: int | None) -> Result:
        """Limit the result to `maxrec` rows, counted as they are read, and return it.

        To detect an overflow, the batches must hold one row more than `maxrec`, if it exists. `maxrec` 0 asks for the
        metadata only: the batches are not read, and `overflow` is set (DALI 1.1 section 3.4.4).
        """
        if maxrec is not None:
            self.batches = self._skip_all() if maxrec == 0 else self._cut_rows(self.batches, maxrec)
        return self

    def _skip_all(self) -> Iterator[pa.RecordBatch]:
        self.overflow = True
        return iter(())

    def _cut_rows(self, batches: Iterator[pa.RecordBatch], maxrec: int) -> Iterator[pa.RecordBatch]:
        left = maxrec
        for batch in batches:
            if batch.num_rows > left:
                self.overflow = True
                if left:
                    yield batch.slice(0, left)
                return
            left -= batch.num_rows
            yield batch

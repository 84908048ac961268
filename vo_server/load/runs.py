"""Rows sorted that do not fit into memory: runs sorted one by one, laid on disk, and read back range by range.

A run keeps every 256th of its keys in memory. Together these say where to cut the whole into ranges of nearly equal
size, however the rows are spread over the sky; a range is then a slice of each run, and is sorted in memory.

Runs are not compressed: LZ4 makes 280 bytes a row 210, and costs 0.5 s of processor time for a million rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

SAMPLE = 256
STRIDE = 32 * SAMPLE
Keys = np.ndarray[Any, np.dtype[np.int64]]


class Sorted(Protocol):
    """Rows in the order of their key."""

    @property
    def rows(self) -> int:
        """How many there are."""

    @property
    def sample(self) -> Keys:
        """Every SAMPLE-th key, from the first."""

    def between(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """The rows with low <= key < high, in order."""


@dataclass(frozen=True, slots=True)
class Run:
    """A file of record batches of STRIDE rows each, sorted by the column `key`."""

    path: Path
    key: str
    rows: int
    sample: Keys

    def between(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """The rows with low <= key < high, in order."""
        starts = self.sample[:: STRIDE // SAMPLE]
        first = max(int(np.searchsorted(starts, low, "left")) - 1, 0)
        last = int(np.searchsorted(starts, high, "left"))
        if first >= last:
            return
        with pa.OSFile(str(self.path)) as source, pa.ipc.open_file(source, options=_READ) as reader:
            for number in range(first, last):
                yield _cut(reader.get_batch(number), self.key, low, high)

    def all(self) -> Iterator[pa.RecordBatch]:
        """Every row, as written."""
        with pa.OSFile(str(self.path)) as source, pa.ipc.open_file(source, options=_READ) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)


_READ = pa.ipc.IpcReadOptions(use_threads=False)
_WRITE = pa.ipc.IpcWriteOptions(use_threads=False)


def _cut(batch: pa.RecordBatch, key: str, low: int, high: int) -> pa.RecordBatch:
    first, last = np.searchsorted(batch[key].to_numpy(), (low, high), "left")
    return batch.slice(first, last - first)


class Spool:
    """Takes tables as they come and lays them down in runs of about `size` bytes, one at a time in the background.

    Without a key the rows keep their order and the runs are only a store.
    """

    def __init__(self, key: str | None, size: int, path: Callable[[int], Path], pool: Executor) -> None:
        self.runs: list[Run] = []
        self._key, self._size, self._path, self._pool = key, size, path, pool
        self._waiting: list[pa.Table] = []
        self._bytes = 0
        self._count = 0
        self._writing: Future[Run] | None = None

    def add(self, table: pa.Table) -> None:
        """Take these rows."""
        self._waiting.append(table)
        self._bytes += table.nbytes
        if self._bytes >= self._size:
            self._flush()

    def finish(self) -> list[Run]:
        """Lay down what is left; the runs."""
        if self._waiting:
            self._flush()
        self._settle()
        return self.runs

    def _flush(self) -> None:
        self._settle()
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        self._writing = self._pool.submit(_lay, waiting, self._key, self._path(self._count))
        self._count += 1

    def _settle(self) -> None:
        if self._writing is not None:
            self.runs.append(self._writing.result())
            self._writing = None


def _lay(tables: list[pa.Table], key: str | None, path: Path) -> Run:
    batch = combined(tables)
    tables.clear()
    if key is None:
        return _write(path, "", (batch.slice(i, STRIDE) for i in range(0, batch.num_rows, STRIDE)), batch, _NO_KEYS)
    keys = batch[key].to_numpy()
    order = np.argsort(keys, kind="stable")
    pieces = (batch.take(pa.array(order[i : i + STRIDE])) for i in range(0, len(order), STRIDE))
    return _write(path, key, pieces, batch, keys[order[::SAMPLE]])


_NO_KEYS: Keys = np.empty(0, dtype=np.int64)


def _write(path: Path, key: str, pieces: Iterator[pa.RecordBatch], whole: pa.RecordBatch, sample: Keys) -> Run:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, whole.schema, options=_WRITE) as writer:
        for piece in pieces:
            writer.write_batch(piece)
    return Run(path, key, whole.num_rows, sample)


def combined(tables: Sequence[pa.Table]) -> pa.RecordBatch:
    """The rows of these tables in one batch."""
    (batch,) = pa.concat_tables(tables).combine_chunks().to_batches() or [_empty(tables[0].schema)]
    return batch


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def merged(runs: Sequence[Sorted], key: str, rows: int) -> Iterator[pa.RecordBatch]:
    """All rows of the runs in the order of the key, in batches of about so many; equals keep the order of the runs."""
    for low, high in _ranges(runs, rows):
        found = [pa.Table.from_batches([b]) for run in runs for b in run.between(low, high) if b.num_rows]
        if found:
            batch = combined(found)
            yield batch.take(pa.array(np.argsort(batch[key].to_numpy(), kind="stable")))


def _ranges(runs: Sequence[Sorted], rows: int) -> Iterator[tuple[int, int]]:
    limits = np.iinfo(np.int64)
    sample = np.sort(np.concatenate([r.sample for r in runs])) if runs else _NO_KEYS
    step = max(rows // SAMPLE, 1)
    cuts = [limits.min, *(int(k) for k in np.unique(sample[step::step])), limits.max]
    return pairwise(cuts)


def regrouped(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly so many, the last one apart."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= rows:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, rows)
            waiting = table.slice(rows).to_batches()
            count -= rows
    if count:
        yield pa.Table.from_batches(waiting)


def ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches, the next one made in the background while one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch

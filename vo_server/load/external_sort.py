"""External merge sort of rows that do not fit into memory: sorted runs on disk, merged range by range.

Every 256th key of a run is kept in memory. These samples give the bounds of ranges of nearly equal size, however the
rows are distributed over the sky; a range is a slice of each run and is sorted in memory.

Runs are not compressed: LZ4 reduces 280 bytes per row to 210, but costs 0.5 s of processor time for a million rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from vo_server.engines.sink import SAMPLE, Keys

BATCH_ROWS = 32 * SAMPLE


class SortedRows(Protocol):
    """Rows in the order of their key."""

    @property
    def rows(self) -> int:
        """Return the number of rows."""

    @property
    def sample(self) -> Keys:
        """Return every SAMPLE-th key, from the first."""

    def read_range(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with low <= key < high, in order."""


@dataclass(frozen=True, slots=True)
class Run:
    """A file of record batches of BATCH_ROWS rows each, sorted by the column `key`."""

    path: Path
    key: str
    rows: int
    sample: Keys

    def read_range(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with low <= key < high, in order."""
        starts = self.sample[:: BATCH_ROWS // SAMPLE]
        first = max(int(np.searchsorted(starts, low, "left")) - 1, 0)
        last = int(np.searchsorted(starts, high, "left"))
        if first >= last:
            return
        with pa.OSFile(str(self.path)) as source, pa.ipc.open_file(source, options=_READ) as reader:
            for number in range(first, last):
                yield _slice_range(reader.get_batch(number), self.key, low, high)

    def read_all(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows, as written."""
        with pa.OSFile(str(self.path)) as source, pa.ipc.open_file(source, options=_READ) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)


_READ = pa.ipc.IpcReadOptions(use_threads=False)
_WRITE = pa.ipc.IpcWriteOptions(use_threads=False)


def _slice_range(batch: pa.RecordBatch, key: str, low: int, high: int) -> pa.RecordBatch:
    first, last = np.searchsorted(batch[key].to_numpy(), (low, high), "left")
    return batch.slice(first, last - first)


class RunWriter:
    """The writer of runs of about `size` bytes, one at a time in the background.

    Without a key, the rows keep their order.
    """

    def __init__(self, key: str | None, size: int, path: Callable[[int], Path], pool: Executor) -> None:
        self.runs: list[Run] = []
        self._key, self._size, self._path, self._pool = key, size, path, pool
        self._pending: list[pa.Table] = []
        self._bytes = 0
        self._count = 0
        self._writing: Future[Run] | None = None

    def add(self, table: pa.Table) -> None:
        """Add rows; write a run if there are enough."""
        self._pending.append(table)
        self._bytes += table.nbytes
        if self._bytes >= self._size:
            self._flush()

    def finish(self) -> list[Run]:
        """Write the remaining rows and return the runs."""
        if self._pending:
            self._flush()
        self._finish_writing()
        return self.runs

    def _flush(self) -> None:
        self._finish_writing()
        pending, self._pending, self._bytes = self._pending, [], 0
        self._writing = self._pool.submit(_write_sorted_run, pending, self._key, self._path(self._count))
        self._count += 1

    def _finish_writing(self) -> None:
        if self._writing is not None:
            self.runs.append(self._writing.result())
            self._writing = None


def _write_sorted_run(tables: list[pa.Table], key: str | None, path: Path) -> Run:
    batch = combine(tables)
    tables.clear()
    if key is None:
        return _write(
            path, "", (batch.slice(i, BATCH_ROWS) for i in range(0, batch.num_rows, BATCH_ROWS)), batch, _NO_KEYS
        )
    keys = batch[key].to_numpy()
    order = np.argsort(keys, kind="stable")
    batches = (batch.take(pa.array(order[i : i + BATCH_ROWS])) for i in range(0, len(order), BATCH_ROWS))
    return _write(path, key, batches, batch, keys[order[::SAMPLE]])


_NO_KEYS: Keys = np.empty(0, dtype=np.int64)


def _write(
    path: Path, key: str, batches: Iterator[pa.RecordBatch], complete_batch: pa.RecordBatch, sample: Keys
) -> Run:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, complete_batch.schema, options=_WRITE) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return Run(path, key, complete_batch.num_rows, sample)


def combine(tables: Sequence[pa.Table]) -> pa.RecordBatch:
    """Return the rows of these tables in one batch."""
    (batch,) = pa.concat_tables(tables).combine_chunks().to_batches() or [_create_empty_batch(tables[0].schema)]
    return batch


def _create_empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def merge_runs(runs: Sequence[SortedRows], key: str, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield all rows in the order of the key, in batches of about `rows`; equal keys keep the order of the runs."""
    for low, high in _split_keys(runs, rows):
        parts = [pa.Table.from_batches([b]) for run in runs for b in run.read_range(low, high) if b.num_rows]
        if parts:
            batch = combine(parts)
            yield batch.take(pa.array(np.argsort(batch[key].to_numpy(), kind="stable")))


def _split_keys(runs: Sequence[SortedRows], rows: int) -> Iterator[tuple[int, int]]:
    limits = np.iinfo(np.int64)
    sample = np.sort(np.concatenate([r.sample for r in runs])) if runs else _NO_KEYS
    step = max(rows // SAMPLE, 1)
    cuts = [limits.min, *(int(k) for k in np.unique(sample[step::step])), limits.max]
    return pairwise(cuts)


def regroup(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield the rows in tables of exactly `rows` rows; the last one may be shorter."""
    pending: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        pending.append(batch)
        count += batch.num_rows
        while count >= rows:
            table = pa.Table.from_batches(pending)
            yield table.slice(0, rows)
            pending = table.slice(rows).to_batches()
            count -= rows
    if count:
        yield pa.Table.from_batches(pending)


def prefetch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches, and compute the next one in the background."""
    with ThreadPoolExecutor(1) as pool:
        next_batch = pool.submit(next, batches, None)
        while (batch := next_batch.result()) is not None:
            next_batch = pool.submit(next, batches, None)
            yield batch

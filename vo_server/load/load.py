"""Bulk loading of a collection: read, validate, index, sort, write, publish.

    reading   each file in chunks; threads parse and validate them and add the HEALPix number; sorted runs go to disk
    sorting   samples of the runs give ranges of equal size
    writing   range by range, the runs are merged into the new generation

Memory is bound by `memory_limit` and not by the number of rows: one run being filled, one being sorted, and a few
blocks; then two or three ranges and the database's own. The scratch files lie beside the new generation and take about
280 bytes for a row of 60 columns, the database about 115.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import pyarrow as pa

from vo_server import __version__
from vo_server.catalogue.catalogue import Collection
from vo_server.engines.data_directory import DataDirectory, NewGeneration
from vo_server.engines.duckdb_sink import ROW_GROUP_ROWS, open_file_target
from vo_server.engines.sink import ExistingRows, LoadTarget, Sink
from vo_server.errors import Code, LoadError
from vo_server.load import region_reach
from vo_server.load.chunks import Chunk, ValidatedChunk, validate
from vo_server.load.coverage import CoverageAccumulator
from vo_server.load.external_sort import Run, RunWriter, merge_runs, prefetch, regroup
from vo_server.load.inventory.complete import RowCompleter
from vo_server.load.rejects import OnError, RejectFile
from vo_server.load.rules import ValueRule, build_rules
from vo_server.load.source import Source
from vo_server.load.statistics import TableStatistics
from vo_server.load.table_files import find_files
from vo_server.model.column import Position
from vo_server.model.statistics import to_json
from vo_server.processes import count_processors
from vo_server.sky import cover

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a load. A total is None while unknown: the rows during reading, the bytes of standard input."""

    phase: Literal["reading", "sorting", "writing"]
    rows: int = 0
    total_rows: int | None = None
    bytes_read: int = 0
    total_bytes: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """The result of a load: `rows` are those that were added, `total` all rows of the published table."""

    rows: int
    total: int
    rejected: int
    rejects: Path | None
    seconds: float
    warnings: tuple[str, ...] = ()


ProgressHandler = Callable[[Progress], None]


def load(
    collection: Collection,
    files: Sequence[str | Path] | Source,
    store: DataDirectory,
    *,
    sink: Sink = open_file_target,
    append: bool = False,
    on_error: OnError = "stop",
    memory_limit: int = 2 * GIB,
    threads: int | None = None,
    progress: ProgressHandler | None = None,
) -> LoadSummary:
    """Load files, or the rows of another source, into a collection; with `append`, in addition to its rows.

    The existing rows are published until the last step, and also if the load fails or is killed. Temporary files are in
    the data folder, wherever the sink stores the rows.

    Raises LoadError.
    """
    started = time.monotonic()
    source = find_files(files) if isinstance(files, Sequence) else files
    with (
        store.open_new_generation(collection.id) as generation,
        sink(collection, generation) as target,
        RejectFile(store.data, collection.id, on_error) as rejects,
    ):
        work = _LoadRun(
            collection,
            generation,
            target,
            rejects,
            memory_limit,
            threads or count_processors(),
            progress or _ignore_progress,
        )
        with (
            _translate_os_errors(store.data),
            target.open_existing(work.schema, work.key) if append else nullcontext() as existing,
        ):
            work.existing_rows = existing.rows if existing else 0
            runs = work.read(source)
            total = work.write(runs, existing, source.names)
        target.publish()
        source.finish()
    seconds = time.monotonic() - started
    return LoadSummary(work.rows, total, rejects.count, rejects.path, seconds, tuple(work.warnings))


@contextmanager
def _translate_os_errors(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LoadError(f"{error.filename or data}: {error.strerror or error}", code=Code.LOAD_FAILED) from error


def _ignore_progress(progress: Progress) -> None:
    pass


@dataclass(slots=True)
class _LoadRun:
    """A running load."""

    collection: Collection
    generation: NewGeneration
    target: LoadTarget
    rejects: RejectFile
    memory: int
    threads: int
    report: ProgressHandler
    existing_rows: int = 0
    rows: int = 0
    bytes: int = 0
    warnings: list[str] = field(default_factory=list)
    coverage: CoverageAccumulator = field(init=False)
    statistics: TableStatistics = field(init=False)

    def __post_init__(self) -> None:
        self.coverage = CoverageAccumulator(self.collection, self.threads)
        self.statistics = TableStatistics(self.collection.table.columns)

    @property
    def key(self) -> str | None:
        """Return the hidden column by which the rows are sorted."""
        return None if self.position is None else self.position.healpix

    @property
    def position(self) -> Position | None:
        """Return the columns of the position."""
        return self.collection.table.position

    @property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the table."""
        fields = [pa.field(c.name, c.type.arrow) for c in self.collection.table.columns]
        return pa.schema(fields if self.key is None else [*fields, pa.field(self.key, pa.int64())])

    def read(self, source: Source) -> list[Run]:
        """Read all rows of the source and return them as sorted runs on disk."""
        with ThreadPoolExecutor(self.threads) as pool:
            run_writer = RunWriter(self.key, self.memory // 8, self._run_path, pool)
            try:
                self._read_into(run_writer, source, pool)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            return run_writer.finish()

    def _run_path(self, number: int) -> Path:
        return self.generation.get_scratch_path(f"{number:05}.run")

    def _read_into(self, run_writer: RunWriter, source: Source, pool: ThreadPoolExecutor) -> None:
        images, described = self.collection.images, source.describe_rows(self.collection)
        complete = (
            _keep_chunk if images is None or described is self.collection else RowCompleter(self.collection, images)
        )
        check = partial(_process_chunk, rules=build_rules(described), position=self.position, complete=complete)
        pending: deque[tuple[str, Future[ValidatedChunk]]] = deque()
        folder = self.generation.store.get_collection_folder(self.collection.id)
        for chunk in source.read_chunks(self.collection, folder, self.warnings.append):
            pending.append((chunk.file, pool.submit(check, chunk)))
            if len(pending) > 2 * self.threads:
                self._store_chunk(*pending.popleft(), run_writer, source)
        while pending:
            self._store_chunk(*pending.popleft(), run_writer, source)

    def _store_chunk(self, file: str, done: Future[ValidatedChunk], run_writer: RunWriter, source: Source) -> None:
        chunk = done.result()
        self.rejects.reject(chunk.rejected)
        run_writer.add(self._number_rows(chunk.table))
        self.rows += chunk.table.num_rows
        self.bytes += chunk.table.nbytes
        meter = source.meter
        self.report(Progress("reading", self.rows, None, meter.read, meter.total, file))

    def _number_rows(self, table: pa.Table) -> pa.Table:
        """Fill the column that numbers the rows, if the catalogue file has one."""
        number = self.collection.files.number
        if number is None:
            return table
        first = self.existing_rows + self.rows + 1
        kind = self.collection.table.get_column(number).type.arrow
        numbers = pa.array(range(first, first + table.num_rows), kind)
        return table.set_column(table.column_names.index(number), number, numbers)

    def write(self, runs: Sequence[Run], existing: ExistingRows | None, names: Sequence[str]) -> int:
        """Write the new generation and return its number of rows."""
        if not self.rows:
            raise LoadError("the files have no rows that can be loaded", code=Code.LOAD_FAILED)
        total = self.rows + (existing.rows if existing else 0)
        self.report(Progress("sorting", 0, total))
        width = max(self.bytes // max(self.rows, 1), 1)
        ranges = _round_to_row_groups(self.memory // 16 // width, 8)
        group = _round_to_row_groups(self.memory // 32 // width, 2)
        tables = regroup(prefetch(self._merge_rows(runs, existing, ranges)), group)
        with self.target.open_writer(self.threads, max(self.memory // 2, GIB)) as writer:
            writer.write_rows(self.schema, self._collect_statistics(tables), self._build_write_progress(total))
            writer.write_meta(self._build_metadata(total, existing, names), self.position)
        return total

    def _merge_rows(self, runs: Sequence[Run], existing: ExistingRows | None, rows: int) -> Iterator[pa.RecordBatch]:
        before = [] if existing is None else [existing]
        if self.key is None:
            return chain(*(run.read_all() for run in before), *(run.read_all() for run in runs))
        return merge_runs([*before, *runs], self.key, rows)

    def _collect_statistics(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Yield the tables, and collect their coverage and statistics."""
        for table in tables:
            self.coverage.add(table)
            self.statistics.add(table)
            yield table

    def _build_write_progress(self, total: int) -> Callable[[int], None]:
        done = 0

        def report_written(rows: int) -> None:
            nonlocal done
            done += rows
            self.report(Progress("writing", done, total))

        return report_written

    def _build_metadata(self, total: int, existing: ExistingRows | None, names: Sequence[str]) -> dict[str, object]:
        return {
            "rows": total,
            "rejected": self.rejects.count,
            "loaded_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "files": [*(existing.files if existing else ()), *names],
            "version": __version__,
            **self.coverage.summarise(),
            "statistics": to_json(self.statistics.statistics),
        }


def _round_to_row_groups(rows: int, max_groups: int) -> int:
    """Round a number of rows to whole row groups of the database, at least one."""
    return min(max(round(rows / ROW_GROUP_ROWS), 1), max_groups) * ROW_GROUP_ROWS


def _keep_chunk(chunk: ValidatedChunk, file: str) -> ValidatedChunk:
    return chunk


def _process_chunk(
    chunk: Chunk,
    rules: Sequence[ValueRule],
    position: Position | None,
    complete: Callable[[ValidatedChunk, str], ValidatedChunk],
) -> ValidatedChunk:
    valid = complete(validate(chunk, rules), chunk.file)
    if position is None:
        return valid
    region_reach.check_reaches(valid.table, position)
    return replace(valid, table=_add_healpix(valid.table, position))


def _add_healpix(table: pa.Table, position: Position) -> pa.Table:
    ra, dec = (table[name].to_numpy() for name in (position.ra, position.dec))
    return table.append_column(position.healpix, pa.array(cover.healpix_index(ra, dec)))

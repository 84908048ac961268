"""The one road of bulk data into a catalogue: read, check, index, sort, write, publish.

    reading   each file in blocks; threads parse and check them, add the HEALPix number, and lay sorted runs on disk
    sorting   the runs say where to cut the sky into ranges of equal size
    writing   range by range the runs are merged into the new generation's database

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
from vo_server.engines.store import Generation, Store
from vo_server.errors import LoadError
from vo_server.load import reach
from vo_server.load.database import ROW_GROUP, file
from vo_server.load.extent import Extent
from vo_server.load.files import files as files_named
from vo_server.load.inventory.complete import Complete
from vo_server.load.pieces import Checked, Piece, checked
from vo_server.load.rejects import OnError, Rejects
from vo_server.load.rules import Rule, rules
from vo_server.load.runs import Run, Spool, ahead, merged, regrouped
from vo_server.load.sink import Earlier, Sink, Target
from vo_server.load.source import Source
from vo_server.load.statistics import Tallies
from vo_server.model.column import Position
from vo_server.model.statistics import to_json
from vo_server.processes import processors
from vo_server.sky import cover

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load is. A total is None as long as it is not known: the rows while they are read, the bytes of
    standard input."""

    phase: Literal["reading", "sorting", "writing"]
    rows: int = 0
    total_rows: int | None = None
    bytes: int = 0
    total_bytes: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did. `rows` are those that came in, `total` those that now serve."""

    rows: int
    total: int
    rejected: int
    rejects: Path | None
    seconds: float
    warnings: tuple[str, ...] = ()


Watch = Callable[[Progress], None]


def load(
    publication: Collection,
    files: Sequence[str | Path] | Source,
    store: Store,
    *,
    sink: Sink = file,
    append: bool = False,
    on_error: OnError = "stop",
    memory_limit: int = 2 * GIB,
    threads: int | None = None,
    progress: Watch | None = None,
) -> Loaded:
    """Load files, or the rows of another source, into a catalogue: in place of its rows or, with `append`, beside them.

    Until the last step the rows of before serve on, and they do whenever the load fails or is killed. What is made on
    the way lies in the store, wherever the sink puts the rows.

    Raises LoadError.
    """
    begun = time.monotonic()
    source = files_named(files) if isinstance(files, Sequence) else files
    with (
        store.writing(publication.id) as generation,
        sink(publication, generation) as target,
        Rejects(store.data, publication.id, on_error) as rejects,
    ):
        work = _Work(
            publication, generation, target, rejects, memory_limit, threads or processors(), progress or _nobody
        )
        with _told(store.data), target.earlier(work.schema, work.key) if append else nullcontext() as earlier:
            work.before = earlier.rows if earlier else 0
            runs = work.read(source)
            total = work.write(runs, earlier, source.names)
        target.publish()
        source.done()
    seconds = time.monotonic() - begun
    return Loaded(work.rows, total, rejects.count, rejects.path, seconds, tuple(work.warnings))


@contextmanager
def _told(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LoadError(f"{error.filename or data}: {error.strerror or error}") from error


def _nobody(progress: Progress) -> None:
    pass


@dataclass(slots=True)
class _Work:
    """One load under way."""

    publication: Collection
    generation: Generation
    target: Target
    rejects: Rejects
    memory: int
    threads: int
    watch: Watch
    before: int = 0
    rows: int = 0
    bytes: int = 0
    warnings: list[str] = field(default_factory=list)
    extent: Extent = field(init=False)
    tallies: Tallies = field(init=False)

    def __post_init__(self) -> None:
        self.extent = Extent(self.publication, self.threads)
        self.tallies = Tallies(self.publication.table.columns)

    @property
    def key(self) -> str | None:
        """The hidden column by which the rows are sorted."""
        return None if self.position is None else self.position.healpix

    @property
    def position(self) -> Position | None:
        """The columns of the position."""
        return self.publication.table.position

    @property
    def schema(self) -> pa.Schema:
        """The finished table as Arrow sees it."""
        fields = [pa.field(c.name, c.type.arrow) for c in self.publication.table.columns]
        return pa.schema(fields if self.key is None else [*fields, pa.field(self.key, pa.int64())])

    def read(self, source: Source) -> list[Run]:
        """All that the source has, as sorted runs on disk."""
        with ThreadPoolExecutor(self.threads) as pool:
            spool = Spool(self.key, self.memory // 8, self._run_path, pool)
            try:
                self._read_into(spool, source, pool)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            return spool.finish()

    def _run_path(self, number: int) -> Path:
        return self.generation.scratch(f"{number:05}.run")

    def _read_into(self, spool: Spool, source: Source, pool: ThreadPoolExecutor) -> None:
        images, said = self.publication.images, source.said(self.publication)
        whole = _as_it_is if images is None or said is self.publication else Complete(self.publication, images)
        check = partial(_checked, rules=rules(said), position=self.position, complete=whole)
        at_work: deque[tuple[str, Future[Checked]]] = deque()
        folder = self.generation.store.folder(self.publication.id)
        for piece in source.pieces(self.publication, folder, self.warnings.append):
            at_work.append((piece.file, pool.submit(check, piece)))
            if len(at_work) > 2 * self.threads:
                self._take(*at_work.popleft(), spool, source)
        while at_work:
            self._take(*at_work.popleft(), spool, source)

    def _take(self, file: str, done: Future[Checked], spool: Spool, source: Source) -> None:
        found = done.result()
        self.rejects.take(found.bad)
        spool.add(self._numbered(found.table))
        self.rows += found.table.num_rows
        self.bytes += found.table.nbytes
        gauge = source.gauge
        self.watch(Progress("reading", self.rows, None, gauge.read, gauge.total, file))

    def _numbered(self, table: pa.Table) -> pa.Table:
        """The rows with their numbers, where the files have none and the catalogue asks for them."""
        number = self.publication.files.number
        if number is None:
            return table
        first = self.before + self.rows + 1
        kind = self.publication.table.column(number).type.arrow
        numbers = pa.array(range(first, first + table.num_rows), kind)
        return table.set_column(table.column_names.index(number), number, numbers)

    def write(self, runs: Sequence[Run], earlier: Earlier | None, names: Sequence[str]) -> int:
        """The new generation's database; how many rows it has."""
        if not self.rows:
            raise LoadError("the files have no rows that can be loaded")
        total = self.rows + (earlier.rows if earlier else 0)
        self.watch(Progress("sorting", 0, total))
        width = max(self.bytes // max(self.rows, 1), 1)
        ranges = _row_groups(self.memory // 16 // width, 8)
        group = _row_groups(self.memory // 32 // width, 2)
        tables = regrouped(ahead(self._sorted(runs, earlier, ranges)), group)
        with self.target.filling(self.threads, max(self.memory // 2, GIB)) as filling:
            filling.write_rows(self.schema, self._seen(tables), self._writing(total))
            filling.write_meta(self._meta(total, earlier, names), self.position)
        return total

    def _sorted(self, runs: Sequence[Run], earlier: Earlier | None, rows: int) -> Iterator[pa.RecordBatch]:
        before = [] if earlier is None else [earlier]
        if self.key is None:
            return chain(*(run.all() for run in before), *(run.all() for run in runs))
        return merged([*before, *runs], self.key, rows)

    def _seen(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """The same tables, looked at for what their rows cover and which values they have."""
        for table in tables:
            self.extent.add(table)
            self.tallies.add(table)
            yield table

    def _writing(self, total: int) -> Callable[[int], None]:
        done = 0

        def written(rows: int) -> None:
            nonlocal done
            done += rows
            self.watch(Progress("writing", done, total))

        return written

    def _meta(self, total: int, earlier: Earlier | None, names: Sequence[str]) -> dict[str, object]:
        return {
            "rows": total,
            "rejected": self.rejects.count,
            "loaded_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "files": [*(earlier.files if earlier else ()), *names],
            "version": __version__,
            **self.extent.facts(),
            "statistics": to_json(self.tallies.statistics),
        }


def _row_groups(rows: int, most: int) -> int:
    """The number of rows in about so many, in whole row groups of the database, of which one at least."""
    return min(max(round(rows / ROW_GROUP), 1), most) * ROW_GROUP


def _as_it_is(found: Checked, file: str) -> Checked:
    return found


def _checked(
    piece: Piece, rules: Sequence[Rule], position: Position | None, complete: Callable[[Checked, str], Checked]
) -> Checked:
    found = complete(checked(piece, rules), piece.file)
    if position is None:
        return found
    reach.check(found.table, position)
    return replace(found, table=_indexed(found.table, position))


def _indexed(table: pa.Table, position: Position) -> pa.Table:
    ra, dec = (table[name].to_numpy() for name in (position.ra, position.dec))
    return table.append_column(position.healpix, pa.array(cover.index(ra, dec)))

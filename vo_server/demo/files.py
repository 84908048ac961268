"""The files of a synthetic release: named, cut and compressed as the real ones."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from string import ascii_lowercase
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from vo_server.demo.columns import SampleColumn
from vo_server.demo.text import BulkText

Progress = Callable[[int], None]
"""Told the number of rows written so far."""

GZIP_LEVEL = 1


def file_names(catalogue: str, hemisphere: str) -> Iterator[str]:
    """psc_aaa, psc_aab, .. psc_aba, ..; hemisphere is ``a`` (south) or ``b`` (north)."""
    for number in count():
        first, second = divmod(number, 26)
        yield f"{catalogue}_{hemisphere}{ascii_lowercase[first]}{ascii_lowercase[second]}"


@dataclass
class _Hemisphere:
    """The files of one side of the equator: each is begun when the one before has its share of
    rows."""

    folder: Path
    names: Iterator[str]
    rows_per_file: int
    compress: bool
    paths: list[Path] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _file: IO[bytes] | gzip.GzipFile | None = None
    _room: int = 0

    def _begin(self) -> IO[bytes] | gzip.GzipFile:
        self.close()
        path = self.folder / (next(self.names) + (".gz" if self.compress else ""))
        self.paths.append(path)
        self._room = self.rows_per_file
        raw = self._stack.enter_context(path.open("wb"))
        if not self.compress:
            return raw
        # No name and no time in the header: the same rows give the same bytes.
        packed = gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=raw, mtime=0)
        self._stack.enter_context(packed)
        return packed

    def write(self, text: BulkText, batch: pa.RecordBatch) -> None:
        while batch.num_rows:
            if self._file is None or self._room == 0:
                self._file = self._begin()
            here = batch.slice(0, self._room)
            for lines in text.lines(here):
                self._file.write(lines)
            self._room -= here.num_rows
            batch = batch.slice(here.num_rows)

    def close(self) -> None:
        self._stack.close()
        self._file = None


def write_files(
    folder: Path,
    catalogue: str,
    columns: tuple[SampleColumn, ...],
    batches: Iterable[pa.RecordBatch],
    *,
    rows_per_file: int,
    compress: bool,
    progress: Progress | None,
) -> list[Path]:
    """Write the batches, those south of the equator to their own files, and tell the paths in
    order."""
    folder.mkdir(parents=True, exist_ok=True)
    text, done = BulkText(columns), 0
    south, north = (
        _Hemisphere(folder, file_names(catalogue, letter), rows_per_file, compress) for letter in ("a", "b")
    )
    try:
        for batch in batches:
            southern = pc.less(batch["decl"], 0.0)
            south.write(text, batch.filter(southern))
            north.write(text, batch.filter(pc.invert(southern)))
            done += batch.num_rows
            if progress is not None:
                progress(done)
    finally:
        south.close()
        north.close()
    return south.paths + north.paths

"""The bulk files of a synthetic release: named, split and compressed as those of the real one."""

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

from vo_server.demo.bulk_text import BulkTextWriter
from vo_server.demo.columns import DemoColumn

Progress = Callable[[int], None]
"""Called with the number of rows written so far."""

GZIP_LEVEL = 1


def generate_file_names(catalogue: str, hemisphere: str) -> Iterator[str]:
    """Yield psc_aaa, psc_aab, ... psc_aba, ...; the hemisphere is `a` (south) or `b` (north)."""
    for number in count():
        first, second = divmod(number, 26)
        yield f"{catalogue}_{hemisphere}{ascii_lowercase[first]}{ascii_lowercase[second]}"


@dataclass
class _HemisphereWriter:
    """The files of one hemisphere: the next file is opened when the current one has its number of rows."""

    folder: Path
    names: Iterator[str]
    rows_per_file: int
    compress: bool
    paths: list[Path] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _file: IO[bytes] | gzip.GzipFile | None = None
    _rows_left: int = 0

    def _open_next(self) -> IO[bytes] | gzip.GzipFile:
        self.close()
        path = self.folder / (next(self.names) + (".gz" if self.compress else ""))
        self.paths.append(path)
        self._rows_left = self.rows_per_file
        raw = self._stack.enter_context(path.open("wb"))
        if not self.compress:
            return raw
        # No name and no time in the header: the same rows give the same bytes.
        packed = gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=raw, mtime=0)
        self._stack.enter_context(packed)
        return packed

    def write(self, text: BulkTextWriter, batch: pa.RecordBatch) -> None:
        """Write a batch, to several files if necessary."""
        while batch.num_rows:
            if self._file is None or self._rows_left == 0:
                self._file = self._open_next()
            here = batch.slice(0, self._rows_left)
            for lines in text.format_rows(here):
                self._file.write(lines)
            self._rows_left -= here.num_rows
            batch = batch.slice(here.num_rows)

    def close(self) -> None:
        """Close the current file."""
        self._stack.close()
        self._file = None


def write_files(
    folder: Path,
    catalogue: str,
    columns: tuple[DemoColumn, ...],
    batches: Iterable[pa.RecordBatch],
    *,
    rows_per_file: int,
    compress: bool,
    progress: Progress | None,
) -> list[Path]:
    """Write the batches, each hemisphere to its own files, and return the paths in order, south first."""
    folder.mkdir(parents=True, exist_ok=True)
    text, done = BulkTextWriter(columns), 0
    south, north = (
        _HemisphereWriter(folder, generate_file_names(catalogue, letter), rows_per_file, compress)
        for letter in ("a", "b")
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

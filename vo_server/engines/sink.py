"""The interface through which a load writes rows into an engine's storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from vo_server.catalogue.catalogue import Collection
from vo_server.engines.data_directory import NewGeneration
from vo_server.errors import Code, LoadError
from vo_server.model.column import Position

SAMPLE = 256
"""Rows of sorted files and tables for each key that is sampled."""

Keys = np.ndarray[Any, np.dtype[np.int64]]
"""Keys of rows: an int64 array of shape (rows,)."""


class ExistingRows(Protocol):
    """The served rows, in the order of their key, and the names of the files that they were loaded from."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def sample(self) -> Keys:
        """Every SAMPLE-th key, from the first on."""

    @property
    def files(self) -> Sequence[str]:
        """The names of the source files."""

    def read_range(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with low <= key < high, in order."""

    def read_all(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows, in order."""


class TableWriter(Protocol):
    """A writer of the rows and facts of a new generation."""

    def write_rows(self, schema: pa.Schema, tables: Iterable[pa.Table], written: Callable[[int], None]) -> None:
        """Write the rows, in order; `written` is called with the number of rows of each stored group."""

    def write_meta(self, facts: Mapping[str, object], position: Position | None) -> None:
        """Write the facts about the rows, and the bounds of their positions."""


class LoadTarget(Protocol):
    """A new generation of one collection, which is not served before it is published."""

    def open_existing(self, schema: pa.Schema, key: str | None) -> AbstractContextManager[ExistingRows | None]:
        """Open the served rows; None if there are none.

        Raises LoadError (LOAD.MISMATCH) if their columns differ from the schema.
        """

    def open_writer(self, threads: int, memory: int) -> AbstractContextManager[TableWriter]:
        """Open the generation for writing with a number of threads and a memory limit in bytes.

        Raises LoadError if it cannot be written.
        """

    def publish(self) -> None:
        """Make this the served generation."""


Sink = Callable[[Collection, NewGeneration], AbstractContextManager[LoadTarget]]
"""Opens the target of a load; the generation provides scratch files and a lock on this machine."""


def make_mismatch_error() -> LoadError:
    """Return the error of an append to rows with other columns."""
    return LoadError(
        "the served rows have other columns than the catalogue file now describes",
        hint="load without --append",
        code=Code.LOAD_MISMATCH,
    )

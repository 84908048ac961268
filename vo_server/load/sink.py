"""Where a load puts its rows: into a file of DuckDB (database.py) or a database of PostgreSQL (postgres.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import pyarrow as pa

from vo_server.catalogue.catalogue import Collection
from vo_server.engines.store import Generation
from vo_server.load.runs import Keys
from vo_server.model.column import Position


class Earlier(Protocol):
    """The rows that serve now, in the order of their key, and the names of the files that they came from."""

    @property
    def rows(self) -> int:
        """How many there are."""

    @property
    def sample(self) -> Keys:
        """Every SAMPLE-th key, from the first."""

    @property
    def files(self) -> Sequence[str]:
        """Where they came from."""

    def between(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """The rows with low <= key < high, in order."""

    def all(self) -> Iterator[pa.RecordBatch]:
        """Every row, in order."""


class Filling(Protocol):
    """A new generation being filled."""

    def write_rows(self, schema: pa.Schema, tables: Iterable[pa.Table], written: Callable[[int], None]) -> None:
        """The rows, in order; `written` hears of each group that is in."""

    def write_meta(self, facts: Mapping[str, object], position: Position | None) -> None:
        """What is to be known of them, and the bounds of their positions."""


class Target(Protocol):
    """A new generation of one publication, which nobody reads before it is published."""

    def earlier(self, schema: pa.Schema, key: str | None) -> AbstractContextManager[Earlier | None]:
        """The rows that serve now, None where there are none.

        Raises LoadError when their columns are others than those of the schema.
        """

    def filling(self, threads: int, memory: int) -> AbstractContextManager[Filling]:
        """The generation until it is complete and closed.

        Raises LoadError when it cannot be written.
        """

    def publish(self) -> None:
        """Make it the one that serves."""


Sink = Callable[[Collection, Generation], AbstractContextManager[Target]]
"""Makes the target of a load; the generation gives scratch files, and its lock on this machine."""

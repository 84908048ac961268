"""The record of an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vo_server.adql.planning.cells import CellJoin
from vo_server.engines.engine import QueryPlan
from vo_server.model.column import Column, Table


@dataclass(frozen=True, slots=True)
class IndexCoverage:
    """The part of the index that is read: ranges of HEALPix numbers (nested, order 29; first and last, both included),
    the part of the sky that they cover (0 to 1), and about how many rows are in it; None where that is not known."""

    ranges: tuple[tuple[int, int], ...]
    sky: float
    rows: int | None


@dataclass(frozen=True, slots=True)
class TableRead:
    """A table that is read, under its name in the query. `rows` is how many it has; `coverage` is None if all of it is
    read."""

    name: str
    table: Table
    rows: int | None
    coverage: IndexCoverage | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated length of the answer.

    `unlimited_rows` is the number of rows before TOP and MAXREC limit them to `max_rows`, and `rows` after; both are
    None where nothing is known. `index` and `engine` are the estimates of the index ranges and of the engine's plan.
    Where a region of sky is the only condition, `unlimited_rows` is that of the index, as engines know nothing of the
    sky; else the smaller of both. `bytes` is the size of the answer by the name of its format.
    """

    rows: int | None
    unlimited_rows: int | None
    index: int | None
    engine: int | None
    max_rows: int
    bytes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a query would do. `text` is the query as it was written, `maxrec` the limit that it was sent with.

    `warnings` are on its meaning, `advice` is on what makes it slow.
    """

    text: str
    maxrec: int
    columns: tuple[Column, ...]
    warnings: tuple[str, ...]
    advice: tuple[str, ...]
    reads: tuple[TableRead, ...]
    joins: tuple[CellJoin, ...]
    engine: QueryPlan
    estimate: Estimate

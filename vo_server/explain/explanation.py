"""The record of what a query would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vo_server.adql.planning.cells import CellJoin
from vo_server.engines.engine import Explained
from vo_server.model.column import Column, Table


@dataclass(frozen=True, slots=True)
class Stretches:
    """What of the index is read: ranges of HEALPix numbers (nested, order 29; first and last, both included), the part
    of the sky that they cover (0 to 1), and about how many rows lie in so much of it; None where that is not known."""

    ranges: tuple[tuple[int, int], ...]
    sky: float
    rows: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A table that is read, under its name in the query. `rows` is how many it has; `stretches` None for all of it."""

    name: str
    table: Table
    rows: int | None
    stretches: Stretches | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long the answer may be.

    `found` is how many rows there may be and `rows` how many of them would come, as there are at most `most`, by TOP
    and MAXREC; both are None where nothing tells. `index` and `engine` are what the index ranges and the engine's plan
    say. Where a region of sky decides alone `found` is that of the index, as engines know nothing of the sky; else the
    smaller of both. `bytes` is the size of the answer by the name of its format.
    """

    rows: int | None
    found: int | None
    index: int | None
    engine: int | None
    most: int
    bytes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a query would do. `text` is the query as it was written, `maxrec` the limit that it was asked with.

    `warnings` are on its meaning, `advice` is on what makes it slow.
    """

    text: str
    maxrec: int
    columns: tuple[Column, ...]
    warnings: tuple[str, ...]
    advice: tuple[str, ...]
    readings: tuple[Reading, ...]
    joins: tuple[CellJoin, ...]
    engine: Explained
    estimate: Estimate

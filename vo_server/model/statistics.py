"""What is known of the values of a column: the ends of their range, how many are missing, and all, if they are few."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from vo_server.model.column import Table

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Statistic:
    """Of one column: the smallest and the largest value (times in ISO 8601), None for types without an order and where
    there is none; how many rows have no value; the different values in order, None where they are more than a few."""

    low: Value | None = None
    high: Value | None = None
    nulls: int = 0
    values: tuple[Value, ...] | None = None


def spoken(known: Statistic) -> str:
    """The values for a person to read: all, if they are few, else the ends of their range."""
    if known.values is not None and len(known.values) <= _SHOWN:
        return ", ".join(map(_spoken, known.values))
    return "" if known.low is None or known.high is None else f"{_spoken(known.low)} to {_spoken(known.high)}"


_SHOWN = 10


def _spoken(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.7g}" if isinstance(value, float) else str(value)


def to_json(statistics: Mapping[str, Statistic]) -> str:
    """The statistics of a table's columns as a text to be kept with its rows."""
    return json.dumps({name: asdict(each) for name, each in statistics.items()}, allow_nan=False)


def shown(table: Table, statistics: Mapping[str, Statistic]) -> dict[str, Statistic]:
    """Those of a table, or of a view on it under the names there."""
    source = table.source or {c.name: c.name for c in table.columns}
    return {name: statistics[behind] for name, behind in source.items() if behind in statistics}


def from_json(text: str | None) -> dict[str, Statistic]:
    """The statistics from their text; none from none."""
    read = {name: Statistic(**each) for name, each in json.loads(text).items()} if text else {}
    return {
        name: replace(each, values=None if each.values is None else tuple(each.values)) for name, each in read.items()
    }

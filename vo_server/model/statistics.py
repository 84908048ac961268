"""Statistics of the values of a column: range, number of nulls, and all distinct values if they are few."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from vo_server.model.column import Table

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Statistic:
    """The statistic of one column.

    `low` and `high` are the smallest and the largest value (times in ISO 8601), None for types without an order and for
    columns without values; `nulls` is the number of rows without a value; `values` are the distinct values in order,
    None if there are many.
    """

    low: Value | None = None
    high: Value | None = None
    nulls: int = 0
    values: tuple[Value, ...] | None = None


def format_range(statistic: Statistic) -> str:
    """Return the values in readable form: all of them if they are few, otherwise the ends of their range."""
    if statistic.values is not None and len(statistic.values) <= _MAX_LISTED_VALUES:
        return ", ".join(map(_format_value, statistic.values))
    if statistic.low is None or statistic.high is None:
        return ""
    return f"{_format_value(statistic.low)} to {_format_value(statistic.high)}"


_MAX_LISTED_VALUES = 10


def _format_value(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.7g}" if isinstance(value, float) else str(value)


def to_json(statistics: Mapping[str, Statistic]) -> str:
    """Return the statistics of the columns of a table as JSON, which is stored with the rows."""
    return json.dumps({name: asdict(each) for name, each in statistics.items()}, allow_nan=False)


def for_view(table: Table, statistics: Mapping[str, Statistic]) -> dict[str, Statistic]:
    """Return the statistics of the columns of a table or view under the names of its columns."""
    source = table.source or {c.name: c.name for c in table.columns}
    return {name: statistics[behind] for name, behind in source.items() if behind in statistics}


def from_json(text: str | None) -> dict[str, Statistic]:
    """Return the statistics from their JSON; none if there is no text."""
    read = {name: Statistic(**each) for name, each in json.loads(text).items()} if text else {}
    return {
        name: replace(each, values=None if each.values is None else tuple(each.values)) for name, each in read.items()
    }

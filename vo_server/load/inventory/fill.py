"""A row of the inventory from an image file: each column by its rule in the catalogue file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from vo_server.catalogue.images import CLOCKS, Fill, ImageCollection
from vo_server.load.inventory.header import ImageHeader, InventoryError
from vo_server.load.inventory.sky import locate_image
from vo_server.model.mjd import to_mjd
from vo_server.storage.listing import ListedFile

RowValues = dict[str, Any]
_PIVOT_YEAR = 50
"""Two-digit years from here on belong to the 20th century."""
_INTEGER_PATTERN = re.compile(r"\s*[-+]?\d+\s*", re.ASCII)


def build_row(images: ImageCollection, listed_file: ListedFile, header: ImageHeader) -> RowValues:
    """Return the values of the columns that the collection fills from its files.

    Raises InventoryError for a value that does not fit its column, and for a file name that matches no pattern.
    """
    name = listed_file.path.rpartition("/")[2]
    sky = locate_image(header)
    if images.reach is not None and sky["fov"] / 2 > images.reach:
        raise InventoryError(f"it extends {sky['fov'] / 2:.3g} deg from its centre; the limit is {images.reach:g}")
    file = {"path": listed_file.path, "name": name, "size": listed_file.size}
    sources: dict[str, Callable[[str], object]] = {
        "header": lambda keywords: join_values([header.get(keyword) for keyword in keywords.split()]),
        "file": file.get,
        "sky": sky.get,
        "name": match_name(images.names, name).get,
        "value": lambda value: value,
    }
    values: RowValues = {}
    for fill in images.fills:
        values[fill.column] = (
            format_text(fill.spec, values)
            if fill.source == "text"
            else convert_value(fill, sources[fill.source](fill.spec))
        )
    return values


def format_text(text: str, values: RowValues) -> str | None:
    """Return a template with the values of columns in place of their names in braces; None where one is missing."""
    try:
        return text.format_map({name: value for name, value in values.items() if value is not None})
    except KeyError:
        return None


def match_name(patterns: tuple[str, ...], name: str) -> dict[str, str]:
    """Return the named groups of the first pattern that matches the name of a file.

    Raises InventoryError where none matches.
    """
    if not patterns:
        return {}
    match = next((m for p in patterns if (m := _compile(p).search(name))), None)
    if match is None:
        raise InventoryError("its name matches no pattern of the collection")
    return match.groupdict()


@lru_cache(maxsize=64)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def join_values(values: list[object]) -> object:
    """Return the value of one keyword, or those of several joined as a date and a time; None where one is missing."""
    if len(values) == 1:
        return values[0]
    return None if None in values else "T".join(str(v).strip() for v in values)


def convert_value(fill: Fill, value: object) -> object:
    """Return the published form of a header's value; a published form stays as it is.

    Raises InventoryError for a value that does not fit its column.
    """
    if isinstance(value, str):
        value = value.strip()
    if value in (None, "") or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if fill.values:
        choices = dict(fill.values)
        if str(value) in choices.values():
            return value
        if str(value) not in choices:
            raise InventoryError(f"{fill.spec} is {value!r}, not one of {', '.join(choices)}")
        value = choices[str(value)]
    return _convert_type(fill, value)


def _convert_type(fill: Fill, value: object) -> object:
    if fill.source in ("sky", "file"):
        return value
    try:
        if fill.clock is not None:
            return to_mjd(parse_date_time(str(value))) + CLOCKS[fill.clock]
        return _CONVERTERS[fill.kind](fill, value)
    except (ValueError, OverflowError):
        raise InventoryError(f"{fill.spec} is {value!r}, not {_EXPECTED[fill.kind]}") from None


def _to_integer(fill: Fill, value: object) -> int:
    number = int(value) if isinstance(value, str) and _INTEGER_PATTERN.fullmatch(value) else float(str(value))
    scaled = number if (fill.scale, fill.offset) == (1, 0) else number * fill.scale + fill.offset
    if scaled != round(scaled) or abs(scaled) >= 2**63:
        raise ValueError
    return round(scaled)


def _to_real(fill: Fill, value: object) -> float:
    number = float(str(value)) * fill.scale + fill.offset
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _to_boolean(fill: Fill, value: object) -> bool:
    if str(value).upper() not in ("TRUE", "FALSE", "T", "F"):
        raise ValueError
    return str(value).upper().startswith("T")


_CONVERTERS: dict[str, Callable[[Fill, object], object]] = {
    "integer": _to_integer,
    "real": _to_real,
    "boolean": _to_boolean,
    "text": lambda fill, value: str(value),
    "time": lambda fill, value: parse_date_time(str(value)),
    "date": lambda fill, value: parse_date_time(str(value)).date(),
}
_EXPECTED = {
    "integer": "a whole number",
    "real": "a number",
    "boolean": "T or F",
    "text": "a text",
    "time": "a date and a time",
    "date": "a date",
}

_DATE_PATTERNS = (
    (re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](.+))?"), (1, 2, 3)),
    (re.compile(r"(\d\d)(\d\d)(\d\d)(?:[T ](.+))?"), (1, 2, 3)),
    (re.compile(r"(\d\d)/(\d\d)/(\d\d)(?:[T ](.+))?"), (3, 2, 1)),
)
"""The forms of dates in headers: ISO 8601, yymmdd, and dd/mm/yy as before 2000 (FITS 4.0 section 4.4.2.1)."""


def parse_date_time(text: str) -> datetime:
    """Return a date, with a time or without, in any of the forms of headers.

    Raises ValueError for any other form.
    """
    for form, order in _DATE_PATTERNS:
        if match := form.fullmatch(text.strip()):
            year, month, day = (int(match[n]) for n in order)
            year += 0 if year >= 100 else 1900 if year >= _PIVOT_YEAR else 2000
            return datetime.combine(date(year, month, day), _parse_time(match[4]))
    raise ValueError(text)


def _parse_time(text: str | None) -> time:
    if text is None:
        return time()
    hours, minutes, seconds = [*text.removesuffix("Z").split(":"), "0"][:3]
    whole = min(round(float(seconds) * 1e6), 59_999_999)
    return time(int(hours), int(minutes), whole // 10**6, whole % 10**6)

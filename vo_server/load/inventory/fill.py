"""A row of the inventory from an image's file: each column by the rule that the catalogue file gives for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from vo_server.catalogue.images import CLOCKS, Fill, Images
from vo_server.load.inventory.header import Header, Refused
from vo_server.load.inventory.sky import place
from vo_server.storage.listing import Listed

Row = dict[str, Any]
_PIVOT = 50
"""Years of two digits from here on are of the 20th century."""
_MJD_OF_1970 = 40_587
_WHOLE = re.compile(r"\s*[-+]?\d+\s*", re.ASCII)


def row(images: Images, listed: Listed, header: Header) -> Row:
    """The columns that the collection fills.

    Raises Refused where a value is not of its column's kind or the name is none of the collection's.
    """
    name = listed.path.rpartition("/")[2]
    sky = place(header)
    if images.reach is not None and sky["fov"] / 2 > images.reach:
        raise Refused(f"it reaches {sky['fov'] / 2:.3g} deg from its centre, where {images.reach:g} is the most")
    file = {"path": listed.path, "name": name, "size": listed.size}
    sources: dict[str, Callable[[str], object]] = {
        "header": lambda said: joined([header.value(keyword) for keyword in said.split()]),
        "file": file.get,
        "sky": sky.get,
        "name": groups(images.names, name).get,
        "value": lambda said: said,
    }
    made: Row = {}
    for fill in images.fills:
        made[fill.column] = (
            formatted(fill.said, made) if fill.source == "text" else filled(fill, sources[fill.source](fill.said))
        )
    return made


def formatted(text: str, values: Row) -> str | None:
    """A text with columns in braces; None where one of them is missing."""
    try:
        return text.format_map({name: value for name, value in values.items() if value is not None})
    except KeyError:
        return None


def groups(patterns: tuple[str, ...], name: str) -> dict[str, str]:
    """What the patterns find in the name of a file.

    Raises Refused where none fits.
    """
    if not patterns:
        return {}
    match = next((m for p in patterns if (m := _compiled(p).search(name))), None)
    if match is None:
        raise Refused("its name is none of the collection's")
    return match.groupdict()


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def joined(values: list[object]) -> object:
    """The value of one keyword, or those of several as a date and a time."""
    if len(values) == 1:
        return values[0]
    return None if None in values else "T".join(str(v).strip() for v in values)


def filled(fill: Fill, found: object) -> object:
    """What is published for a value as a header has it; one that is published already stays.

    Raises Refused where it is not of its column's kind.
    """
    if isinstance(found, str):
        found = found.strip()
    if found in (None, "") or (isinstance(found, float) and not math.isfinite(found)):
        return None
    if fill.values:
        known = dict(fill.values)
        if str(found) in known.values():
            return found
        if str(found) not in known:
            raise Refused(f"{fill.said} is {found!r}, where one of {', '.join(known)} is needed")
        found = known[str(found)]
    return _typed(fill, found)


def _typed(fill: Fill, found: object) -> object:
    if fill.source in ("sky", "file"):
        return found
    try:
        if fill.clock is not None:
            return _days(moment(str(found))) + CLOCKS[fill.clock]
        return _KINDS[fill.kind](fill, found)
    except (ValueError, OverflowError):
        raise Refused(f"{fill.said} is {found!r}, where {_WANTED[fill.kind]} is needed") from None


def _integer(fill: Fill, found: object) -> int:
    number = int(found) if isinstance(found, str) and _WHOLE.fullmatch(found) else float(str(found))
    scaled = number if (fill.scale, fill.offset) == (1, 0) else number * fill.scale + fill.offset
    if scaled != round(scaled) or abs(scaled) >= 2**63:
        raise ValueError
    return round(scaled)


def _real(fill: Fill, found: object) -> float:
    number = float(str(found)) * fill.scale + fill.offset
    if isinstance(found, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _truth(fill: Fill, found: object) -> bool:
    if str(found).upper() not in ("TRUE", "FALSE", "T", "F"):
        raise ValueError
    return str(found).upper().startswith("T")


_KINDS: dict[str, Callable[[Fill, object], object]] = {
    "integer": _integer,
    "real": _real,
    "boolean": _truth,
    "text": lambda fill, found: str(found),
    "time": lambda fill, found: moment(str(found)),
    "date": lambda fill, found: moment(str(found)).date(),
}
_WANTED = {
    "integer": "a whole number",
    "real": "a number",
    "boolean": "T or F",
    "text": "a text",
    "time": "a date and a time",
    "date": "a date",
}

_FORMS = (
    (re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](.+))?"), (1, 2, 3)),
    (re.compile(r"(\d\d)(\d\d)(\d\d)(?:[T ](.+))?"), (1, 2, 3)),
    (re.compile(r"(\d\d)/(\d\d)/(\d\d)(?:[T ](.+))?"), (3, 2, 1)),
)
"""How dates are written in headers: ISO 8601, yymmdd, and dd/mm/yy as before 2000 (FITS 4.0 section 4.4.2.1)."""


def moment(text: str) -> datetime:
    """A date, with a time or without, in any of the forms of headers.

    Raises ValueError.
    """
    for form, order in _FORMS:
        if match := form.fullmatch(text.strip()):
            year, month, day = (int(match[n]) for n in order)
            year += 0 if year >= 100 else 1900 if year >= _PIVOT else 2000
            return datetime.combine(date(year, month, day), _time(match[4]))
    raise ValueError(text)


def _time(text: str | None) -> time:
    if text is None:
        return time()
    hours, minutes, seconds = [*text.removesuffix("Z").split(":"), "0"][:3]
    whole = min(round(float(seconds) * 1e6), 59_999_999)
    return time(int(hours), int(minutes), whole // 10**6, whole % 10**6)


def _days(moment: datetime) -> float:
    """Modified Julian date."""
    return moment.replace(tzinfo=UTC).timestamp() / 86_400 + _MJD_OF_1970

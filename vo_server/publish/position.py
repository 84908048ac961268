"""The search for the position columns of a table: right ascension and declination, ICRS, in degrees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vo_server.publish.profile import ColumnProfile
from vo_server.publish.ucds import normalise_ucd

_PARTNERS = {
    "ra": ("dec", "de", "decl"), "raj2000": ("dej2000", "decj2000", "declj2000"), "raicrs": ("deicrs", "decicrs"),
    "radeg": ("decdeg", "dedeg", "decldeg"), "radegrees": ("decdegrees",), "ra2000": ("dec2000", "de2000"),
    "rightascension": ("declination",), "ramean": ("decmean",), "meanra": ("meandec",), "alphaj2000": ("deltaj2000",),
    "alpha": ("delta",), "alphasky": ("deltasky",), "sra": ("sdec",), "coordra": ("coorddec",),
    "skycoordra": ("skycoorddec",), "posra": ("posdec",), "raepoch2000": ("decepoch2000",),
    "alphawinj2000": ("deltawinj2000",), "targetra": ("targetdec",), "objra": ("objdec",),
    "centerra": ("centerdec",), "raj2000deg": ("dej2000deg", "decj2000deg"),
}  # fmt: skip
"""Names of right ascensions, the most likely first, and of their declinations: letters and digits only, in lower
case."""


@dataclass(frozen=True, slots=True)
class PositionColumns:
    """The names of both columns in the file, and the reason of the choice."""

    ra: str
    dec: str
    why: str


@dataclass(frozen=True, slots=True)
class NoPosition:
    """The reason why a table has no position."""

    why: str


def find_position(columns: Sequence[ColumnProfile]) -> PositionColumns | NoPosition:
    """Return the first pair of columns that are positions in degrees, or the reason why there is none."""
    problems: list[str] = []
    for ra, dec, why in _list_candidates(columns):
        problem = _find_problem(ra, 0, 360) or _find_problem(dec, -90, 90)
        if problem is None:
            return PositionColumns(ra.column.name, dec.column.name, why)
        problems.append(problem)
    if problems:
        return NoPosition("; ".join(dict.fromkeys(problems)))
    return NoPosition(
        _describe_other_frames(columns)
        or "no two columns have names, UCDs and values of right ascension and declination"
    )


def _list_candidates(columns: Sequence[ColumnProfile]) -> Iterator[tuple[ColumnProfile, ColumnProfile, str]]:
    """Yield pairs of columns that may be positions with the reason, the most likely first."""
    ucds = {c.column.name: normalise_ucd(c.column.ucd)[0] or "" for c in columns}
    for suffix in (";meta.main", ""):
        ras = [c for c in columns if ucds[c.column.name] == f"pos.eq.ra{suffix}"]
        decs = [c for c in columns if ucds[c.column.name] == f"pos.eq.dec{suffix}"]
        for ra, dec in zip(ras, decs, strict=False):
            yield ra, dec, "by their UCDs"
    by_name = {_to_key(c.column.name): c for c in reversed(columns)}
    for ra_name, partners in _PARTNERS.items():
        for partner in partners:
            if ra_name in by_name and partner in by_name:
                yield by_name[ra_name], by_name[partner], "by their names and values"


def _to_key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _find_problem(profile: ColumnProfile, low: float, high: float) -> str | None:
    """Return the reason why a column is no coordinate within these bounds, None if there is no reason."""
    column, statistic = profile.column, profile.statistic
    unit = (column.unit or "deg").strip().lower()
    if "1950" in column.name or "1875" in column.name:
        return f"{column.name} has another equinox than J2000"
    if column.type.family == "text":
        return f"{column.name} is text, such as sexagesimal values: add a column of degrees"
    if not column.type.is_numeric:
        return f"{column.name} is not numeric"
    if unit not in ("deg", "degree", "degrees", "degs", "decimal degrees", "°"):
        return f"{column.name} is in {column.unit!r}: add a column of degrees"
    if not isinstance(statistic.low, int | float) or not isinstance(statistic.high, int | float):
        return f"{column.name} has no values"
    if not (low <= statistic.low and statistic.high <= high):
        span = f"{statistic.low:g} to {statistic.high:g}"
        return f"{column.name} has values from {span}, but must be within {low:g} to {high:g} degrees"
    return None


def _describe_other_frames(columns: Sequence[ColumnProfile]) -> str | None:
    """Return a message if a table has only galactic or ecliptic coordinates."""
    for frame, ucd, names in _FRAMES:
        columns_found = [
            c.column.name for c in columns
            if (normalise_ucd(c.column.ucd)[0] or "").startswith(ucd) or _to_key(c.column.name) in names
        ]  # fmt: skip
        if len(columns_found) > 1:
            names_found = " and ".join(columns_found[:2])
            return f"{names_found} are {frame}: add columns of right ascension and declination (ICRS, degrees)"
    return None


_FRAMES = (
    (
        "galactic",
        "pos.galactic",
        ("l", "b", "glon", "glat", "gallon", "gallat", "galacticl", "galacticb", "lii", "bii"),
    ),
    ("ecliptic", "pos.ecliptic", ("elon", "elat", "ecllon", "ecllat", "eclipticlon", "eclipticlat")),
)


def may_be_hours(place: PositionColumns, columns: Sequence[ColumnProfile]) -> bool:
    """Tell whether the right ascension may be in hours: it has no unit and no UCD, and no value above 24."""
    ra = next(c for c in columns if c.column.name == place.ra)
    high = ra.statistic.high
    bare = ra.column.unit is None and ra.column.ucd is None
    return bare and isinstance(high, int | float) and 12 < high <= 24

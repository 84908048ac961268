"""Which two columns of a table are its position: right ascension and declination, ICRS, in degrees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vo_server.publish.profile import Profile
from vo_server.publish.ucds import understood

_PARTNERS = {
    "ra": ("dec", "de", "decl"), "raj2000": ("dej2000", "decj2000", "declj2000"), "raicrs": ("deicrs", "decicrs"),
    "radeg": ("decdeg", "dedeg", "decldeg"), "radegrees": ("decdegrees",), "ra2000": ("dec2000", "de2000"),
    "rightascension": ("declination",), "ramean": ("decmean",), "meanra": ("meandec",), "alphaj2000": ("deltaj2000",),
    "alpha": ("delta",), "alphasky": ("deltasky",), "sra": ("sdec",), "coordra": ("coorddec",),
    "skycoordra": ("skycoorddec",), "posra": ("posdec",), "raepoch2000": ("decepoch2000",),
    "alphawinj2000": ("deltawinj2000",), "targetra": ("targetdec",), "objra": ("objdec",),
    "centerra": ("centerdec",), "raj2000deg": ("dej2000deg", "decj2000deg"),
}  # fmt: skip
"""Names of right ascensions, the likeliest first, and of the declinations that go with them: letters and digits alone,
in lower case."""


@dataclass(frozen=True, slots=True)
class Place:
    """The names of both columns in the file, and why these."""

    ra: str
    dec: str
    why: str


@dataclass(frozen=True, slots=True)
class Nowhere:
    """There is no position, and why."""

    why: str


def placed(columns: Sequence[Profile]) -> Place | Nowhere:
    """The position of the rows, if two columns fit: numbers of degrees on the sky."""
    refused: list[str] = []
    for ra, dec, why in _pairs(columns):
        wrong = _wrong(ra, 0, 360) or _wrong(dec, -90, 90)
        if wrong is None:
            return Place(ra.column.name, dec.column.name, why)
        refused.append(wrong)
    if refused:
        return Nowhere("; ".join(dict.fromkeys(refused)))
    return Nowhere(
        _other_frames(columns) or "no two columns have names, UCDs and values of right ascension and declination"
    )


def _pairs(columns: Sequence[Profile]) -> Iterator[tuple[Profile, Profile, str]]:
    """The columns that may be positions, the likeliest pair first."""
    ucds = {c.column.name: understood(c.column.ucd)[0] or "" for c in columns}
    for suffix in (";meta.main", ""):
        ras = [c for c in columns if ucds[c.column.name] == f"pos.eq.ra{suffix}"]
        decs = [c for c in columns if ucds[c.column.name] == f"pos.eq.dec{suffix}"]
        for ra, dec in zip(ras, decs, strict=False):
            yield ra, dec, "by their UCDs"
    named = {_key(c.column.name): c for c in reversed(columns)}
    for ra_name, partners in _PARTNERS.items():
        for partner in partners:
            if ra_name in named and partner in named:
                yield named[ra_name], named[partner], "by their names and values"


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _wrong(found: Profile, low: float, high: float) -> str | None:
    """What is against this column, None if nothing is."""
    column, seen = found.column, found.statistic
    unit = (column.unit or "deg").strip().lower()
    if "1950" in column.name or "1875" in column.name:
        return f"{column.name} is of another equinox than J2000"
    if column.type.family == "text":
        return f"{column.name} is text, as sexagesimal values are: add a column of degrees"
    if not column.type.numeric:
        return f"{column.name} is no number"
    if unit not in ("deg", "degree", "degrees", "degs", "decimal degrees", "°"):
        return f"{column.name} is in {column.unit!r}: add a column of degrees"
    if not isinstance(seen.low, int | float) or not isinstance(seen.high, int | float):
        return f"{column.name} has no values"
    if not (low <= seen.low and seen.high <= high):
        return f"{column.name} goes from {seen.low:g} to {seen.high:g}, where {low:g} to {high:g} degrees are possible"
    return None


def _other_frames(columns: Sequence[Profile]) -> str | None:
    """What other places there are: only galactic or ecliptic ones."""
    for frame, ucd, names in _FRAMES:
        found = [
            c.column.name for c in columns
            if (understood(c.column.ucd)[0] or "").startswith(ucd) or _key(c.column.name) in names
        ]  # fmt: skip
        if len(found) > 1:
            return (
                f"{' and '.join(found[:2])} are {frame}: add columns of right ascension and declination (ICRS, degrees)"
            )
    return None


_FRAMES = (
    (
        "galactic",
        "pos.galactic",
        ("l", "b", "glon", "glat", "gallon", "gallat", "galacticl", "galacticb", "lii", "bii"),
    ),
    ("ecliptic", "pos.ecliptic", ("elon", "elat", "ecllon", "ecllat", "eclipticlon", "eclipticlat")),
)


def hours(place: Place, columns: Sequence[Profile]) -> bool:
    """May the right ascension be in hours? It has no unit and no UCD, and ends before 24."""
    ra = next(c for c in columns if c.column.name == place.ra)
    high = ra.statistic.high
    bare = ra.column.unit is None and ra.column.ucd is None
    return bare and isinstance(high, int | float) and 12 < high <= 24

"""The draft of a catalogue file: all that a table's file says, and guesses at the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vo_server.model import types
from vo_server.model.column import Column
from vo_server.publish.guess import Guess
from vo_server.publish.names import named
from vo_server.publish.position import Nowhere, Place, hours, placed
from vo_server.publish.profile import Described, Profile
from vo_server.publish.ucds import guessed, main, understood
from vo_server.publish.units import mended

NUMBER = "recno"
"""The column that counts the rows of a table in which nothing tells them apart."""


@dataclass(frozen=True, slots=True)
class DraftColumn:
    """A column as it is to be published, and its name in the file; `remark` is for who finishes the draft."""

    name: str
    source: str
    type: Guess[str]
    description: Guess[str]
    unit: Guess[str | None] = Guess(None)
    ucd: Guess[str | None] = Guess(None)
    utype: str | None = None
    xtype: str | None = None
    arraysize: str | None = None
    nullable: bool = True
    principal: bool = False
    indexed: bool = False
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """The column that tells when a row was observed: dates, or days of a clock, "jd" or "mjd"."""

    column: str
    days: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A catalogue file to be. `place` says which columns are the position, in their published names, or why none is;
    `identifier` which one names a row. `said` are keywords of the file."""

    file: str
    rows: int
    columns: tuple[DraftColumn, ...]
    place: Place | Nowhere
    identifier: Guess[str] | None
    number: str | None
    null: Guess[str] | None
    test: tuple[float, float] | None
    title: Guess[str]
    description: Guess[str]
    wavebands: tuple[str, ...]
    clock: Clock | None
    said: Mapping[str, str] = field(default_factory=dict)


def drafted(found: Described, name: str, title: str | None) -> Draft:
    """The draft for a table; `name` is what it is to be called."""
    place = placed(found.columns)
    identifier = _identifier(found.columns)
    position = (place.ra, place.dec) if isinstance(place, Place) else ()
    columns = _columns(found, position, identifier.value if identifier else None)
    shown = {c.source: c.name for c in columns}
    number = None
    if identifier is None:
        columns = (_counter(shown.values()), *columns)
        number = columns[0].name
        identifier = Guess(number, "no column that could name a row has another value in each: the rows are counted")
    else:
        identifier = replace(identifier, value=shown[identifier.value])
    said_title = (
        found.said.get("title")
        or found.said.get("database")
        or (found.name if found.name and " " in found.name else None)
    )
    return Draft(
        file=found.file,
        rows=found.rows,
        columns=_principal(columns, identifier.value, tuple(shown[p] for p in position)),
        place=Place(shown[place.ra], shown[place.dec], _reason(place, found)) if isinstance(place, Place) else place,
        identifier=identifier,
        number=number,
        null=_null(found.columns),
        test=_test(found, position),
        title=_title(title, said_title, name),
        description=_described(found, title or said_title),
        wavebands=_wavebands(columns),
        clock=_clock(found.columns, shown),
        said=found.said,
    )


def _title(given: str | None, said: str | None, name: str) -> Guess[str]:
    known = next((text for text in (given, said) if _legible(text or "")), None)
    return Guess(known) if known else Guess(name, "after the file's name")


def _described(found: Described, title: str | None) -> Guess[str]:
    said = found.description or found.said.get("description")
    if said and _legible(said):
        return Guess(said)
    return Guess(
        f"{title or 'Table'} ({found.rows:,} rows of {found.file}).", "nothing in the file describes the table"
    )


def _reason(place: Place, found: Described) -> str:
    if hours(place, found.columns):
        return f"{place.why}; but {place.ra} has no unit and no value above 24: is it in hours?"
    return place.why


def _test(found: Described, position: Sequence[str]) -> tuple[float, float] | None:
    """A place where a row is: that of the first."""
    values = [found.first.get(name) for name in position]
    try:
        numbers = [float(str(v)) for v in values]
    except ValueError:
        numbers = []
    if len(numbers) == 2 and 0 <= numbers[0] <= 360 and -90 <= numbers[1] <= 90:
        return numbers[0], numbers[1]
    return (0.0, 0.0) if position else None


# ------------------------------------------------------------------ columns


def _columns(found: Described, position: Sequence[str], identifier: str | None) -> tuple[DraftColumn, ...]:
    names = named([c.column.name for c in found.columns])
    mains = dict(zip(position, ("pos.eq.ra", "pos.eq.dec"), strict=False))
    if identifier is not None:
        mains[identifier] = "meta.id"
    return tuple(
        _column(profile, name, mains.get(profile.column.name))
        for profile, name in zip(found.columns, names, strict=True)
    )


def _column(profile: Profile, name: str, is_main: str | None) -> DraftColumn:
    """The column; `is_main` is its UCD where it is the table's right ascension, declination or identifier."""
    column = profile.column
    placed = (is_main or "").startswith("pos")
    unit = Guess(*mended(column.unit))
    kind = _type(profile, placed)
    if placed and unit.value is None:
        unit = Guess("deg", "by its name and values")
    ucd, words = _ucd(column, name, unit.value, is_main)
    if unit == Guess(None) and (ucd.value or "").startswith("phot.mag"):
        unit = Guess("mag", "it is thought a magnitude")
    return DraftColumn(
        name,
        column.name,
        kind,
        _description(column.description or "", name, words),
        unit,
        ucd,
        utype=column.utype,
        xtype=column.label,
        arraysize=column.shape if column.type.family == "array" else None,
        nullable=is_main is None,
        indexed=placed,
        remark=_remark(profile, name),
    )


def _type(profile: Profile, placed: bool) -> Guess[str]:
    column = profile.column
    why = "as all values are" if profile.guessed else None
    if placed and column.type.family == "integer":
        return Guess("DOUBLE PRECISION", "a position has decimals")
    if column.type.family != "text" or column.type.geometric or column.type is types.CLOB:
        return Guess(column.type.name, why)
    if profile.odd is not None:
        why = f"not a number, as {profile.odd!r} is none"
    if not profile.plain:
        return Guess("UNICODE", "there are letters beyond ASCII")
    if column.length is None:
        return Guess("VARCHAR(*)", why if profile.odd is not None else None)
    longest = max(column.length, profile.longest or 0)
    fixed = profile.shortest == profile.longest == longest
    return Guess(f"CHAR({longest})" if fixed else f"VARCHAR({longest})", why if profile.odd is not None else None)


def _ucd(column: Column, name: str, unit: str | None, is_main: str | None) -> tuple[Guess[str | None], str | None]:
    """The UCD, and in words what the column is thought to be."""
    said, why = understood(column.ucd)
    found, words = guessed(name, unit, column.type)
    if said is None and found is not None:
        said, why = found, f"by its name{' and unit' if unit else ''}" + (f"; {why}" if why else "")
    if is_main is not None and not (said or "").startswith(is_main):
        why = "it names the rows" if is_main == "meta.id" else "by its name and values"
        return Guess(f"{is_main};meta.main", why), words
    kept = main(said, is_main is not None)
    if kept != said and why is None:
        why = f"the file says {said!r}, and one column of a kind is the main one"
    return Guess(kept, why), words


def _description(said: str, name: str, words: str | None) -> Guess[str]:
    return Guess(said) if _legible(said) else Guess(words or name, "nothing in the file says what it is")


def _legible(said: str) -> bool:
    """Is there more in a text than blanks and control characters?"""
    return any(c.isprintable() and not c.isspace() for c in said)


def _remark(profile: Profile, name: str) -> str | None:
    said = [f"{profile.column.name!r} in the file"] if profile.column.name != name else []
    seen = profile.statistic
    suspicious = [end for end in (seen.low, seen.high) if end in _SENTINELS]
    if suspicious and profile.column.type.numeric:
        said.append(f"{suspicious[0]} may stand for a missing value")
    return "; ".join(said) or None


_SENTINELS = (-99, -999, -9999, -99999, -99.9, -999.9, 99, 99.0, 99.99, 99.999, 999, 9999, 99999, -32768, -(2**31))
"""Numbers that often stand for a missing one."""


def _counter(taken: Iterable[str]) -> DraftColumn:
    """The column that counts the rows."""
    names = {name.lower() for name in taken}
    name = next(n for n in (NUMBER, *(f"{NUMBER}_{i}" for i in range(2, 10_000))) if n not in names)
    words = "Number of the row in the file"
    return DraftColumn(
        name, "", Guess("BIGINT"), Guess(words), ucd=Guess("meta.id;meta.main"), nullable=False, principal=True
    )


def _principal(columns: Sequence[DraftColumn], identifier: str, position: Sequence[str]) -> tuple[DraftColumn, ...]:
    """The columns that a cone search shows unless more are asked for: all of a small table, else the best known."""
    needed = {identifier, *position}
    plain = [c for c in columns if "ARRAY" not in c.type.value]
    best = plain if len(plain) <= _SMALL else [c for c in plain if (c.ucd.value or "").startswith(_KNOWN)]
    chosen = needed | {c.name for c in best[:_SMALL]}
    return tuple(replace(c, principal=c.name in chosen) for c in columns)


_SMALL = 15
_KNOWN = (
    "phot.mag",
    "phot.flux",
    "pos.parallax",
    "pos.pm",
    "src.redshift",
    "spect.dopplerVeloc",
    "src.class",
    "time.epoch",
)


# ------------------------------------------------------------- the table


def _identifier(columns: Sequence[Profile]) -> Guess[str] | None:
    """The column that names a row: of those that tell all apart the one that is said or called to do so."""
    unique = [c for c in columns if c.unique]
    for profile in unique:
        if (understood(profile.column.ucd)[0] or "") == "meta.id;meta.main":
            return Guess(profile.column.name)
    best = sorted(unique, key=_rank)
    if not best or _rank(best[0]) > _UNLIKELY:
        return None
    return Guess(best[0].column.name, "it has another value in each row")


_UNLIKELY = 3


def _rank(profile: Profile) -> int:
    column = profile.column
    ucd = understood(column.ucd)[0] or guessed(column.name, column.unit, column.type)[0] or ""
    if ucd.startswith("meta.id"):
        return 0 if re.fullmatch(r"(.*_)?(id|designation|source_?id|objid)", column.name, re.I) else 1
    if ucd.startswith("meta.record"):
        return 2
    return 3 if column.type.family == "text" and not ucd else 4


def _null(columns: Sequence[Profile]) -> Guess[str] | None:
    nulls = {c.null: c.column.name for c in columns if c.null is not None}
    if not nulls:
        return None
    text, name = next(iter(nulls.items()))
    return Guess(text, f"it stands among the numbers of {name}")


_WAVEBANDS = (
    ("em.radio", "Radio"), ("em.mm", "Millimeter"), ("em.IR", "Infrared"), ("em.opt", "Optical"), ("em.UV", "UV"),
    ("em.X-ray", "X-ray"), ("em.gamma", "Gamma-ray"),
)  # fmt: skip


def _wavebands(columns: Sequence[DraftColumn]) -> tuple[str, ...]:
    words = {word for c in columns for word in (c.ucd.value or "").split(";")}
    return tuple(band for stem, band in _WAVEBANDS if any(word.startswith(stem) for word in words))


def _clock(columns: Sequence[Profile], shown: Mapping[str, str]) -> Clock | None:
    """The column that tells when a row was observed: the first whose name says so, and whose values are such times."""
    for profile in columns:
        kind, name = profile.column.type, profile.column.name
        if kind.family == "time" and not re.search(r"birth|release|creat|modif|update|publi", name, re.I):
            return Clock(shown[name], None)
        for clock, (pattern, low, high) in _CLOCKS.items():
            ends = (profile.statistic.low, profile.statistic.high)
            inside = all(isinstance(end, float) and low < end < high for end in ends)
            if kind.family == "real" and re.search(pattern, name, re.I) and inside:
                return Clock(shown[name], clock)
    return None


_CLOCKS = {"mjd": (r"mjd", 15_000, 80_000), "jd": (r"(^|[_bh]|measure)jd($|_)|jdate|julian", 2_415_000, 2_480_000)}
"""Names of columns with days of a clock, and between which values these lie from 1900 to 2078."""

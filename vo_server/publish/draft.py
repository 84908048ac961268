"""The draft of a catalogue file: the metadata of a table file, and guesses for what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.unique_names import UniqueNames
from vo_server.publish.guess import Guess
from vo_server.publish.names import normalise_names
from vo_server.publish.position import NoPosition, PositionColumns, find_position, may_be_hours
from vo_server.publish.profile import ColumnProfile, TableProfile
from vo_server.publish.ucds import guess_ucd, normalise_ucd, set_main
from vo_server.publish.units import normalise_unit

NUMBER = "recno"
"""The name of the column that numbers the rows of a table without an identifier."""


@dataclass(frozen=True, slots=True)
class DraftColumn:
    """A column to be published; `source` is its name in the file, `remark` a comment for the editor of the draft."""

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
class TimeColumn:
    """The column with the time of observation: dates, or days of a clock, "jd" or "mjd"."""

    column: str
    days: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """The content of a catalogue file.

    `position` has the published names of its columns, or the reason why there is none; `identifier` is the column that
    identifies a row; `metadata` are keywords of the table file.
    """

    file: str
    rows: int
    columns: tuple[DraftColumn, ...]
    position: PositionColumns | NoPosition
    identifier: Guess[str] | None
    number: str | None
    null: Guess[str] | None
    test_position: tuple[float, float] | None
    title: Guess[str]
    description: Guess[str]
    wavebands: tuple[str, ...]
    time: TimeColumn | None
    metadata: Mapping[str, str] = field(default_factory=dict)


def draft_catalogue(table: TableProfile, name: str, title: str | None) -> Draft:
    """Return the draft for a table that is to be published under a name."""
    position_columns = find_position(table.columns)
    identifier = _find_identifier(table.columns)
    position = (position_columns.ra, position_columns.dec) if isinstance(position_columns, PositionColumns) else ()
    columns = _draft_columns(table, position, identifier.value if identifier else None)
    published_names = {c.source: c.name for c in columns}
    number = None
    if identifier is None:
        columns = (_create_row_number(published_names.values()), *columns)
        number = columns[0].name
        identifier = Guess(number, "no column has a different value in each row: the rows are numbered")
    else:
        identifier = replace(identifier, value=published_names[identifier.value])
    file_title = (
        table.metadata.get("title")
        or table.metadata.get("database")
        or (table.name if table.name and " " in table.name else None)
    )
    return Draft(
        file=table.file,
        rows=table.rows,
        columns=_mark_principal(columns, identifier.value, tuple(published_names[p] for p in position)),
        position=PositionColumns(
            published_names[position_columns.ra],
            published_names[position_columns.dec],
            _explain_position(position_columns, table),
        )
        if isinstance(position_columns, PositionColumns)
        else position_columns,
        identifier=identifier,
        number=number,
        null=_find_null(table.columns),
        test_position=_find_test_position(table, position),
        title=_draft_title(title, file_title, name),
        description=_draft_table_description(table, title or file_title),
        wavebands=_list_wavebands(columns),
        time=_find_time_column(table.columns, published_names),
        metadata=table.metadata,
    )


def _draft_title(requested: str | None, file_title: str | None, name: str) -> Guess[str]:
    title = next((text for text in (requested, file_title) if _has_visible_text(text or "")), None)
    return Guess(title) if title else Guess(name, "after the file's name")


def _draft_table_description(table: TableProfile, title: str | None) -> Guess[str]:
    description = table.description or table.metadata.get("description")
    if description and _has_visible_text(description):
        return Guess(description)
    return Guess(
        f"{title or 'Table'} ({table.rows:,} rows of {table.file}).", "the file has no description of the table"
    )


def _explain_position(position_columns: PositionColumns, table: TableProfile) -> str:
    if may_be_hours(position_columns, table.columns):
        return f"{position_columns.why}; but {position_columns.ra} has no unit and no value above 24: is it in hours?"
    return position_columns.why


def _find_test_position(table: TableProfile, position: Sequence[str]) -> tuple[float, float] | None:
    """Return the position of the first row as a test position, (0, 0) if it is not valid, None without a position."""
    values = [table.first_row.get(name) for name in position]
    try:
        numbers = [float(str(v)) for v in values]
    except ValueError:
        numbers = []
    if len(numbers) == 2 and 0 <= numbers[0] <= 360 and -90 <= numbers[1] <= 90:
        return numbers[0], numbers[1]
    return (0.0, 0.0) if position else None


# ------------------------------------------------------------------ columns


def _draft_columns(table: TableProfile, position: Sequence[str], identifier: str | None) -> tuple[DraftColumn, ...]:
    names = normalise_names([c.column.name for c in table.columns])
    mains = dict(zip(position, ("pos.eq.ra", "pos.eq.dec"), strict=False))
    if identifier is not None:
        mains[identifier] = "meta.id"
    return tuple(
        _draft_column(profile, name, mains.get(profile.column.name))
        for profile, name in zip(table.columns, names, strict=True)
    )


def _draft_column(profile: ColumnProfile, name: str, main_ucd: str | None) -> DraftColumn:
    """Return the draft of a column; `main_ucd` is set for right ascension, declination and identifier of the table."""
    column = profile.column
    placed = (main_ucd or "").startswith("pos")
    unit = Guess(*normalise_unit(column.unit))
    kind = _choose_type(profile, placed)
    if placed and unit.value is None:
        unit = Guess("deg", "by its name and values")
    ucd, words = _choose_ucd(column, name, unit.value, main_ucd)
    if unit == Guess(None) and (ucd.value or "").startswith("phot.mag"):
        unit = Guess("mag", "it seems to be a magnitude")
    return DraftColumn(
        name,
        column.name,
        kind,
        _draft_description(column.description or "", name, words),
        unit,
        ucd,
        utype=column.utype,
        xtype=column.xtype_override,
        arraysize=column.arraysize_override if column.type.family == "array" else None,
        nullable=main_ucd is None,
        indexed=placed,
        remark=_build_remark(profile, name),
    )


def _choose_type(profile: ColumnProfile, placed: bool) -> Guess[str]:
    column = profile.column
    why = "as all values are" if profile.is_guessed else None
    if placed and column.type.family == "integer":
        return Guess("DOUBLE PRECISION", "a position has decimals")
    if column.type.family != "text" or column.type.is_geometric or column.type is types.CLOB:
        return Guess(column.type.name, why)
    if profile.not_numeric is not None:
        why = f"not a number: {profile.not_numeric!r}"
    if not profile.is_ascii:
        return Guess("UNICODE", "it has characters beyond ASCII")
    if column.length is None:
        return Guess("VARCHAR(*)", why if profile.not_numeric is not None else None)
    longest = max(column.length, profile.longest or 0)
    fixed = profile.shortest == profile.longest == longest
    return Guess(
        f"CHAR({longest})" if fixed else f"VARCHAR({longest})", why if profile.not_numeric is not None else None
    )


def _choose_ucd(
    column: Column, name: str, unit: str | None, main_ucd: str | None
) -> tuple[Guess[str | None], str | None]:
    """Return the UCD, and the guessed meaning of the column in words."""
    ucd, why = normalise_ucd(column.ucd)
    guessed, words = guess_ucd(name, unit, column.type)
    if ucd is None and guessed is not None:
        ucd, why = guessed, f"by its name{' and unit' if unit else ''}" + (f"; {why}" if why else "")
    if main_ucd is not None and not (ucd or "").startswith(main_ucd):
        why = "it identifies the rows" if main_ucd == "meta.id" else "by its name and values"
        return Guess(f"{main_ucd};meta.main", why), words
    with_main = set_main(ucd, main_ucd is not None)
    if with_main != ucd and why is None:
        why = f"the file says {ucd!r}, but only one column of its kind is the main one"
    return Guess(with_main, why), words


def _draft_description(text: str, name: str, words: str | None) -> Guess[str]:
    return Guess(text) if _has_visible_text(text) else Guess(words or name, "the file has no description of the column")


def _has_visible_text(text: str) -> bool:
    """Tell whether a text has more than blanks and control characters."""
    return any(c.isprintable() and not c.isspace() for c in text)


def _build_remark(profile: ColumnProfile, name: str) -> str | None:
    remarks = [f"{profile.column.name!r} in the file"] if profile.column.name != name else []
    seen = profile.statistic
    suspicious = [end for end in (seen.low, seen.high) if end in _SENTINELS]
    if suspicious and profile.column.type.is_numeric:
        remarks.append(f"{suspicious[0]} may represent a missing value")
    return "; ".join(remarks) or None


_SENTINELS = (-99, -999, -9999, -99999, -99.9, -999.9, 99, 99.0, 99.99, 99.999, 999, 9999, 99999, -32768, -(2**31))
"""Numbers that often represent a missing value."""


def _create_row_number(taken: Iterable[str]) -> DraftColumn:
    """Return the column that numbers the rows."""
    name = UniqueNames(taken).assign(NUMBER)
    words = "Number of the row in the file"
    return DraftColumn(
        name, "", Guess("BIGINT"), Guess(words), ucd=Guess("meta.id;meta.main"), nullable=False, principal=True
    )


def _mark_principal(
    columns: Sequence[DraftColumn], identifier: str, position: Sequence[str]
) -> tuple[DraftColumn, ...]:
    """Mark the columns that a cone search returns by default: all of a small table, otherwise the most common kinds."""
    needed = {identifier, *position}
    is_ascii = [c for c in columns if "ARRAY" not in c.type.value]
    best = (
        is_ascii
        if len(is_ascii) <= _MAX_PRINCIPAL
        else [c for c in is_ascii if (c.ucd.value or "").startswith(_PRINCIPAL_UCDS)]
    )
    chosen = needed | {c.name for c in best[:_MAX_PRINCIPAL]}
    return tuple(replace(c, principal=c.name in chosen) for c in columns)


_MAX_PRINCIPAL = 15
_PRINCIPAL_UCDS = (
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


def _find_identifier(columns: Sequence[ColumnProfile]) -> Guess[str] | None:
    """Return the column that identifies a row: the best by UCD and name of those with distinct values."""
    unique = [c for c in columns if c.is_unique]
    for profile in unique:
        if (normalise_ucd(profile.column.ucd)[0] or "") == "meta.id;meta.main":
            return Guess(profile.column.name)
    best = sorted(unique, key=_rank_identifier)
    if not best or _rank_identifier(best[0]) > _MAX_IDENTIFIER_RANK:
        return None
    return Guess(best[0].column.name, "it has a different value in each row")


_MAX_IDENTIFIER_RANK = 3


def _rank_identifier(profile: ColumnProfile) -> int:
    column = profile.column
    ucd = normalise_ucd(column.ucd)[0] or guess_ucd(column.name, column.unit, column.type)[0] or ""
    if ucd.startswith("meta.id"):
        return 0 if re.fullmatch(r"(.*_)?(id|designation|source_?id|objid)", column.name, re.I) else 1
    if ucd.startswith("meta.record"):
        return 2
    return 3 if column.type.family == "text" and not ucd else 4


def _find_null(columns: Sequence[ColumnProfile]) -> Guess[str] | None:
    nulls = {c.null: c.column.name for c in columns if c.null is not None}
    if not nulls:
        return None
    text, name = next(iter(nulls.items()))
    return Guess(text, f"it is among the numbers of {name}")


_WAVEBANDS = (
    ("em.radio", "Radio"), ("em.mm", "Millimeter"), ("em.IR", "Infrared"), ("em.opt", "Optical"), ("em.UV", "UV"),
    ("em.X-ray", "X-ray"), ("em.gamma", "Gamma-ray"),
)  # fmt: skip


def _list_wavebands(columns: Sequence[DraftColumn]) -> tuple[str, ...]:
    words = {word for c in columns for word in (c.ucd.value or "").split(";")}
    return tuple(band for stem, band in _WAVEBANDS if any(word.startswith(stem) for word in words))


def _find_time_column(columns: Sequence[ColumnProfile], published_names: Mapping[str, str]) -> TimeColumn | None:
    """Return the column with the time of observation: the first with a fitting name and fitting values."""
    for profile in columns:
        kind, name = profile.column.type, profile.column.name
        if kind.family == "time" and not re.search(r"birth|release|creat|modif|update|publi", name, re.I):
            return TimeColumn(published_names[name], None)
        for clock, (pattern, low, high) in _CLOCK_PATTERNS.items():
            ends = (profile.statistic.low, profile.statistic.high)
            inside = all(isinstance(end, float) and low < end < high for end in ends)
            if kind.family == "real" and re.search(pattern, name, re.I) and inside:
                return TimeColumn(published_names[name], clock)
    return None


_CLOCK_PATTERNS = {
    "mjd": (r"mjd", 15_000, 80_000),
    "jd": (r"(^|[_bh]|measure)jd($|_)|jdate|julian", 2_415_000, 2_480_000),
}
"""Patterns of names of columns with days of a clock, and the range of their values from 1900 to 2078."""

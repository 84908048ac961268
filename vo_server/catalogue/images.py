"""Image collections: what a catalogue file says, under [images], of the images whose inventory its table is.

Two things are told there: how a row is made of an image's file, so that a walk over files makes the inventory, and what
the collection and its columns are to the protocols (ObsCore 1.1, SIA), which derive all they say from it. The keys are
told at the head of schemas/catalogues/atlas.toml.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import Literal

from vo_server.catalogue.reader import Section
from vo_server.model.column import Column, Table
from vo_server.model.types import DATE

SKY = ("ra", "dec", *(f"{axis}{n}" for n in range(1, 5) for axis in ("ra", "dec")), "footprint", "fov")
"""What follows from an image's WCS, in degrees: its centre, its corners, their polygon, the circle about it across."""

FILE = ("path", "name", "size")
"""What is known of a file: its path below the collection's root, its name, its bytes."""

PRODUCTS = ("image", "cube")
Source = Literal["header", "file", "sky", "name", "text", "value"]
CLOCKS = {"jd": 2_400_000.5, "mjd": 0.0}
"""How a time may be told as a number: days from what lies so many days before MJD 0."""


@dataclass(frozen=True, slots=True)
class Band:
    """A passband: the value of the band's column, and its wavelengths in metres."""

    name: str
    low: float
    reference: float
    high: float


@dataclass(frozen=True, slots=True)
class Time:
    """When an image was taken: a column with the Julian date of its middle; how long it took, and how long each place
    was exposed, in seconds."""

    column: str
    span: float
    exposure: float


@dataclass(frozen=True, slots=True)
class Fill:
    """Where a column of the inventory takes its value from when files are walked.

    `kind` is the family of the column's type, or "date". `said` is the keyword of a header (several are joined by a T,
    as date and time), a word of FILE or SKY, a group of the pattern of names, a text with the columns in braces, or the
    value itself. Texts are looked up in `values`, where there are any; numbers become `scale` times themselves plus
    `offset`; `clock` makes a number of a time.
    """

    column: str
    kind: str
    source: Source
    said: str
    values: tuple[tuple[str, str], ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    clock: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Columns that no header has and a published table knows: `take` (here, there) from its row that agrees in `match`
    (here, there)."""

    table: str
    match: tuple[tuple[str, str], ...]
    take: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Images:
    """An image collection.

    `product`, `subtype`, `calibration`, `observable` (o_ucd), `facility` and `instrument` are ObsCore's (1.1, sections
    4.1 and 4.2); `title` and `observation` (obs_id, the identifier where there is none) are texts with columns in
    braces; `projection` is that of the coordinates (CTYPE), for SIA and for rows that come from a table instead of
    files; `datasets` are what other services call the collection (ds); `band`, `resolution` (arcsec) and
    `position_error` name columns. A collection without a column of the band has all its bands in each image. `caution`
    is said wherever an image is offered. `restored` images are kept in a compressed form (.fz) and served as plain FITS
    of 16 bits. `reach` is how far (degrees) an image may reach from its centre, None where the file does not say.
    """

    collection: str
    product: str
    calibration: int
    title: str
    facility: str
    instrument: str
    bands: tuple[Band, ...]
    media_type: str = "image/fits"
    subtype: str | None = None
    caution: str | None = None
    restored: bool = False
    projection: str | None = None
    observable: str | None = None
    observation: str | None = None
    band: str | None = None
    resolution: str | None = None
    time: Time | None = None
    datasets: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fills: tuple[Fill, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    reach: float | None = None

    def filled(self, source: Source, said: str) -> str | None:
        """The column that holds this of a file, None where none does: filled("file", "path") is that of the path."""
        return next((f.column for f in self.fills if (f.source, f.said) == (source, said)), None)

    def bands_of(self, value: str | None) -> tuple[Band, ...]:
        """The bands of an image with this value in the column of the band."""
        return self.bands if self.band is None else tuple(b for b in self.bands if b.name == value)


def read_images(section: Section, table: Table) -> Images:
    """What [images] says of a table.

    Raises CatalogueError.
    """
    names = section.take("names", tuple[str, ...], ())
    fills = _fills(section, table, _groups(section, table, names))
    images = section.record(
        Images,
        calibration=int(section.take("calibration", float)),
        bands=tuple(_band(name, inner) for name, inner in section.sections("bands")),
        time=_time(section.section("time"), table) if "time" in section.values else None,
        names=names,
        fills=fills,
        lookups=tuple(_lookup(row, table) for row in section.rows("lookups")),
        reach=None,
    )
    _check(section, table, images)
    reaches = dict(table.position.reaches) if table.position else {}
    return replace(images, reach=reaches.get(images.filled("sky", "footprint") or ""))


def check_lookups(section: Section, images: Images, tables: Sequence[Table]) -> None:
    """The tables of the lookups are published and have the columns.

    Raises CatalogueError.
    """
    known = {t.qualified: {c.name for c in t.columns} for t in tables}
    for lookup in images.lookups:
        if lookup.table not in known:
            raise section.fault(f"a lookup asks the unknown table {lookup.table!r}", lookup.table, known)
        for _, there in (*lookup.match, *lookup.take):
            if there not in known[lookup.table]:
                raise section.fault(f"'lookups': {lookup.table} has no column {there!r}", there, known[lookup.table])


def _band(name: str, section: Section) -> Band:
    band = section.record(Band, name=name)
    if not 0 < band.low <= band.reference <= band.high:
        raise section.fault("0 < low <= reference <= high must hold, in metres")
    return band


def _time(section: Section, table: Table) -> Time:
    time = section.record(Time)
    _known(section, table, "column", [time.column])
    return time


def _lookup(section: Section, table: Table) -> Lookup:
    made = Lookup(
        section.take("table"),
        tuple(section.take("match", dict[str, str]).items()),
        tuple(section.take("take", dict[str, str]).items()),
    )
    section.done()
    for key, pairs in (("match", made.match), ("take", made.take)):
        if not pairs:
            raise section.fault(f'{key!r} must name at least one pair: {key} = {{ here = "there" }}')
        _known(section, table, key, [here for here, _ in pairs])
    return made


def _groups(section: Section, table: Table, names: Sequence[str]) -> list[str]:
    """The groups of the patterns, each a column."""
    found: list[str] = []
    for pattern in names:
        try:
            found += re.compile(pattern).groupindex
        except re.error as error:
            raise section.fault(f"'names': {pattern!r} is no pattern: {error}") from error
    _known(section, table, "names", found)
    return list(dict.fromkeys(found))


def _fills(section: Section, table: Table, groups: Sequence[str]) -> tuple[Fill, ...]:
    said = dict(section.section("fill", {}).values)
    _known(section, table, "fill", said)
    fills = [_fill(table.column(name), inner) for name, inner in section.sections("fill")]
    given = {f.column for f in fills}
    fills += [Fill(g, _kind(table.column(g)), "name", g) for g in groups if g not in given]
    return tuple(sorted(fills, key=lambda f: f.source == "text"))


def _fill(column: Column, section: Section) -> Fill:
    sources: tuple[Source, ...] = ("header", "file", "sky", "name", "text", "value")
    given = [s for s in sources if s in section.values]
    if len(given) != 1:
        raise section.fault(f"one of {', '.join(sources)} must be there, and no second one")
    source, said = given[0], section.take(given[0])
    for key, words in (("file", FILE), ("sky", SKY)):
        if source == key and said not in words:
            raise section.fault(f"unknown {key!r} {said!r}; known are {', '.join(words)}", said, words)
    clock = section.take("clock", str, None)
    if clock is not None and clock not in CLOCKS:
        raise section.fault(f"unknown 'clock' {clock!r}; known are {', '.join(CLOCKS)}", clock, CLOCKS)
    fill = Fill(
        column.name,
        _kind(column),
        source,
        said,
        tuple(section.take("values", dict[str, str], {}).items()),
        section.take("scale", float, 1.0),
        section.take("offset", float, 0.0),
        clock,
    )
    section.done()
    return replace(fill, said=said.upper()) if source == "header" else fill


def _kind(column: Column) -> str:
    return "date" if column.type is DATE else column.type.family


def _check(section: Section, table: Table, images: Images) -> None:
    if table.position is None or table.identifier is None:
        raise section.fault("images need 'position' and 'identifier' in [table]")
    if images.product not in PRODUCTS:
        raise section.fault(f"'product' must be one of {', '.join(PRODUCTS)}", images.product, PRODUCTS)
    if not 0 <= images.calibration <= 4:
        raise section.fault("'calibration' must be ObsCore's level, 0 to 4")
    if not images.bands:
        raise section.fault("there are no bands: write a table [images.bands.<name>] for each")
    for key in ("band", "resolution"):
        name = getattr(images, key)
        if name is not None:
            _known(section, table, key, [name])
    texts = [images.title, images.observation or "", *(f.said for f in images.fills if f.source == "text")]
    _known(section, table, "title", [name for text in texts for name in fields_of(section, text)])
    for said in filter(None, (images.title, images.observation)):
        _check_specs(section, table, said)
    for source, said in (("file", "path"), ("sky", "footprint")):
        if images.filled("file" if source == "file" else "sky", said) is None:
            raise section.fault(f"no column has the {said}: write fill.<column> = {{ {source} = {said!r} }}")


SPECS = {"time": r"(%[Yymd]|[^%])+", "integer": r"0[1-9]"}
"""How a column may be written in a title, by the family of its type: databases write titles, too."""


def _check_specs(section: Section, table: Table, text: str) -> None:
    for _, name, spec, _ in Formatter().parse(text):
        if name is not None and spec and not re.fullmatch(SPECS.get(table.column(name).type.family, ""), spec):
            hint = "dates may have %Y, %y, %m, %d, whole numbers zeros before them as in 03"
            raise section.fault(f"{text!r}: {{{name}:{spec}}} cannot be written so; {hint}")


def fields_of(section: Section, text: str) -> list[str]:
    """The columns in the braces of a text.

    Raises CatalogueError where the braces do not match.
    """
    try:
        return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise section.fault(f"{text!r}: {error}") from error


def _known(section: Section, table: Table, key: str, names: Sequence[str] | dict[str, object]) -> None:
    columns = {c.name for c in table.columns}
    for name in names:
        if name not in columns:
            raise section.fault(f"{key!r}: {table.qualified} has no column {name!r}", name, columns)

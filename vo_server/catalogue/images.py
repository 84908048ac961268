"""Image collections: the section [images] of a catalogue file, whose table is the inventory of the images.

It defines how a row of the inventory is built from an image file, and the metadata of the collection and of its columns
from which the protocols (ObsCore 1.1, SIA) derive their responses. schemas/README.md describes the keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import Literal

from vo_server.catalogue.reader import Section, require_columns
from vo_server.model.column import Column, Table
from vo_server.model.mjd import JD_AT_MJD_0
from vo_server.model.types import DATE

SKY_VALUES = ("ra", "dec", *(f"{axis}{n}" for n in range(1, 5) for axis in ("ra", "dec")), "footprint", "fov")
"""Values from the WCS of an image, in degrees: centre, corners, their polygon, diameter of the circle around it."""

FILE_VALUES = ("path", "name", "size")
"""Values from the file: its path below the root of the collection, its name, its size in bytes."""

PRODUCTS = ("image", "cube")
Source = Literal["header", "file", "sky", "name", "text", "value"]
CLOCKS = {"jd": JD_AT_MJD_0, "mjd": 0.0}
"""Epochs of numeric times: the value in days of each clock at MJD 0."""


@dataclass(frozen=True, slots=True)
class Passband:
    """A passband: its value in the column of the band, and its wavelengths in metres."""

    name: str
    low: float
    reference: float
    high: float


@dataclass(frozen=True, slots=True)
class Time:
    """The time of an image: the column with the Julian date of its middle, its duration, and the exposure time of each
    position, in seconds."""

    column: str
    span: float
    exposure: float


@dataclass(frozen=True, slots=True)
class Fill:
    """The source of the values of an inventory column when image files are scanned.

    `kind` is the family of the column's type, or "date". `spec` depends on `source`: header keywords (several are
    joined by a T, as date and time), a name of FILE_VALUES or SKY_VALUES, a group of a file name pattern, a text with
    columns in braces, or the value itself. `values` translates texts, if there are any; numbers are multiplied by
    `scale`, then `offset` is added; `clock` converts a time to a number.
    """

    column: str
    kind: str
    source: Source
    spec: str
    values: tuple[tuple[str, str], ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    clock: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Columns that are taken from a published table instead of the header.

    The columns `take` (here, there) come from the row that agrees in the columns `match` (here, there).
    """

    table: str
    match: tuple[tuple[str, str], ...]
    take: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ImageCollection:
    """An image collection.

    `product`, `subtype`, `calibration`, `observable` (o_ucd), `facility` and `instrument` are ObsCore's (1.1, sections
    4.1 and 4.2); `title` and `observation` (obs_id, by default the identifier) are texts with columns in braces;
    `projection` is that of the coordinates (CTYPE), for SIA and for rows that come from a table instead of files;
    `datasets` are names of the collection in other services (ds); `band` and `resolution` (arcsec) are names of
    columns. Without `band`, each image has all bands of the collection. `caution` is shown wherever an image is
    offered. `restored` images are stored compressed (.fz) and served as plain FITS of 16 bits. `reach` is the maximum
    distance (degrees) of any point of an image from its centre, None if the file does not say.
    """

    collection: str
    product: str
    calibration: int
    title: str
    facility: str
    instrument: str
    bands: tuple[Passband, ...]
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

    def find_column(self, source: Source, spec: str) -> str | None:
        """Return the column that is filled from a source, or None: ("file", "path") gives the column of the path."""
        return next((f.column for f in self.fills if (f.source, f.spec) == (source, spec)), None)

    def select_bands(self, value: str | None) -> tuple[Passband, ...]:
        """Return the bands of an image with this value in the column of the band."""
        return self.bands if self.band is None else tuple(b for b in self.bands if b.name == value)


def read_images(section: Section, table: Table) -> ImageCollection:
    """Return the image collection that a section [images] describes.

    Raises CatalogueError.
    """
    names = section.take("names", tuple[str, ...], ())
    fills = _read_fills(section, table, _collect_groups(section, table, names))
    images = section.take_record(
        ImageCollection,
        calibration=int(section.take("calibration", float)),
        bands=tuple(_read_band(name, inner) for name, inner in section.take_named_tables("bands")),
        time=_read_time(section.take_table("time"), table) if "time" in section.values else None,
        names=names,
        fills=fills,
        lookups=tuple(_read_lookup(row, table) for row in section.take_rows("lookups")),
        reach=None,
    )
    _check_images(section, table, images)
    reaches = dict(table.position.reaches) if table.position else {}
    return replace(images, reach=reaches.get(images.find_column("sky", "footprint") or ""))


def check_lookups(section: Section, images: ImageCollection, tables: Sequence[Table]) -> None:
    """Check that the tables of the lookups are published and have the columns.

    Raises CatalogueError.
    """
    known = {t.qualified_name: {c.name for c in t.columns} for t in tables}
    for lookup in images.lookups:
        if lookup.table not in known:
            raise section.error(f"'lookups': unknown table {lookup.table!r}", lookup.table, known)
        for _, there in (*lookup.match, *lookup.take):
            if there not in known[lookup.table]:
                raise section.error(f"'lookups': {lookup.table} has no column {there!r}", there, known[lookup.table])


def _read_band(name: str, section: Section) -> Passband:
    band = section.take_record(Passband, name=name)
    if not 0 < band.low <= band.reference <= band.high:
        raise section.error("0 < low <= reference <= high must hold, in metres")
    return band


def _read_time(section: Section, table: Table) -> Time:
    time = section.take_record(Time)
    require_columns(section, table, "column", [time.column])
    return time


def _read_lookup(section: Section, table: Table) -> Lookup:
    lookup = Lookup(
        section.take("table"),
        tuple(section.take("match", dict[str, str]).items()),
        tuple(section.take("take", dict[str, str]).items()),
    )
    section.reject_unknown_keys()
    for key, pairs in (("match", lookup.match), ("take", lookup.take)):
        if not pairs:
            raise section.error(f'{key!r} must name at least one pair: {key} = {{ here = "there" }}')
        require_columns(section, table, key, [here for here, _ in pairs])
    return lookup


def _collect_groups(section: Section, table: Table, names: Sequence[str]) -> list[str]:
    """Return the groups of the file name patterns; each is a column."""
    groups: list[str] = []
    for pattern in names:
        try:
            groups += re.compile(pattern).groupindex
        except re.error as error:
            raise section.error(f"'names': {pattern!r} is not a regular expression: {error}") from error
    require_columns(section, table, "names", groups)
    return list(dict.fromkeys(groups))


def _read_fills(section: Section, table: Table, groups: Sequence[str]) -> tuple[Fill, ...]:
    require_columns(section, table, "fill", section.take_table("fill", {}).values)
    fills = [_read_fill(table.get_column(name), inner) for name, inner in section.take_named_tables("fill")]
    filled = {f.column for f in fills}
    fills += [Fill(g, _get_kind(table.get_column(g)), "name", g) for g in groups if g not in filled]
    return tuple(sorted(fills, key=lambda f: f.source == "text"))


def _read_fill(column: Column, section: Section) -> Fill:
    sources: tuple[Source, ...] = ("header", "file", "sky", "name", "text", "value")
    present = [s for s in sources if s in section.values]
    if len(present) != 1:
        raise section.error(f"exactly one of {', '.join(sources)} is required")
    source, spec = present[0], section.take(present[0])
    for key, names in (("file", FILE_VALUES), ("sky", SKY_VALUES)):
        if source == key and spec not in names:
            raise section.error(f"unknown {key!r} {spec!r}; known are {', '.join(names)}", spec, names)
    clock = section.take("clock", str, None)
    if clock is not None and clock not in CLOCKS:
        raise section.error(f"unknown 'clock' {clock!r}; known are {', '.join(CLOCKS)}", clock, CLOCKS)
    fill = Fill(
        column.name,
        _get_kind(column),
        source,
        spec,
        tuple(section.take("values", dict[str, str], {}).items()),
        section.take("scale", float, 1.0),
        section.take("offset", float, 0.0),
        clock,
    )
    section.reject_unknown_keys()
    return replace(fill, spec=spec.upper()) if source == "header" else fill


def _get_kind(column: Column) -> str:
    return "date" if column.type is DATE else column.type.family


def _check_images(section: Section, table: Table, images: ImageCollection) -> None:
    if table.position is None or table.identifier is None:
        raise section.error("an image collection needs 'position' and 'identifier' in [table]")
    if images.product not in PRODUCTS:
        raise section.error(f"'product' must be one of {', '.join(PRODUCTS)}", images.product, PRODUCTS)
    if not 0 <= images.calibration <= 4:
        raise section.error("'calibration' must be a calibration level of ObsCore, 0 to 4")
    if not images.bands:
        raise section.error("there are no bands: add a table [images.bands.<name>] for each")
    for key in ("band", "resolution"):
        name = getattr(images, key)
        if name is not None:
            require_columns(section, table, key, [name])
    texts = [images.title, images.observation or "", *(f.spec for f in images.fills if f.source == "text")]
    require_columns(section, table, "title", [name for text in texts for name in parse_template_fields(section, text)])
    for template in filter(None, (images.title, images.observation)):
        _check_format_specs(section, table, template)
    required: tuple[tuple[Source, str], ...] = (("file", "path"), ("sky", "footprint"))
    for source, spec in required:
        if images.find_column(source, spec) is None:
            raise section.error(f"no column has the {spec}: add fill.<column> = {{ {source} = {spec!r} }}")


FORMAT_SPECS = {"time": r"(%[Yymd]|[^%])+", "integer": r"0[1-9]"}
"""Format specifications in titles, by the family of the column's type: those that databases can compute, too."""


def _check_format_specs(section: Section, table: Table, text: str) -> None:
    for _, name, spec, _ in Formatter().parse(text):
        if (
            name is not None
            and spec
            and not re.fullmatch(FORMAT_SPECS.get(table.get_column(name).type.family, ""), spec)
        ):
            hint = "dates allow %Y, %y, %m and %d, integers zero padding as in 03"
            raise section.error(f"{text!r}: {{{name}:{spec}}} is not supported; {hint}")


def parse_template_fields(section: Section, text: str) -> list[str]:
    """Return the columns in the braces of a text.

    Raises CatalogueError if the braces do not match.
    """
    try:
        return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise section.error(f"{text!r}: {error}") from error

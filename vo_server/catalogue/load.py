"""The files of schemas/ read into the catalogue: schemas/catalogues/*.toml, one publication each, and the tables that
the standards prescribe, schemas/standard/*.toml.

The format is told at the head of schemas/catalogues/psc.toml. A file that contradicts itself or another is a
CatalogueError that names the file, the key and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from vo_server.catalogue.catalogue import (
    Bounds,
    Catalogue,
    Check,
    Collection,
    Cone,
    Example,
    Files,
    Note,
    Origin,
    Schema,
)
from vo_server.catalogue.images import CLOCKS, check_lookups, read_images
from vo_server.catalogue.reader import RAW, Section, open_section
from vo_server.errors import CatalogueError
from vo_server.model.column import Column, Key, Position, Table
from vo_server.model.types import CHAR, MOC, TYPES, Type, named, of_xtype

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SHAPE = re.compile(r"([1-9][0-9]*x)*([1-9][0-9]*|\*)")
_TYPE = re.compile(r"([A-Za-z][A-Za-z ]*[A-Za-z])\s*(?:\(\s*([1-9][0-9]*|\*)\s*\))?")


def builtin_schemas() -> Path:
    """The folder `schemas` of the server: inside the package when installed, beside it in the repository."""
    package = Path(__file__).resolve().parent.parent
    for home in (package / "schemas", package.parent / "schemas"):
        if home.is_dir():
            return home
    raise CatalogueError("the folder 'schemas' is neither inside the package nor beside it")


def load_catalogue(folders: Iterable[Path]) -> Catalogue:
    """Every *.toml of these folders in the order of their names, inventories of images after all others.

    A path may also be a single file.
    """
    files = [file for folder in folders for file in _files(folder)]
    read = [_publication(open_section(file)) for file in files]
    read.sort(key=lambda each: each[0].images is not None)
    catalogue = Catalogue(
        _merged([schema for _, schema, _ in read]),
        tuple(table for publication, _, _ in read for table in publication.tables),
        tuple(publication for publication, _, _ in read),
    )
    _distinct("id", [(section, publication.id) for publication, _, section in read])
    _distinct("table", [(section, t.qualified) for publication, _, section in read for t in publication.tables])
    _distinct("example", [(section, e.id) for publication, _, section in read for e in publication.examples])
    for publication, _, section in read:
        _check_keys(section, publication.table, catalogue.tables)
        if publication.images is not None:
            check_lookups(section, publication.images, catalogue.tables)
    return catalogue


def load_standard(file: Path) -> tuple[Schema, tuple[Table, ...]]:
    """The schema and the tables that a standard prescribes; their columns have std set."""
    section = open_section(file)
    schema = section.section("schema").record(Schema)
    tables = tuple(_table(inner, schema.name, name, std=True) for name, inner in section.sections("tables"))
    section.done()
    for table in tables:
        _check_keys(section, table, tables)
    return schema, tables


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise CatalogueError(f"{folder}: there is no such folder of catalogues")
    return sorted(folder.glob("*.toml"))


def _publication(section: Section) -> tuple[Collection, Schema, Section]:
    """One file: the publication, the schema that its table lives in, and where it was read."""
    schema = section.section("schema").record(Schema)
    inner = section.section("table")
    name = inner.take("name")
    columns, also = _columns(section, std=False)
    table = _table(inner, schema.name, name, std=False, columns=columns)
    publication = Collection(
        id=section.take("id"),
        table=table,
        origin=_origin(section.section("origin")),
        files=_files_of(section.section("files", {}), table, also),
        views=tuple(_view(row, table) for row in section.rows("views")),
        notes=tuple(row.record(Note) for row in section.rows("notes")),
        checks=tuple(_check(row, table) for row in section.rows("checks")),
        cone=_cone(section.section("cone"), table) if "cone" in section.values else None,
        images=read_images(section.section("images"), table) if "images" in section.values else None,
        bounds=_bounds(section.section("coverage", {}), table),
        examples=tuple(_example(row) for row in section.rows("examples")),
        subjects=section.take("subjects", tuple[str, ...], ()),
        description=section.take("description", str, None),
    )
    section.done()
    return publication, schema, section


def _table(section: Section, schema: str, name: str, *, std: bool, columns: tuple[Column, ...] = ()) -> Table:
    if not columns:
        columns, _ = _columns(section, std=std)
    table = Table(
        schema,
        name,
        columns,
        title=section.take("title", str, None),
        description=section.take("description", str, None),
        utype=section.take("utype", str, None),
        position=_position(section),
        identifier=section.take("identifier", str, None),
        keys=tuple(_key(row) for row in section.rows("keys")),
    )
    section.done()
    _check_position(section, table)
    if table.identifier is not None:
        _known(section, table, "identifier", [table.identifier])
    return table


def _position(section: Section) -> Position | None:
    reaches = tuple(section.take("reaches", dict[str, float], {}).items())
    if "position" in section.values:
        return section.section("position").record(Position, reaches=reaches)
    if reaches:
        raise section.fault("'reaches' are counted from the position, and there is no 'position'")
    return None


def _columns(section: Section, *, std: bool) -> tuple[tuple[Column, ...], dict[str, str]]:
    """The columns in their order, and the further names by which other sources call them."""
    columns: list[Column] = []
    also: dict[str, str] = {}
    for name, inner in section.sections("columns"):
        for other in inner.take("also", tuple[str, ...], ()):
            if also.setdefault(other, name) != name:
                raise inner.fault(f"{other!r} is another name of {also[other]!r} already")
        columns.append(_column(name, inner, std=std))
    if not columns:
        raise section.fault("there are no columns: write a table [columns.<name>] for each")
    _distinct("column", [(section, column.name) for column in columns])
    return tuple(columns), also


def _column(name: str, section: Section, *, std: bool) -> Column:
    kind, length = _type(section)
    xtype = section.take("xtype", str, None)
    shape = section.take("arraysize", str, None)
    if shape is not None and not (kind.family == "array" and _SHAPE.fullmatch(shape)):
        raise section.fault(f"'arraysize' is that of an array, such as 3, 2x3 or *, and is {shape!r} of a {kind}")
    column = Column(
        name,
        of_xtype(kind, xtype),
        length,
        unit=section.take("unit", str, None),
        ucd=section.take("ucd", str, None),
        utype=section.take("utype", str, None),
        description=section.take("description"),
        nullable=section.take("nullable", bool, True),
        indexed=section.take("indexed", bool, False),
        principal=section.take("principal", bool, False),
        std=section.take("std", bool, std),
        shape=shape,
        label=xtype,
    )
    section.done()
    return column


def _type(section: Section) -> tuple[Type, int | None]:
    """The type and, for a text, its length: "REAL", "CHAR(3)", "VARCHAR(17)", "VARCHAR(*)"."""
    said = section.take("type")
    match = _TYPE.fullmatch(said)
    known = {t.name for t in TYPES}
    if match is None or match[1].upper() not in known:
        raise section.fault(f"unknown type {said!r}; known are {', '.join(sorted(known))}", said.upper(), known)
    kind, length = named(match[1]), match[2]
    if length is not None and kind.family != "text":
        raise section.fault(f"{said!r}: a {kind} has no length")
    if kind is CHAR and length in (None, "*"):
        raise section.fault("a CHAR has a length, as in CHAR(3); a text of any length is VARCHAR(*)")
    return kind, None if length in (None, "*") else int(length)


def _key(section: Section) -> Key:
    key = Key(
        section.take("target"),
        tuple(section.take("columns", dict[str, str]).items()),
        section.take("description", str, None),
        section.take("utype", str, None),
    )
    section.done()
    if not key.columns:
        raise section.fault("'columns' must name at least one pair: columns = { here = \"there\" }")
    return key


def _view(section: Section, base: Table) -> Table:
    """The same rows under other names; the columns that are not renamed keep theirs."""
    rename = section.take("rename", dict[str, str], {})
    _known(section, base, "rename", rename)

    shown = {c.name: rename.get(c.name, c.name) for c in base.columns}
    place = base.position
    view = Table(
        base.schema,
        section.take("name"),
        tuple(c.replace(name=shown[c.name]) for c in base.columns),
        kind="view",
        title=section.take("title", str, base.title),
        description=section.take("description", str, base.description),
        position=place and _renamed(place, shown),
        identifier=base.identifier and shown[base.identifier],
        base=base.qualified,
        source={shown[c.name]: c.name for c in base.columns},
    )
    section.done()
    _distinct("column", [(section, column.name) for column in view.columns])
    return view


def _renamed(position: Position, shown: dict[str, str]) -> Position:
    reaches = tuple((shown[name], reach) for name, reach in position.reaches)
    return replace(position, ra=shown[position.ra], dec=shown[position.dec], reaches=reaches)


def _files_of(section: Section, table: Table, also: dict[str, str]) -> Files:
    """The columns of the files: those of the table in their order, or those listed; renamed where the files differ."""
    rename = section.take("rename", dict[str, str], {})
    published = {there: here for here, there in rename.items()}
    order = section.take("columns", tuple[str, ...], tuple(published.get(c.name, c.name) for c in table.columns))
    columns = tuple((name, rename.get(name, name)) for name in order)
    delimiter, null = section.take("delimiter", RAW, "|"), section.take("null", RAW, r"\N")
    number = section.take("number", str, None)
    section.done()
    _known(section, table, "rename", rename.values())
    _known(section, table, "columns", [name for _, name in columns])
    _distinct("column of the files", [(section, name) for name, _ in columns])
    if len(delimiter) != 1:
        raise section.fault(f"'delimiter' must be one character, and is {delimiter!r}")
    if number is not None:
        _known(section, table, "number", [number])
        if table.column(number).type.family != "integer":
            raise section.fault(f"'number': {number!r} must be a whole number")
    return Files(columns, delimiter, null, also, number)


def _cone(section: Section, table: Table) -> Cone:
    """The cone search; verb2 is the principal columns unless the file says which."""
    if table.position is None or table.identifier is None:
        raise section.fault("a cone search needs 'position' and 'identifier' in [table]")
    principal = tuple(c.name for c in table.columns if c.principal)
    verb2 = section.take("verb2", tuple[str, ...], principal)
    cone = section.record(Cone, verb2=verb2)
    needed = (table.identifier, table.position.ra, table.position.dec)
    for key, names in (("verb1", cone.verb1), ("verb2", cone.verb2)):
        _known(section, table, key, names)
        missing = [name for name in needed if name not in names]
        if missing:
            raise section.fault(f"{key!r} must hold identifier and position; it lacks {', '.join(missing)}")
    ra, dec, sr = cone.test
    if not (0 < cone.max_sr <= 180 and 0 <= ra <= 360 and -90 <= dec <= 90 and 0 < sr <= cone.max_sr):
        raise section.fault("'test' must be ra, dec, sr in degrees, with 0 < sr <= max_sr <= 180")
    return cone


def _origin(section: Section) -> Origin:
    origin = section.record(Origin)
    if len(origin.short_name or "") > SHORT_NAME:
        raise section.fault(f"'short_name' may have {SHORT_NAME} characters at the most, and is {origin.short_name!r}")
    return origin


SHORT_NAME = 16
"""Characters of a short name (VOResource 1.2 section 3.1.1)."""

WAVEBANDS = ("Radio", "Millimeter", "Infrared", "Optical", "UV", "EUV", "X-ray", "Gamma-ray", "Neutrino")
"""The terms of the vocabulary http://www.ivoa.net/rdf/messenger, but for Photon, which says nothing."""


def _bounds(section: Section, table: Table) -> Bounds:
    bounds = section.record(Bounds)
    if bounds.time is not None:
        _known(section, table, "time", [bounds.time])
        if table.column(bounds.time).type.family not in ("real", "time"):
            raise section.fault(f"'time': {bounds.time!r} must be REAL, DOUBLE PRECISION, DATE or TIMESTAMP")
    if bounds.clock not in CLOCKS:
        raise section.fault(f"unknown 'clock' {bounds.clock!r}; known are {', '.join(CLOCKS)}", bounds.clock, CLOCKS)
    for word in bounds.wavebands:
        if word not in WAVEBANDS:
            raise section.fault(f"unknown waveband {word!r}; known are {', '.join(WAVEBANDS)}", word, WAVEBANDS)
    if any(last < first for first, last in bounds.times):
        raise section.fault("'times': the first day of a pair must not come after the last")
    if any(not 0 < low <= high for low, high in bounds.wavelengths):
        raise section.fault("'wavelengths': pairs of numbers above 0 (um), the shorter one first")
    return bounds


def _check(section: Section, table: Table) -> Check:
    check = section.record(Check)
    _known(section, table, "column", [check.column])
    if not table.column(check.column).type.numeric:
        raise section.fault(f"{check.column!r} is no number: it has neither 'low' nor 'high'")
    if check.low is not None and check.high is not None and check.low > check.high:
        raise section.fault(f"'low' {check.low} is above 'high' {check.high}")
    return check


def _example(section: Section) -> Example:
    """Whether its query makes sense is not known here: a table of another file may come after."""
    example = section.record(Example, uploads=section.take("uploads", dict[str, str], {}))
    if not _ID.fullmatch(example.id):
        raise section.fault(f"the id {example.id!r} must begin with a letter and go on with letters, digits, - and _")
    return example


def _check_position(section: Section, table: Table) -> None:
    if table.position is None:
        return
    names = [table.position.ra, table.position.dec]
    _known(section, table, "position", names)
    for name in names:
        if table.column(name).type.family != "real":
            raise section.fault(f"'position': {name!r} must be REAL or DOUBLE PRECISION")
    _known(section, table, "reaches", [name for name, _ in table.position.reaches])
    for name, reach in table.position.reaches:
        if not table.column(name).type.geometric or table.column(name).type is MOC or not 0 <= reach <= 180:
            raise section.fault(f"'reaches': {name!r} must be a region, and its reach 0 to 180 degrees")
    if table.position.healpix in {c.name for c in table.columns}:
        raise section.fault(f"'position': the hidden column {table.position.healpix!r} is the name of a column")


def _check_keys(section: Section, table: Table, tables: Sequence[Table]) -> None:
    targets = {t.qualified: t for t in tables}
    for key in table.keys:
        if key.target not in targets:
            raise section.fault(f"a key points to the unknown table {key.target!r}", key.target, set(targets))
        _known(section, table, "keys", [here for here, _ in key.columns])
        _known(section, targets[key.target], "keys", [there for _, there in key.columns])


def _known(section: Section, table: Table, key: str, names: Iterable[str]) -> None:
    """All these are columns of the table."""
    columns = {c.name for c in table.columns}
    for name in names:
        if name not in columns:
            raise section.fault(f"{key!r}: {table.qualified} has no column {name!r}", name, columns)


def _distinct(what: str, names: Sequence[tuple[Section, str]]) -> None:
    """No two are the same; case does not tell names apart in a query."""
    seen: set[str] = set()
    for section, name in names:
        if name.lower() in seen:
            raise section.fault(f"the {what} {name!r} is there twice; case makes no difference")
        seen.add(name.lower())


def _merged(schemas: Sequence[Schema]) -> tuple[Schema, ...]:
    """Each schema once: one file describes it, others may only name it."""
    found: dict[str, Schema] = {}
    for schema in schemas:
        before = found.get(schema.name)
        if before is None or before == Schema(schema.name):
            found[schema.name] = schema
        elif schema not in (before, Schema(schema.name)):
            raise CatalogueError(f"two files describe the schema {schema.name!r} and do not agree")
    return tuple(found.values())

"""Reader of the catalogue files, schemas/catalogues/*.toml with one collection each, and of the tables that standards
define, schemas/standard/*.toml.

schemas/README.md describes the format. A file that contradicts itself or another raises CatalogueError, which names the
file, the key and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from vo_server.catalogue.catalogue import (
    Catalogue,
    Collection,
    Cone,
    DeclaredCoverage,
    ExampleQuery,
    FileLayout,
    Note,
    Origin,
    Schema,
    ValueCheck,
)
from vo_server.catalogue.images import CLOCKS, check_lookups, read_images
from vo_server.catalogue.reader import RAW, Section, open_section, require_columns
from vo_server.errors import CatalogueError, Code
from vo_server.model.column import Column, Key, Position, Table
from vo_server.model.types import CHAR, MOC, TYPES, Type, find_type, refine_by_xtype

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_ARRAYSIZE = re.compile(r"([1-9][0-9]*x)*([1-9][0-9]*|\*)")
_TYPE = re.compile(r"([A-Za-z][A-Za-z ]*[A-Za-z])\s*(?:\(\s*([1-9][0-9]*|\*)\s*\))?")


def find_builtin_schemas() -> Path:
    """Return the folder `schemas` of the server: inside the installed package, or next to it in the repository."""
    package = Path(__file__).resolve().parent.parent
    for home in (package / "schemas", package.parent / "schemas"):
        if home.is_dir():
            return home
    raise CatalogueError("the folder 'schemas' is neither inside the package nor beside it")


def load_catalogue(folders: Iterable[Path]) -> Catalogue:
    """Return the catalogue of all *.toml files of these folders, in order of name, image collections last.

    A path may also be a single file. Raises CatalogueError.
    """
    files = [file for folder in folders for file in _list_files(folder)]
    entries = [_read_collection(open_section(file)) for file in files]
    entries.sort(key=lambda each: each[0].images is not None)
    catalogue = Catalogue(
        _merge_schemas([schema for _, schema, _ in entries]),
        tuple(table for collection, _, _ in entries for table in collection.tables),
        tuple(collection for collection, _, _ in entries),
    )
    _require_unique("id", [(section, collection.id) for collection, _, section in entries])
    _require_unique(
        "table", [(section, t.qualified_name) for collection, _, section in entries for t in collection.tables]
    )
    _require_unique("example", [(section, e.id) for collection, _, section in entries for e in collection.examples])
    for collection, _, section in entries:
        _check_keys(section, collection.table, catalogue.tables)
        if collection.images is not None:
            check_lookups(section, collection.images, catalogue.tables)
    return catalogue


def load_standard(file: Path) -> tuple[Schema, tuple[Table, ...]]:
    """Return the schema and the tables that a standard defines; their columns have `std` set."""
    section = open_section(file)
    schema = section.take_table("schema").take_record(Schema)
    tables = tuple(
        _read_table(inner, schema.name, name, std=True) for name, inner in section.take_named_tables("tables")
    )
    section.reject_unknown_keys()
    for table in tables:
        _check_keys(section, table, tables)
    return schema, tables


def _list_files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise CatalogueError(f"{folder}: no such folder of catalogue files", code=Code.SETTINGS_INVALID)
    return sorted(folder.glob("*.toml"))


def _read_collection(section: Section) -> tuple[Collection, Schema, Section]:
    """Return the collection of one file, the schema of its table, and the section of the file for messages."""
    schema = section.take_table("schema").take_record(Schema)
    inner = section.take_table("table")
    name = inner.take("name")
    columns, also = _read_columns(section, std=False)
    table = _read_table(inner, schema.name, name, std=False, columns=columns)
    collection = Collection(
        id=section.take("id"),
        table=table,
        origin=_read_origin(section.take_table("origin")),
        files=_read_file_layout(section.take_table("files", {}), table, also),
        views=tuple(_read_view(row, table) for row in section.take_rows("views")),
        notes=tuple(row.take_record(Note) for row in section.take_rows("notes")),
        checks=tuple(_read_check(row, table) for row in section.take_rows("checks")),
        cone=_read_cone(section.take_table("cone"), table) if "cone" in section.values else None,
        images=read_images(section.take_table("images"), table) if "images" in section.values else None,
        coverage=_read_coverage(section.take_table("coverage", {}), table),
        examples=tuple(_read_example(row) for row in section.take_rows("examples")),
        subjects=section.take("subjects", tuple[str, ...], ()),
        description=section.take("description", str, None),
    )
    section.reject_unknown_keys()
    return collection, schema, section


def _read_table(section: Section, schema: str, name: str, *, std: bool, columns: tuple[Column, ...] = ()) -> Table:
    if not columns:
        columns, _ = _read_columns(section, std=std)
    table = Table(
        schema,
        name,
        columns,
        title=section.take("title", str, None),
        description=section.take("description", str, None),
        utype=section.take("utype", str, None),
        position=_read_position(section),
        identifier=section.take("identifier", str, None),
        keys=tuple(_read_key(row) for row in section.take_rows("keys")),
    )
    section.reject_unknown_keys()
    _check_position(section, table)
    if table.identifier is not None:
        require_columns(section, table, "identifier", [table.identifier])
    return table


def _read_position(section: Section) -> Position | None:
    reaches = tuple(section.take("reaches", dict[str, float], {}).items())
    if "position" in section.values:
        return section.take_table("position").take_record(Position, reaches=reaches)
    if reaches:
        raise section.error("'reaches' requires 'position'")
    return None


def _read_columns(section: Section, *, std: bool) -> tuple[tuple[Column, ...], dict[str, str]]:
    """Return the columns in order, and a map from their alternative names to the columns."""
    columns: list[Column] = []
    also: dict[str, str] = {}
    for name, inner in section.take_named_tables("columns"):
        for other in inner.take("also", tuple[str, ...], ()):
            if also.setdefault(other, name) != name:
                raise inner.error(f"'also': {other!r} is already an alternative name of {also[other]!r}")
        columns.append(_read_column(name, inner, std=std))
    if not columns:
        raise section.error("there are no columns: add a table [columns.<name>] for each")
    _require_unique("column", [(section, column.name) for column in columns])
    return tuple(columns), also


def _read_column(name: str, section: Section, *, std: bool) -> Column:
    kind, length = _read_type(section)
    xtype = section.take("xtype", str, None)
    arraysize = section.take("arraysize", str, None)
    if arraysize is not None and not (kind.family == "array" and _ARRAYSIZE.fullmatch(arraysize)):
        raise section.error(
            f"'arraysize' must be that of an array, such as 3, 2x3 or *, not {arraysize!r} for a {kind}"
        )
    column = Column(
        name,
        refine_by_xtype(kind, xtype),
        length,
        unit=section.take("unit", str, None),
        ucd=section.take("ucd", str, None),
        utype=section.take("utype", str, None),
        description=section.take("description"),
        nullable=section.take("nullable", bool, True),
        indexed=section.take("indexed", bool, False),
        principal=section.take("principal", bool, False),
        std=section.take("std", bool, std),
        arraysize_override=arraysize,
        xtype_override=xtype,
    )
    section.reject_unknown_keys()
    return column


def _read_type(section: Section) -> tuple[Type, int | None]:
    """Return the type and, for a text, its length: "REAL", "CHAR(3)", "VARCHAR(17)", "VARCHAR(*)"."""
    text = section.take("type")
    match = _TYPE.fullmatch(text)
    known = {t.name for t in TYPES}
    if match is None or match[1].upper() not in known:
        raise section.error(f"unknown type {text!r}; known are {', '.join(sorted(known))}", text.upper(), known)
    kind, length = find_type(match[1]), match[2]
    if length is not None and kind.family != "text":
        raise section.error(f"{text!r}: a {kind} has no length")
    if kind is CHAR and length in (None, "*"):
        raise section.error("CHAR requires a length, as in CHAR(3); a text of any length is VARCHAR(*)")
    return kind, None if length in (None, "*") else int(length)


def _read_key(section: Section) -> Key:
    key = Key(
        section.take("target"),
        tuple(section.take("columns", dict[str, str]).items()),
        section.take("description", str, None),
        section.take("utype", str, None),
    )
    section.reject_unknown_keys()
    if not key.columns:
        raise section.error("'columns' must name at least one pair: columns = { here = \"there\" }")
    return key


def _read_view(section: Section, base: Table) -> Table:
    """Return a view: the same rows under other names; columns that are not renamed keep their names."""
    rename = section.take("rename", dict[str, str], {})
    require_columns(section, base, "rename", rename)

    shown = {c.name: rename.get(c.name, c.name) for c in base.columns}
    place = base.position
    view = Table(
        base.schema,
        section.take("name"),
        tuple(c.replace(name=shown[c.name]) for c in base.columns),
        kind="view",
        title=section.take("title", str, base.title),
        description=section.take("description", str, base.description),
        position=place and _rename_position(place, shown),
        identifier=base.identifier and shown[base.identifier],
        base=base.qualified_name,
        source={shown[c.name]: c.name for c in base.columns},
    )
    section.reject_unknown_keys()
    _require_unique("column", [(section, column.name) for column in view.columns])
    return view


def _rename_position(position: Position, shown: dict[str, str]) -> Position:
    reaches = tuple((shown[name], reach) for name, reach in position.reaches)
    return replace(position, ra=shown[position.ra], dec=shown[position.dec], reaches=reaches)


def _read_file_layout(section: Section, table: Table, also: dict[str, str]) -> FileLayout:
    """Return the layout of the files: the columns of the table, or those listed, under their names in the files."""
    rename = section.take("rename", dict[str, str], {})
    published = {there: here for here, there in rename.items()}
    order = section.take("columns", tuple[str, ...], tuple(published.get(c.name, c.name) for c in table.columns))
    columns = tuple((name, rename.get(name, name)) for name in order)
    delimiter, null = section.take("delimiter", RAW, "|"), section.take("null", RAW, r"\N")
    number = section.take("number", str, None)
    section.reject_unknown_keys()
    require_columns(section, table, "rename", rename.values())
    require_columns(section, table, "columns", [name for _, name in columns])
    _require_unique("column of the files", [(section, name) for name, _ in columns])
    if len(delimiter) != 1:
        raise section.error(f"'delimiter' must be one character, not {delimiter!r}")
    if number is not None:
        require_columns(section, table, "number", [number])
        if table.get_column(number).type.family != "integer":
            raise section.error(f"'number': {number!r} must be a column of integers")
    return FileLayout(columns, delimiter, null, also, number)


def _read_cone(section: Section, table: Table) -> Cone:
    """Return the cone search; by default, verb2 is the principal columns."""
    if table.position is None or table.identifier is None:
        raise section.error("a cone search needs 'position' and 'identifier' in [table]")
    principal = tuple(c.name for c in table.columns if c.principal)
    is_default = "verb2" not in section.values
    verb2 = section.take("verb2", tuple[str, ...], principal)
    cone = section.take_record(Cone, verb2=verb2)
    needed = (table.identifier, table.position.ra, table.position.dec)
    for key, names in (("verb1", cone.verb1), ("verb2", cone.verb2)):
        require_columns(section, table, key, names)
        missing = [name for name in needed if name not in names]
        if missing and key == "verb2" and is_default:
            message = "'verb2' defaults to the principal columns, which must include identifier and position"
            raise section.error(f"{message}; give {', '.join(missing)} principal = true, or add 'verb2'")
        if missing:
            raise section.error(f"{key!r} must contain identifier and position; missing: {', '.join(missing)}")
    ra, dec, sr = cone.test
    if not (0 < cone.max_sr <= 180 and 0 <= ra <= 360 and -90 <= dec <= 90 and 0 < sr <= cone.max_sr):
        raise section.error("'test' must be ra, dec, sr in degrees, with 0 < sr <= max_sr <= 180")
    return cone


def _read_origin(section: Section) -> Origin:
    origin = section.take_record(Origin)
    if len(origin.short_name or "") > MAX_SHORT_NAME_LENGTH:
        raise section.error(f"'short_name' may have at most {MAX_SHORT_NAME_LENGTH} characters: {origin.short_name!r}")
    return origin


MAX_SHORT_NAME_LENGTH = 16
"""Maximum number of characters of a short name (VOResource 1.2 section 3.1.1)."""

WAVEBANDS = ("Radio", "Millimeter", "Infrared", "Optical", "UV", "EUV", "X-ray", "Gamma-ray", "Neutrino")
"""The terms of the vocabulary http://www.ivoa.net/rdf/messenger without Photon, which carries no information."""


def _read_coverage(section: Section, table: Table) -> DeclaredCoverage:
    coverage = section.take_record(DeclaredCoverage)
    if coverage.time is not None:
        require_columns(section, table, "time", [coverage.time])
        if table.get_column(coverage.time).type.family not in ("real", "time"):
            raise section.error(f"'time': {coverage.time!r} must be REAL, DOUBLE PRECISION, DATE or TIMESTAMP")
    if coverage.clock not in CLOCKS:
        raise section.error(
            f"unknown 'clock' {coverage.clock!r}; known are {', '.join(CLOCKS)}", coverage.clock, CLOCKS
        )
    for word in coverage.wavebands:
        if word not in WAVEBANDS:
            raise section.error(f"unknown waveband {word!r}; known are {', '.join(WAVEBANDS)}", word, WAVEBANDS)
    if any(last < first for first, last in coverage.times):
        raise section.error("'times': the first day of a pair must not be after the last")
    if any(not 0 < low <= high for low, high in coverage.wavelengths):
        raise section.error("'wavelengths' must be pairs of positive numbers (um), the shorter one first")
    return coverage


def _read_check(section: Section, table: Table) -> ValueCheck:
    check = section.take_record(ValueCheck)
    require_columns(section, table, "column", [check.column])
    if not table.get_column(check.column).type.is_numeric:
        raise section.error(f"{check.column!r} is not numeric: 'low' and 'high' do not apply")
    if check.low is not None and check.high is not None and check.low > check.high:
        raise section.error(f"'low' {check.low} is above 'high' {check.high}")
    return check


def _read_example(section: Section) -> ExampleQuery:
    """Return an example query. The query is not checked here: it may use a table of a later file."""
    example = section.take_record(ExampleQuery, uploads=section.take("uploads", dict[str, str], {}))
    if not _ID.fullmatch(example.id):
        raise section.error(f"the id {example.id!r} must be a letter followed by letters, digits, - and _")
    return example


def _check_position(section: Section, table: Table) -> None:
    if table.position is None:
        return
    names = [table.position.ra, table.position.dec]
    require_columns(section, table, "position", names)
    for name in names:
        if table.get_column(name).type.family != "real":
            raise section.error(f"'position': {name!r} must be REAL or DOUBLE PRECISION")
    require_columns(section, table, "reaches", [name for name, _ in table.position.reaches])
    for name, reach in table.position.reaches:
        if not table.get_column(name).type.is_geometric or table.get_column(name).type is MOC or not 0 <= reach <= 180:
            raise section.error(f"'reaches': {name!r} must be a column of regions, and its reach 0 to 180 degrees")
    if table.position.healpix in {c.name for c in table.columns}:
        raise section.error(
            f"'position': the name of the hidden column, {table.position.healpix!r}, is that of a published column"
        )


def _check_keys(section: Section, table: Table, tables: Sequence[Table]) -> None:
    targets = {t.qualified_name: t for t in tables}
    for key in table.keys:
        if key.target not in targets:
            raise section.error(f"'keys': unknown target table {key.target!r}", key.target, set(targets))
        require_columns(section, table, "keys", [here for here, _ in key.columns])
        require_columns(section, targets[key.target], "keys", [there for _, there in key.columns])


def _require_unique(what: str, names: Sequence[tuple[Section, str]]) -> None:
    """Raise CatalogueError if two names are equal without regard to case, as in a query."""
    seen: set[str] = set()
    for section, name in names:
        if name.lower() in seen:
            raise section.error(f"duplicate {what} {name!r} (names are compared without case)")
        seen.add(name.lower())


def _merge_schemas(schemas: Sequence[Schema]) -> tuple[Schema, ...]:
    """Return each schema once: one file describes it, others may only name it."""
    merged: dict[str, Schema] = {}
    for schema in schemas:
        before = merged.get(schema.name)
        if before is None or before == Schema(schema.name):
            merged[schema.name] = schema
        elif schema not in (before, Schema(schema.name)):
            raise CatalogueError(f"two files describe the schema {schema.name!r} differently")
    return tuple(merged.values())

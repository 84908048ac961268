"""The section [images] of catalogue files, and the errors of invalid ones."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest

from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.images import ImageCollection
from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.errors import CatalogueError, Code
from vo_server.load.inventory.fill import format_text

IDS = ("atlas", "quicklook", "stamps")


@cache
def catalogue() -> Catalogue:
    return load_catalogue([find_builtin_schemas() / "catalogues"])


def images(id: str) -> ImageCollection:
    found = catalogue().get_collection(id).images
    assert found is not None
    return found


def test_catalogues_come_before_inventories() -> None:
    assert [p.id for p in catalogue().collections] == ["psc", "xsc", *IDS]
    assert [p.images is not None for p in catalogue().collections] == [False, False, True, True, True]


@pytest.mark.parametrize("id", IDS)
def test_has_metadata_of_protocols(id: str) -> None:
    here, table = images(id), catalogue().get_collection(id).table
    names = {c.name for c in table.columns}
    assert table.get_column(here.find_column("sky", "footprint") or "").xtype == "polygon"
    assert (here.find_column("file", "path"), here.find_column("file", "size"), here.find_column("sky", "fov")) == (
        "path",
        "f_size",
        "fov",
    )
    assert here.find_column("file", "name") is None
    assert table.position is not None
    assert (here.find_column("sky", "ra"), here.find_column("sky", "dec")) == (table.position.ra, table.position.dec)
    assert {c.name for c in table.columns if not c.nullable} <= {f.column for f in here.fills} <= names
    assert [b.name for b in here.bands] == ["J", "H", "K"]
    assert all(1e-6 < b.low < b.reference < b.high < 2.5e-6 for b in here.bands)
    assert table.get_column("coadd_key").type.name == "INTEGER"


def test_the_collections() -> None:
    assert [images(id).product for id in IDS] == ["image", "image", "cube"]
    assert [images(id).calibration for id in IDS] == [2, 2, 3]
    assert [b.name for b in images("atlas").select_bands("H")] == ["H"]
    assert [b.name for b in images("stamps").select_bands(None)] == ["J", "H", "K"]
    assert images("quicklook").caution is not None and "not for photometry" in images("quicklook").caution
    time = images("atlas").time
    assert time is not None and (time.column, time.exposure) == ("jdate", 7.8)


def test_bands_are_those_of_the_release() -> None:
    facts = {
        "J": (1.066e-6, 1.235e-6, 1.404e-6),
        "H": (1.4e-6, 1.662e-6, 1.924e-6),
        "K": (1.884e-6, 2.159e-6, 2.434e-6),
    }
    for id in IDS:
        assert {b.name: (b.low, b.reference, b.high) for b in images(id).bands} == facts


def test_every_keyword_is_one_of_atlas_headers(shared: Path) -> None:
    with (shared / "facts" / "atlas_header_keywords.csv").open(encoding="utf-8", newline="") as file:
        known = {row["keyword"] for row in csv.DictReader(file)}
    for id in ("atlas", "quicklook"):
        keywords = {k for f in images(id).fills if f.source == "header" for k in f.spec.split()}
        assert keywords <= known


def test_the_inventory_has_the_columns_of_the_release(shared: Path) -> None:
    """Names under which UMass and IRSA have them load into ours."""
    with (shared / "facts" / "image_inventory_columns.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    here = catalogue().get_collection("atlas")
    known = {c.name for c in here.table.columns} | set(here.files.also)
    for row in rows:
        if row["inventory"].startswith(("UMass image_inventory", "IRSA")):
            assert row["name"] in known or row["name"] in ("s_type", "in_ra", "in_dec"), row["name"]


def test_titles() -> None:
    from datetime import date

    values = {"band": "J", "date": date(2000, 10, 22), "hemis": "s", "scan": 62, "coadd": 186}
    assert format_text(images("atlas").title, values) == "2MASS J Atlas image: 001022 s scan 062 image 0186"
    assert format_text(images("atlas").title, {"band": "J"}) is None


GOOD = """
id = "shots"
[schema]
name = "obs"
[table]
name = "shots"
identifier = "shot"
position = { ra = "ra", dec = "dec" }
[columns.shot]
type = "INTEGER"
description = "Number"
[columns.ra]
type = "DOUBLE PRECISION"
description = "Right ascension"
[columns.dec]
type = "DOUBLE PRECISION"
description = "Declination"
[columns.area]
type = "POLYGON"
description = "Outline"
[columns.path]
type = "VARCHAR(*)"
description = "Path"
[images]
collection = "Shots"
product = "image"
calibration = 2
title = "Shot {shot}"
facility = "Here"
instrument = "Camera"
names = ['s(?P<shot>\\d+)']
[images.bands.V]
low = 5e-7
reference = 5.5e-7
high = 6e-7
[images.fill]
ra = { sky = "ra" }
dec = { sky = "dec" }
area = { sky = "footprint" }
path = { file = "path" }
[origin]
title = "Shots"
publisher = "Nobody"
"""


def test_reads_images_of_another_observatory(tmp_path: Path) -> None:
    (tmp_path / "shots.toml").write_text(GOOD)
    here = load_catalogue([tmp_path]).get_collection("shots").images
    assert here is not None
    assert [(f.column, f.source, f.spec) for f in here.fills if f.source == "name"] == [("shot", "name", "shot")]


def lookup_section(table: str, match: str, take: str) -> str:
    return f'[[images.lookups]]\ntable = "{table}"\nmatch = {match}\ntake = {take}\n[origin]'


@pytest.mark.parametrize(
    ("old", "new", "fragment"),
    [
        ("calibration = 2", "calibration = 7", "'calibration'"),
        ('product = "image"', 'product = "picture"', "image, cube"),
        ('facility = "Here"', "", "'facility'"),
        ('facility = "Here"', 'facilty = "Here"\nfacility = "Here"', "'facilty'"),
        ("low = 5e-7", "low = 5.9e-7", "low <= reference <= high"),
        ('ra = { sky = "ra" }', 'ra = { sky = "right" }', "'right'"),
        ('ra = { sky = "ra" }', 'ra = { sky = "ra", header = "RA" }', "header, file, sky"),
        ('ra = { sky = "ra" }', 'rae = { sky = "ra" }', "'rae'"),
        ('ra = { sky = "ra" }', 'ra = { header = "D", clock = "bc" }', "'bc'"),
        ('path = { file = "path" }', "", "fill.<column>"),
        ('area = { sky = "footprint" }', "", "fill.<column>"),
        ("(?P<shot>", "(?P<shoot>", "'shoot'"),
        ("(?P<shot>", "(?P<shot", "'names'"),
        ("Shot {shot}", "Shot {number}", "'number'"),
        ("Shot {shot}", "Shot {shot", "expected '}'"),
        ("[images.bands.V]", "[images.lights.V]", "'lights'"),
        ('identifier = "shot"', "", "'identifier'"),
        ("[origin]", lookup_section("obs.no", "{shot = 'a'}", "{shot = 'b'}"), "'obs.no'"),
        ("[origin]", lookup_section("obs.shots", "{shot = 'shot'}", "{}"), "'take'"),
        ("[origin]", lookup_section("obs.shots", "{shot = 'shut'}", "{ra = 'ra'}"), "'shut'"),
    ],
)  # fmt: skip
def test_rejects_invalid_images(tmp_path: Path, old: str, new: str, fragment: str) -> None:
    assert old in GOOD
    (tmp_path / "shots.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(CatalogueError, match=r"shots\.toml") as raised:
        load_catalogue([tmp_path])
    assert raised.value.code == Code.CATALOGUE_INVALID
    assert fragment in str(raised.value)

"""Catalogue files: the content of a small one, and the error of each kind of mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vo_server.catalogue.load import find_builtin_schemas, load_catalogue, load_standard
from vo_server.errors import CatalogueError, Code
from vo_server.model.column import Key, Position
from vo_server.model.types import CHAR, DOUBLE, VARCHAR

STARS = """
id = "stars"
description = "A handful of stars"
subjects = ["stars"]

[schema]
name = "lowell"
description = "An observatory that is not ours"

[table]
name = "stars"
title = "Stars"
description = "One star a row"
identifier = "name"
position = { ra = "raj", dec = "dej" }

[[table.keys]]
target = "lowell.stars"
columns = { twin = "name" }

[columns.name]
type = "VARCHAR(12)"
ucd = "meta.id;meta.main"
description = "Name"
nullable = false
principal = true
also = ["star", "HD"]

[columns.raj]
type = "double precision"
unit = "deg"
description = "Right ascension"
indexed = true
principal = true

[columns.dej]
type = "DOUBLE PRECISION"
unit = "deg"
description = "Declination"
principal = true

[columns.class]
type = "CHAR(2)"
description = "Class"

[columns.twin]
type = "VARCHAR(*)"
description = "Name of the companion"

[[views]]
name = "objects"
rename = { raj = "ra", dej = "dec", name = "object" }

[files]
delimiter = "\\t"
null = ""
rename = { de = "dej" }
columns = ["name", "raj", "de"]

[cone]
test = [10, 20, 0.5]
verb1 = ["name", "raj", "dej"]

[[checks]]
column = "raj"
low = 0
high = 360

[[notes]]
text = "Names may change"

[[examples]]
id = "twins"
title = "Stars with a companion"
description = "All that have one"
query = "SELECT name, twin FROM lowell.stars AS s JOIN TAP_UPLOAD.mine USING (name)"
uploads = { mine = "SELECT name FROM lowell.stars" }

[origin]
title = "Stars of Lowell"
publisher = "Lowell"
"""


def write(folder: Path, text: str, name: str = "stars.toml") -> Path:
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def test_reads_file_of_another_observatory(tmp_path: Path) -> None:
    write(tmp_path, STARS)
    catalogue = load_catalogue([find_builtin_schemas() / "catalogues", tmp_path])
    assert [p.id for p in catalogue.collections] == ["psc", "xsc", "stars", "atlas", "quicklook", "stamps"]
    assert [s.name for s in catalogue.schemas] == ["twomass", "lowell"]
    stars = catalogue.get_collection("stars")
    assert stars.table.position == Position("raj", "dej")
    assert stars.table.keys == (Key("lowell.stars", (("twin", "name"),)),)
    assert [(c.name, c.type, c.length) for c in stars.table.columns] == [
        ("name", VARCHAR, 12),
        ("raj", DOUBLE, None),
        ("dej", DOUBLE, None),
        ("class", CHAR, 2),
        ("twin", VARCHAR, None),
    ]
    assert stars.table.get_column("raj").indexed and not stars.table.get_column("dej").indexed
    assert stars.files.columns == (("name", "name"), ("raj", "raj"), ("de", "dej"))
    assert (stars.files.delimiter, stars.files.null) == ("\t", "")
    assert stars.files.also == {"star": "name", "HD": "name"}
    assert stars.cone is not None
    assert stars.cone.verb2 == ("name", "raj", "dej")
    assert stars.cone.test == (10.0, 20.0, 0.5)
    (view,) = stars.views
    assert (view.kind, view.base, view.position) == ("view", "lowell.stars", Position("ra", "dec"))
    assert view.identifier == "object"
    assert view.source == {"object": "name", "ra": "raj", "dec": "dej", "class": "class", "twin": "twin"}
    assert catalogue.collect_origins([view]) == (stars.origin,)


def test_reads_single_file(tmp_path: Path) -> None:
    assert load_catalogue([write(tmp_path, STARS)]).get_collection("stars").table.qualified_name == "lowell.stars"


MISTAKES = [
    ('unit = "deg"', 'unti = "deg"', "columns.raj", "did you mean 'unit'?"),
    ('publisher = "Lowell"', 'publishr = "Lowell"', "origin", "(there is 'publishr')"),
    ('publisher = "Lowell"', "", "origin", "'publisher'"),
    ('title = "Stars"', "title = 7", "table", "'title'"),
    ('title = "Stars"', 'title = " "', "table", "'title'"),
    ("principal = true", 'principal = "yes"', "columns.name", "'principal'"),
    ("double precision", "DUOBLE PRECISION", "columns.raj", "did you mean 'DOUBLE PRECISION'?"),
    ("double precision", "REAL(4)", "columns.raj", "'REAL(4)'"),
    ('"CHAR(2)"', '"CHAR"', "columns.class", "CHAR(3)"),
    ("[columns.class]", "[columns.twin]", "", "twin"),
    ("[columns.class]", "[columns.Twin]", "", "'twin'"),
    ('description = "Class"', "", "columns.class", "'description'"),
    ('also = ["star", "HD"]', 'also = "star"', "columns.name", "'also'"),
    ("indexed = true", 'also = ["HD"]', "columns.raj", "'also': 'HD'"),
    ('twin = "name"', 'twin = "nmae"', "", "did you mean 'name'?"),
    ('twin = "name"', 'twn = "name"', "", "did you mean 'twin'?"),
    ('columns = { twin = "name" }', "columns = {}", "table.keys no. 1", "'columns'"),
    ('target = "lowell.stars"', 'target = "lowell.star"', "", "did you mean 'lowell.stars'?"),
    ('ra = "raj", dec', 'ra = "rja", dec', "table", "did you mean 'raj'?"),
    ('ra = "raj", dec', 'ra = "name", dec', "table", "'position': 'name'"),
    ("[columns.class]", "[columns._healpix]", "table", "'_healpix'"),
    ('identifier = "name"', 'identifier = "nom"', "table", "'nom'"),
    ('identifier = "name"', "", "cone", "'identifier'"),
    ('verb1 = ["name", "raj", "dej"]', 'verb1 = ["name", "ra", "dej"]', "cone", "'ra'"),
    ('verb1 = ["name", "raj", "dej"]', 'verb1 = ["name"]', "cone", "raj, dej"),
    ("principal = true", "principal = false", "cone", "give name principal = true"),
    ("test = [10, 20, 0.5]", "test = [10, 20]", "cone", "'test'"),
    ("test = [10, 20, 0.5]", "test = [10, 120, 0.5]", "cone", "'test'"),
    ("test = [10, 20, 0.5]", "test = [10, 20, 0.5]\nmax_sr = 0.1", "cone", "max_sr"),
    ('column = "raj"', 'column = "ra"', "checks no. 1", "did you mean 'raj'?"),
    ('column = "raj"', 'column = "name"', "checks no. 1", "'name'"),
    ("low = 0", "low = 400", "checks no. 1", "'low'"),
    ("low = 0", "lov = 0", "checks no. 1", "did you mean 'low'?"),
    ('delimiter = "\\t"', 'delimiter = ", "', "files", "'delimiter'"),
    ('de = "dej"', 'de = "dec"', "files", "'dec'"),
    ('"raj", "de"]', '"raj", "raj"]', "files", "'raj'"),
    ('name = "object" }', 'nam = "object" }', "views no. 1", "did you mean 'name'?"),
    ('name = "object" }', 'name = "twin" }', "views no. 1", "'twin'"),
    ('name = "objects"', 'name = "Stars"', "", "'lowell.Stars'"),
    ("[[notes]]", "[[note]]", "", "did you mean 'notes'?"),
    ("[[checks]]", "[checks]", "", "'checks'"),
    ("[schema]", "[schema", "", "TOML"),
    ('name = "lowell"', 'naem = "lowell"', "schema", "(there is 'naem')"),
    ('id = "twins"', 'id = "2 twins"', "examples no. 1", "'2 twins'"),
    ('title = "Stars with', 'titel = "Stars with', "examples no. 1", "(there is 'titel')"),
    ("[[notes]]", '[coverage]\nwavebands = ["Infrarred"]\n[[notes]]', "coverage", "did you mean 'Infrared'?"),
    ("[[notes]]", "[coverage]\nwavelengths = [1, 2]\n[[notes]]", "coverage", "'wavelengths'"),
    ("[[notes]]", "[coverage]\nwavelengths = [[2, 1]]\n[[notes]]", "coverage", "'wavelengths'"),
    ("[[notes]]", "[coverage]\nwavelengths = [[0, 1]]\n[[notes]]", "coverage", "'wavelengths'"),
    (
        "[[notes]]",
        '[coverage]\ntimes = [["1997-06-07", "1997-06-08"]]\n[[notes]]',
        "coverage",
        "'times'",
    ),
    ("[[notes]]", "[coverage]\ntimes = [[1997-06-07T00:00:00Z, 1997-06-08]]\n[[notes]]", "coverage", "'times'"),
    ("[[notes]]", "[coverage]\ntimes = [[1997-06-09, 1997-06-08]]\n[[notes]]", "coverage", "'times'"),
    ('publisher = "Lowell"', 'publisher = "Lowell"\nshort_name = "Lowell\'s long lists"', "origin", "16"),
    ('uploads = { mine = "', 'uploads = { mine = 1, x = "', "examples no. 1", "'uploads'"),
    (
        "[[examples]]",
        '[[examples]]\nid="Twins"\ntitle="a"\ndescription="a"\nquery="a"\n[[examples]]',
        "",
        "'twins'",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "section", "fragment"), MISTAKES)
def test_rejects_invalid_file(tmp_path: Path, right: str, wrong: str, section: str, fragment: str) -> None:
    """The message names file and section, and has a key, a value or a suggestion."""
    assert right in STARS
    file = write(tmp_path, STARS.replace(right, wrong, 1))
    with pytest.raises(CatalogueError) as raised:
        load_catalogue([file])
    assert raised.value.code == Code.CATALOGUE_INVALID
    assert str(raised.value).startswith(f"stars.toml, [{section}]" if section else "stars.toml: ")
    assert fragment in str(raised.value)


def test_rejects_file_without_columns(tmp_path: Path) -> None:
    head = STARS[: STARS.index("[columns.name]")]
    file = write(tmp_path, head + '[origin]\ntitle = "a"\npublisher = "b"\n')
    with pytest.raises(CatalogueError, match=r"\[columns\.<name>\]"):
        load_catalogue([file])


def test_rejects_files_that_contradict_each_other(tmp_path: Path) -> None:
    write(tmp_path, STARS)
    write(tmp_path, STARS, "twin.toml")
    with pytest.raises(CatalogueError, match="id 'stars'"):
        load_catalogue([tmp_path])
    other = STARS.replace('id = "stars"', 'id = "more"')
    write(tmp_path, other, "twin.toml")
    with pytest.raises(CatalogueError, match=r"table 'lowell\.stars'"):
        load_catalogue([tmp_path])
    write(tmp_path, other.replace("is not ours", "is ours"), "twin.toml")
    with pytest.raises(CatalogueError, match="schema 'lowell'"):
        load_catalogue([tmp_path])


def test_rejects_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError) as raised:
        load_catalogue([tmp_path / "none"])
    assert raised.value.code == Code.SETTINGS_INVALID


def test_rejects_key_to_unknown_table() -> None:
    with pytest.raises(CatalogueError, match=r"'twomass\.xsc'"):
        load_catalogue([find_builtin_schemas() / "catalogues" / "psc.toml"])


def test_columns_of_a_standard_are_std() -> None:
    schema, tables = load_standard(find_builtin_schemas() / "standard" / "tap_schema.toml")
    assert schema.name == "tap_schema"
    assert all(c.std for t in tables for c in t.columns)


def test_example_of_the_documentation_is_valid(tmp_path: Path) -> None:
    readme = (find_builtin_schemas() / "README.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "bright.toml").write_text(example)
    assert load_catalogue([tmp_path]).get_collection("bright").cone is not None

"""Files of catalogues: what a small one says, and what each kind of mistake is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from vo_server.catalogue.load import builtin_schemas, load_catalogue, load_standard
from vo_server.errors import CatalogueError
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


def test_another_observatory_is_a_file(tmp_path: Path) -> None:
    write(tmp_path, STARS)
    catalogue = load_catalogue([builtin_schemas() / "catalogues", tmp_path])
    assert [p.id for p in catalogue.collections] == ["psc", "xsc", "stars", "atlas", "quicklook", "stamps"]
    assert [s.name for s in catalogue.schemas] == ["twomass", "lowell"]
    stars = catalogue.collection("stars")
    assert stars.table.position == Position("raj", "dej")
    assert stars.table.keys == (Key("lowell.stars", (("twin", "name"),)),)
    assert [(c.name, c.type, c.length) for c in stars.table.columns] == [
        ("name", VARCHAR, 12),
        ("raj", DOUBLE, None),
        ("dej", DOUBLE, None),
        ("class", CHAR, 2),
        ("twin", VARCHAR, None),
    ]
    assert stars.table.column("raj").indexed and not stars.table.column("dej").indexed
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
    assert catalogue.origins([view]) == (stars.origin,)


def test_a_path_may_be_a_file(tmp_path: Path) -> None:
    assert load_catalogue([write(tmp_path, STARS)]).collection("stars").table.qualified == "lowell.stars"


MISTAKES = [
    ('unit = "deg"', 'unti = "deg"', "columns.raj", "did you mean 'unit'?"),
    ('publisher = "Lowell"', 'publishr = "Lowell"', "origin", "'publisher' is missing (there is 'publishr')"),
    ('publisher = "Lowell"', "", "origin", "'publisher' is missing"),
    ('title = "Stars"', "title = 7", "table", "'title' must be a text, and is 7"),
    ('title = "Stars"', 'title = " "', "table", "'title' must be a text"),
    ("principal = true", 'principal = "yes"', "columns.name", "must be true or false"),
    ("double precision", "DUOBLE PRECISION", "columns.raj", "did you mean 'DOUBLE PRECISION'?"),
    ("double precision", "REAL(4)", "columns.raj", "a REAL has no length"),
    ('"CHAR(2)"', '"CHAR"', "columns.class", "a CHAR has a length"),
    ("[columns.class]", "[columns.twin]", "", "twin"),
    ("[columns.class]", "[columns.Twin]", "", "the column 'twin' is there twice"),
    ('description = "Class"', "", "columns.class", "'description' is missing"),
    ('also = ["star", "HD"]', 'also = "star"', "columns.name", "must be a list of texts"),
    ("indexed = true", 'also = ["HD"]', "columns.raj", "'HD' is another name of 'name' already"),
    ('twin = "name"', 'twin = "nmae"', "", "did you mean 'name'?"),
    ('twin = "name"', 'twn = "name"', "", "did you mean 'twin'?"),
    ('columns = { twin = "name" }', "columns = {}", "table.keys no. 1", "at least one pair"),
    ('target = "lowell.stars"', 'target = "lowell.star"', "", "did you mean 'lowell.stars'?"),
    ('ra = "raj", dec', 'ra = "rja", dec', "table", "did you mean 'raj'?"),
    ('ra = "raj", dec', 'ra = "name", dec', "table", "'name' must be REAL or DOUBLE PRECISION"),
    ("[columns.class]", "[columns._healpix]", "table", "the hidden column '_healpix'"),
    ('identifier = "name"', 'identifier = "nom"', "table", "has no column 'nom'"),
    ('identifier = "name"', "", "cone", "needs 'position' and 'identifier'"),
    ('verb1 = ["name", "raj", "dej"]', 'verb1 = ["name", "ra", "dej"]', "cone", "has no column 'ra'"),
    ('verb1 = ["name", "raj", "dej"]', 'verb1 = ["name"]', "cone", "it lacks raj, dej"),
    ("test = [10, 20, 0.5]", "test = [10, 20]", "cone", "a list of three numbers"),
    ("test = [10, 20, 0.5]", "test = [10, 120, 0.5]", "cone", "ra, dec, sr in degrees"),
    ("test = [10, 20, 0.5]", "test = [10, 20, 0.5]\nmax_sr = 0.1", "cone", "sr <= max_sr"),
    ('column = "raj"', 'column = "ra"', "checks no. 1", "did you mean 'raj'?"),
    ('column = "raj"', 'column = "name"', "checks no. 1", "is no number"),
    ("low = 0", "low = 400", "checks no. 1", "is above 'high'"),
    ("low = 0", "lov = 0", "checks no. 1", "did you mean 'low'?"),
    ('delimiter = "\\t"', 'delimiter = ", "', "files", "must be one character"),
    ('de = "dej"', 'de = "dec"', "files", "has no column 'dec'"),
    ('"raj", "de"]', '"raj", "raj"]', "files", "is there twice"),
    ('name = "object" }', 'nam = "object" }', "views no. 1", "did you mean 'name'?"),
    ('name = "object" }', 'name = "twin" }', "views no. 1", "'twin' is there twice"),
    ('name = "objects"', 'name = "Stars"', "", "the table 'lowell.Stars' is there twice"),
    ("[[notes]]", "[[note]]", "", "did you mean 'notes'?"),
    ("[[checks]]", "[checks]", "", "'checks' must be an array of tables"),
    ("[schema]", "[schema", "", "cannot be read as TOML"),
    ('name = "lowell"', 'naem = "lowell"', "schema", "'name' is missing (there is 'naem')"),
    ('id = "twins"', 'id = "2 twins"', "examples no. 1", "must begin with a letter"),
    ('title = "Stars with', 'titel = "Stars with', "examples no. 1", "'title' is missing (there is 'titel')"),
    ("[[notes]]", '[coverage]\nwavebands = ["Infrarred"]\n[[notes]]', "coverage", "did you mean 'Infrared'?"),
    ("[[notes]]", "[coverage]\nwavelengths = [1, 2]\n[[notes]]", "coverage", "must be a list of pairs of numbers"),
    ("[[notes]]", "[coverage]\nwavelengths = [[2, 1]]\n[[notes]]", "coverage", "the shorter one first"),
    ("[[notes]]", "[coverage]\nwavelengths = [[0, 1]]\n[[notes]]", "coverage", "numbers above 0"),
    (
        "[[notes]]",
        '[coverage]\ntimes = [["1997-06-07", "1997-06-08"]]\n[[notes]]',
        "coverage",
        "a list of pairs of days",
    ),
    ("[[notes]]", "[coverage]\ntimes = [[1997-06-07T00:00:00Z, 1997-06-08]]\n[[notes]]", "coverage", "pairs of days"),
    ("[[notes]]", "[coverage]\ntimes = [[1997-06-09, 1997-06-08]]\n[[notes]]", "coverage", "must not come after"),
    ('publisher = "Lowell"', 'publisher = "Lowell"\nshort_name = "Lowell\'s long lists"', "origin", "16 characters"),
    ('uploads = { mine = "', 'uploads = { mine = 1, x = "', "examples no. 1", "'uploads' must be a table of texts"),
    (
        "[[examples]]",
        '[[examples]]\nid="Twins"\ntitle="a"\ndescription="a"\nquery="a"\n[[examples]]',
        "",
        "the example 'twins' is there twice",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "place", "said"), MISTAKES)
def test_mistakes_are_told(tmp_path: Path, right: str, wrong: str, place: str, said: str) -> None:
    assert right in STARS
    file = write(tmp_path, STARS.replace(right, wrong, 1))
    with pytest.raises(CatalogueError) as caught:
        load_catalogue([file])
    assert str(caught.value).startswith(f"stars.toml, [{place}]" if place else "stars.toml: ")
    assert said in str(caught.value)


def test_a_file_without_columns(tmp_path: Path) -> None:
    head = STARS[: STARS.index("[columns.name]")]
    file = write(tmp_path, head + '[origin]\ntitle = "a"\npublisher = "b"\n')
    with pytest.raises(CatalogueError, match="there are no columns"):
        load_catalogue([file])


def test_two_files_that_do_not_agree(tmp_path: Path) -> None:
    write(tmp_path, STARS)
    write(tmp_path, STARS, "twin.toml")
    with pytest.raises(CatalogueError, match="the id 'stars' is there twice"):
        load_catalogue([tmp_path])
    other = STARS.replace('id = "stars"', 'id = "more"')
    write(tmp_path, other, "twin.toml")
    with pytest.raises(CatalogueError, match=r"the table 'lowell\.stars' is there twice"):
        load_catalogue([tmp_path])
    write(tmp_path, other.replace("is not ours", "is ours"), "twin.toml")
    with pytest.raises(CatalogueError, match="two files describe the schema 'lowell'"):
        load_catalogue([tmp_path])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no such folder"):
        load_catalogue([tmp_path / "none"])


def test_a_key_needs_its_table() -> None:
    with pytest.raises(CatalogueError, match=r"unknown table 'twomass\.xsc'"):
        load_catalogue([builtin_schemas() / "catalogues" / "psc.toml"])


def test_columns_of_a_standard_are_std() -> None:
    schema, tables = load_standard(builtin_schemas() / "standard" / "tap_schema.toml")
    assert schema.name == "tap_schema"
    assert all(c.std for t in tables for c in t.columns)

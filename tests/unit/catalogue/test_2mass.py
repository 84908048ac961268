"""The two catalogues of 2MASS are complete, agree with the release, and have valid metadata."""

from __future__ import annotations

import csv
import json
from collections import Counter
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.model.column import Column

SHARED = Path(__file__).resolve().parents[4] / "shared"
facts = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of facts is not beside the repository")

IDS = ("psc", "xsc")
SQL_TYPES = {
    "double precision": "DOUBLE PRECISION",
    "real": "REAL",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "date": "DATE",
}
VARYING = {"designation": 17, "id_cat": 20}
"""Texts that the release pads with blanks, and we do not."""


@cache
def catalogue() -> Catalogue:
    return load_catalogue([find_builtin_schemas() / "catalogues"])


def publication(id: str) -> Collection:
    return catalogue().get_collection(id)


@cache
def released(id: str) -> list[dict[str, str]]:
    with (SHARED / "facts" / f"{id}_columns.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def all_columns() -> list[tuple[str, Column]]:
    return [(t.qualified_name, c) for t in add_tap_schema(catalogue()).tables for c in t.columns]


@pytest.mark.parametrize(("id", "count"), [("psc", 60), ("xsc", 389)])
def test_counts(id: str, count: int) -> None:
    here = publication(id)
    assert len(here.table.columns) == count
    assert len(here.files.columns) == count
    assert [len(view.columns) for view in here.views] == [count]


@facts
@pytest.mark.parametrize("id", IDS)
def test_columns_are_those_of_the_release(id: str) -> None:
    rows, here = released(id), publication(id)
    assert [there for there, _ in here.files.columns] == [r["name"] for r in rows]
    assert [name for _, name in here.files.columns] == [c.name for c in here.table.columns]
    renamed = {(there, name) for there, name in here.files.columns if there != name}
    assert renamed == {("decl", "dec")}
    for column, row in zip(here.table.columns, rows, strict=True):
        said = (str(column.type), column.length, column.nullable)
        if column.name in VARYING:
            assert said[:2] == ("VARCHAR", VARYING[column.name])
        elif row["sql_type"] in SQL_TYPES:
            assert said[:2] == (SQL_TYPES[row["sql_type"]], None)
            assert column.datatype == row["votable_datatype"]
        else:
            assert said[:2] == ("CHAR", int(row["arraysize"]))
        assert said[2] == (row["nullable"] == "yes"), column.name


@facts
@pytest.mark.parametrize("id", IDS)
def test_units_are_those_of_the_release(id: str) -> None:
    ours = {"DN": "adu"}
    for column, row in zip(publication(id).table.columns, released(id), strict=True):
        if row["unit"]:
            assert column.unit == ours.get(row["unit"], row["unit"]), column.name


@facts
@pytest.mark.parametrize("id", IDS)
def test_accepts_names_of_other_services(id: str) -> None:
    """The names of IRSA and VizieR lead to our columns."""
    also = publication(id).files.also
    names = {c.name for c in publication(id).table.columns}
    for row in released(id):
        ours = "dec" if row["name"] == "decl" else row["name"]
        for key in ("irsa_name", "vizier_name", "vizier_VII_233_name"):
            if row.get(key):
                assert (row[key] if row[key] in names else also[row[key]]) == ours


@facts
@pytest.mark.parametrize("id", IDS)
def test_views_have_the_names_of_irsa(id: str) -> None:
    (view,) = publication(id).views
    assert [c.name for c in view.columns] == [r["irsa_name"] for r in released(id)]


@facts
def test_real_row_fits() -> None:
    row = json.loads((SHARED / "data" / "xsc" / "fritz_2MASS_XSC_row_389col.json").read_text("utf-8"))
    here = publication("xsc")
    for there, name in here.files.columns:
        column = here.table.get_column(name)
        if row.get(there) is None:
            assert column.nullable, name
        elif column.type.family == "text":
            assert column.length is not None and len(str(row[there])) <= column.length
        elif column.type.is_numeric:
            float(row[there])
    for check in here.checks:
        there = next(t for t, n in here.files.columns if n == check.column)
        value = float(row[there])
        assert (check.low is None or check.low <= value) and (check.high is None or value <= check.high)


def test_units_are_vounits() -> None:
    """Astropy's parser knows all of VOUnits but the percent sign, which the standard's list of units has."""
    for _, column in all_columns():
        if column.unit not in (None, "%"):
            units.Unit(column.unit, format="vounit")
    percent = [c.name for w, c in all_columns() if c.unit == "%" and w == "twomass.xsc"]
    assert len(percent) == 6


def test_ucds_are_valid() -> None:
    for where, column in all_columns():
        assert column.ucd is None or check_ucd(column.ucd, check_controlled_vocabulary=True), (where, column.name)


@facts
def test_ucds_keep_the_order_of_the_list() -> None:
    """Primary words come first, secondary ones never do; photometry has its band, if any."""
    lines = (SHARED / "standards" / "vocab" / "ucd-list.txt").read_text("utf-8").splitlines()
    flags = {
        word.strip(): flag.strip() for flag, word, _ in (i.split("|", 2) for i in lines if i[1:2] == " " and "|" in i)
    }
    for _, column in all_columns():
        for n, word in enumerate((column.ucd or "").split(";") if column.ucd else []):
            assert word in flags, (column.name, word)
            assert flags[word] in ("PQECV" if n == 0 else "SQECV"), (column.name, word)


@pytest.mark.parametrize("id", IDS)
def test_one_main_position_and_one_name(id: str) -> None:
    for table in publication(id).tables:
        by_ucd = Counter(c.ucd for c in table.columns)
        for ucd in ("pos.eq.ra;meta.main", "pos.eq.dec;meta.main", "meta.id;meta.main"):
            assert by_ucd[ucd] == 1
        assert table.position is not None and table.identifier is not None
        assert table.get_column(table.position.ra).ucd == "pos.eq.ra;meta.main"
        assert table.get_column(table.position.dec).ucd == "pos.eq.dec;meta.main"
        assert table.get_column(table.identifier).ucd == "meta.id;meta.main"
        assert {c.name for c in table.columns if c.indexed} == {table.position.ra, table.position.dec}
        assert not any(c.std for c in table.columns)
        assert table.position.healpix not in {c.name for c in table.columns}


@pytest.mark.parametrize("id", IDS)
def test_descriptions_exist_and_differ(id: str) -> None:
    said = [c.description or "" for c in publication(id).table.columns]
    assert [s for s, n in Counter(said).items() if n > 1] == []
    for text in said:
        assert 8 < len(text) < 250 and text == " ".join(text.split()), text
        assert text[0].isupper() or text[0].isdigit(), text
        assert not text.endswith("."), text


@facts
@pytest.mark.parametrize("id", IDS)
def test_descriptions_are_our_own_words(id: str) -> None:
    """None is a sentence of the facts; short ones, such as a galactic longitude, cannot help being alike."""
    for column, row in zip(publication(id).table.columns, released(id), strict=True):
        ours, theirs = (column.description or "").lower(), row["description"].lower()
        if len(theirs) > 40:
            assert SequenceMatcher(None, ours, theirs).ratio() < 0.85, (ours, theirs)
            assert theirs not in ours


@pytest.mark.parametrize("id", IDS)
def test_views_have_columns_of_their_table(id: str) -> None:
    table = publication(id).table
    for view in publication(id).views:
        assert (view.kind, view.base, view.name) == ("view", table.qualified_name, f"fp_{id}")
        assert list(view.source) == [c.name for c in view.columns]
        assert list(view.source.values()) == [c.name for c in table.columns]
        for column in view.columns:
            assert column.replace(name=view.source[column.name]) == table.get_column(view.source[column.name])


def test_names_of_irsa_in_the_view() -> None:
    (view,) = publication("psc").views
    assert (view.source["cntr"], view.source["xdate"], view.source["dec"]) == ("pts_key", "date", "dec")
    assert not {"pts_key", "date"} & set(view.source)


def test_catalogues_have_keys_to_each_other() -> None:
    keys = {id: [(k.target, k.columns) for k in publication(id).table.keys] for id in IDS}
    assert keys == {
        "psc": [("twomass.xsc", (("ext_key", "ext_key"),))],
        "xsc": [("twomass.psc", (("pts_key", "pts_key"),))],
    }
    assert all(not view.keys for id in IDS for view in publication(id).views)


@pytest.mark.parametrize("id", IDS)
def test_cone_search(id: str) -> None:
    here = publication(id)
    assert here.cone is not None
    assert here.cone.verb1 == ("designation", "ra", "dec")
    assert set(here.cone.verb1) < set(here.cone.verb2) < {c.name for c in here.table.columns}
    assert here.cone.max_sr == 180


@pytest.mark.parametrize("id", IDS)
def test_origin_and_notes(id: str) -> None:
    here = publication(id)
    assert here.origin.bibcode == "2006AJ....131.1163S"
    assert here.origin.doi == {"psc": "10.26131/IRSA2", "xsc": "10.26131/IRSA97"}[id]
    assert here.origin.acknowledgement is not None
    assert "Two Micron All Sky Survey, which is a joint project" in here.origin.acknowledgement
    assert here.table.nrows is None
    assert here.notes and all(n.url and n.url.startswith("https://irsa.ipac.caltech.edu/") for n in here.notes)
    for text in (here.description, here.table.description, *(v.description for v in here.views)):
        assert text is not None and "\n" not in text and "  " not in text


def test_sizes_of_texts() -> None:
    sizes = {c.name: c.arraysize for c in publication("psc").table.columns if c.type.family == "text"}
    assert sizes["designation"] == "17*"
    assert sizes["ph_qual"] == "3" and sizes["ndet"] == "6" and sizes["hemis"] is None
    assert publication("xsc").table.get_column("id_cat").arraysize == "20*"


def test_finds_tables_by_name() -> None:
    def found(*names: tuple[str, bool]) -> list[str]:
        return [t.qualified_name for t in catalogue().find_tables(names)]

    assert found(("psc", False)) == ["twomass.psc"]
    assert found(("PSC", False)) == ["twomass.psc"]
    assert found(("PSC", True)) == []
    assert found(("TwoMASS", False), ("Fp_Psc", False)) == ["twomass.fp_psc"]
    assert found(("TwoMASS", True), ("psc", False)) == []
    assert found(("vo", False), ("twomass", False), ("xsc", True)) == ["twomass.xsc"]
    assert found(("ivoa", False), ("psc", False)) == []
    assert catalogue().find_similar("twomass.pcs")[0] == "twomass.psc"
    assert [o.title for o in catalogue().collect_origins(catalogue().find_tables([("fp_psc", False)]))] == [
        "2MASS All-Sky Point Source Catalog"
    ]

"""A table file, published by one command, is in TAP with its values and metadata."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any

import duckdb
import httpx
import numpy as np
import pytest
import pyvo
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table
from lxml import etree
from mocpy import MOC

from tests.conftest import Listening
from vo_server.__main__ import main
from vo_server.assembly import load_site_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.publish.ucds import is_valid_ucd
from vo_server.settings import Settings
from vo_server.sky.units import parse_unit

ROWS = 40
ALL = ("fits", "vot", "b2.vot", "parquet", "ecsv", "comma.ecsv", "csv", "tsv", "tbl")
DESCRIBED = ("fits", "vot", "b2.vot", "parquet", "ecsv", "comma.ecsv")


def make_stars(arrays: bool = True) -> Table:
    """A table with every kind of column that all formats have; two in five of some values are missing."""
    draw = np.random.default_rng(5)
    gaps = draw.random(ROWS) < 0.4
    table = Table(masked=True)
    table["source_id"] = Column(2**53 + 1 + np.arange(ROWS), description="Number of the source")
    table["RAJ2000"] = Column(draw.uniform(0, 360, ROWS), unit="deg", description="Right ascension (J2000)")
    table["DEJ2000"] = Column(draw.uniform(-90, 90, ROWS), unit="deg", description="Declination (J2000)")
    table["Jmag"] = MaskedColumn(draw.normal(15, 1, ROWS).astype("f4"), unit="mag", mask=gaps, description="J, Vega")
    table["n_obs"] = MaskedColumn(draw.integers(-9, 9, ROWS).astype("i2"), mask=gaps)
    table["size"] = MaskedColumn(draw.integers(0, 9, ROWS).astype("i4"), mask=gaps)
    table["name"] = MaskedColumn([f"star {i}" for i in range(ROWS)], mask=gaps)
    table["pm"] = Column(draw.normal(size=ROWS), unit="mas/yr")
    if arrays:
        table["spectrum"] = Column(draw.normal(size=(ROWS, 3)), unit="Jy")
    return table


def write_file(table: Table, path: Path, form: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "fits": {"format": "fits"},
        "vot": {"format": "votable"},
        "b2.vot": {"format": "votable", "tabledata_format": "binary2"},
        "parquet": {"format": "parquet"},
        "ecsv": {"format": "ascii.ecsv"},
        "comma.ecsv": {"format": "ascii.ecsv", "delimiter": ","},
        "csv": {"format": "ascii.csv"},
        "tsv": {"format": "ascii.fast_tab", "fast_writer": False},
        "tbl": {"format": "ascii.ipac"},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table.write(path, **kinds[form])


def test_reads_columns_specific_to_fits(listening: Listening, tmp_path: Path) -> None:
    """Unsigned and scaled numbers, missing logicals, fixed and variable arrays, infinities, nulls by value, and two
    columns of one name; more rows than are read at a time."""
    count = 45_000
    rng = np.random.default_rng(1)
    sizes = np.arange(count) % 4
    wide = rng.normal(size=(count, 2, 3)).astype("f4")
    mag = np.where(sizes == 1, np.inf, np.where(sizes == 2, np.nan, rng.normal(size=count)))
    columns = [
        fits.Column("id", "K", array=np.arange(count)),
        fits.Column("ra", "D", array=rng.uniform(0, 360, count)),
        fits.Column("dec", "D", array=rng.uniform(-90, 90, count)),
        fits.Column("u16", "I", bzero=32768, array=rng.integers(0, 65535, count).astype("u2")),
        fits.Column("u32", "J", bzero=2**31, array=rng.integers(0, 2**32 - 1, count).astype("u4")),
        fits.Column("u64", "K", bzero=2**63, array=rng.integers(0, 2**62, count).astype("u8")),
        fits.Column("u8", "B", array=rng.integers(0, 255, count).astype("u1")),
        fits.Column("scaled", "I", array=rng.integers(0, 9000, count).astype("i2")),
        fits.Column("truth", "L", array=rng.random(count) < 0.5),
        fits.Column("truths", "3L", array=rng.random((count, 3)) < 0.5),
        fits.Column("wide", "6E", dim="(3,2)", array=wide),
        fits.Column("lists", "PE()", array=np.array([np.arange(n, dtype="f4") for n in sizes], dtype=object)),
        fits.Column("mag", "D", array=mag),
        fits.Column("missing", "J", null=-99, array=np.where(sizes == 0, -99, 7).astype("i4")),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header.update({"TSCAL8": 0.5, "TZERO8": 10.0, "TCOMM1": "Number", "TUCD1": "meta.id;meta.main"})
    table.writeto(tmp_path / "odd.fits")
    assert publish(tmp_path / "odd.fits", tmp_path / "data") == 0
    with fits.open(tmp_path / "odd.fits") as file:
        expected = file[1].data
        store = DataDirectory(tmp_path / "data")
        with duckdb.connect(str(store.find_current_file("odd")), read_only=True) as rows:
            result = rows.sql("SELECT * FROM rows ORDER BY id").to_arrow_table()
        for name in ("id", "ra", "dec", "u16", "u32", "u64", "u8", "scaled", "truth"):
            assert np.array_equal(result[name].to_numpy(), np.asarray(expected[name])), name
        for name in ("truths", "wide"):
            flat = np.asarray(result[name].combine_chunks().flatten())
            assert np.array_equal(flat, np.asarray(expected[name]).ravel()), name
        assert [row or [] for row in result["lists"].to_pylist()] == [list(row) for row in expected["lists"]]
    assert result["missing"].null_count == (sizes == 0).sum()
    assert np.array_equal(result["mag"].to_numpy(), mag, equal_nan=True)
    with listening(Settings(data=tmp_path / "data")) as url:
        query = "SELECT COUNT(*) AS n FROM odd WHERE mag > 1e300"
        assert pyvo.dal.TAPService(f"{url}/tap").run_sync(query).to_table()["n"][0] == (sizes == 1).sum()
        page = httpx.get(f"{url}/table/published.odd").text
    assert f"{mag[sizes == 3].min():.3g}"[:4] in page


SITE = {
    "authority": "org.example",
    "publisher": "Example Observatory",
    "contact": "vo@example.org",
    "public_url": "http://127.0.0.1:8000",
}


def publish(path: Path, data: Path, *flags: str) -> int:
    return main(["publish", str(path), "--data", str(data), "--no-check", *flags])


def read_columns(table: Any) -> dict[str, list[Any]]:
    """Return the values of each column, None for a missing value."""
    return {name: [_value(v) for v in table[name]] for name in table.colnames}


def _value(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim:
        return [float(v) for v in value]
    if value is np.ma.masked or value is None or str(value) == "":
        return None
    return value.item() if isinstance(value, np.generic) else value


def is_same(values: Any, expected: Any) -> bool:
    """Return whether two values are equal; single precision may come as the double nearest to its digits."""
    if isinstance(expected, float) and isinstance(values, float):
        return (
            values == expected
            or (np.isnan(values) and np.isnan(expected))
            or np.float32(values) == np.float32(expected)
        )
    if isinstance(expected, list):
        return all(map(is_same, values, expected))
    return bool(values == expected)


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_gives_its_values(listening: Listening, tmp_path: Path, form: str, packed: bool) -> None:
    sent = make_stars(arrays=form not in ("csv", "tsv", "tbl"))
    path = tmp_path / f"stars.{form}"
    write_file(sent, path, form)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert publish(path, tmp_path / "data", "--name", "stars") == 0
    with listening(Settings(data=tmp_path / "data")) as url:
        tap = pyvo.dal.TAPService(f"{url}/tap")
        result = tap.run_sync("SELECT * FROM published.stars ORDER BY source_id").to_table()
    expected = read_columns(sent)
    expected["size_"] = expected.pop("size")
    values = read_columns(result)
    assert set(values) == set(expected)
    wrong = [n for n in expected if not all(is_same(a, b) for a, b in zip(values[n], expected[n], strict=True))]
    assert not wrong, {n: (values[n][:4], expected[n][:4]) for n in wrong}


@pytest.mark.parametrize("form", DESCRIBED)
def test_keeps_column_metadata_of_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"stars.{form}"
    write_file(make_stars(), path, form)
    assert publish(path, tmp_path / "data", "--name", "stars") == 0
    table = load_site_catalogue(Settings(data=tmp_path / "data")).get_collection("stars").table
    metadata = {c.name: (str(c.type), c.unit, c.ucd, c.description) for c in table.columns}
    assert metadata["source_id"] == ("BIGINT", None, "meta.id;meta.main", "Number of the source")
    assert metadata["RAJ2000"] == ("DOUBLE PRECISION", "deg", "pos.eq.ra;meta.main", "Right ascension (J2000)")
    assert metadata["Jmag"] == ("REAL", "mag", "phot.mag;em.IR.J", "J, Vega")
    assert metadata["pm"][1] in ("mas/yr", "mas.yr**-1")
    assert table.get_column("spectrum").arraysize == "3"
    assert (table.position and (table.position.ra, table.position.dec)) == ("RAJ2000", "DEJ2000")
    assert table.identifier == "source_id"


def test_published_table_is_in_all_services(listening: Listening, tmp_path: Path, documents: Any, votable: Any) -> None:
    """The table is in TAP_SCHEMA, cone search, coverage and registry; the tables that come with the server are not,
    as none of them is loaded."""
    path = tmp_path / "stars.fits"
    write_file(make_stars(), path, "fits")
    assert publish(path, tmp_path / "data") == 0
    site = Settings(data=tmp_path / "data", **SITE)
    with listening(site) as url, httpx.Client(base_url=url) as client:
        result = votable(client.get("/tap/sync?LANG=ADQL&QUERY=SELECT+table_name+FROM+tap_schema.tables").content)
        names = [str(n) for n in result.get_first_table().to_table()["table_name"]]
        assert [n for n in names if not n.lower().startswith("tap_schema")] == ["published.stars"]
        for position in ("/tap/tables", "/cone/stars/capabilities", "/tap/capabilities"):
            documents.assertValid(etree.fromstring(client.get(position).content))
        harvest = etree.fromstring(client.get("/oai?verb=ListRecords&metadataPrefix=ivo_vor").content)
        documents.assertValid(harvest)
        examples = pyvo.dal.TAPService(f"{url}/tap").examples
        assert [len(e.execute()) > 0 for e in examples] == [True]
        identifiers = [e.text for e in harvest.iter("identifier")]
        assert any(i and i.endswith("/stars") for i in identifiers), identifiers
        assert MOC.from_string(client.get("/coverage/stars.txt").text).sky_fraction > 0
        ra, dec = make_stars()["RAJ2000"][7], make_stars()["DEJ2000"][7]
        cone = pyvo.dal.SCSService(f"{url}/cone/stars?").search(pos=(ra, dec), radius=0.01)
        assert [int(i) for i in cone["source_id"]] == [2**53 + 8]
        votable(client.get(f"/cone/stars?RA={ra}&DEC={dec}&SR=0.01").content, True)
        assert f"{2**53 + 1} to {2**53 + ROWS}" in client.get("/table/published.stars").text
        assert client.get("/").text.count("/table/published.stars") == 1


def test_publishes_into_postgresql(listening: Listening, tmp_path: Path, postgresql: str) -> None:
    path = tmp_path / "stars.vot"
    write_file(make_stars(), path, "b2.vot")
    assert publish(path, tmp_path / "data", "--name", "stars_pg", "--engine", postgresql) == 0
    with listening(Settings(data=tmp_path / "data", engine=postgresql)) as url:
        tap = pyvo.dal.TAPService(f"{url}/tap")
        values = read_columns(tap.run_sync("SELECT * FROM stars_pg ORDER BY source_id").to_table())
    expected = read_columns(make_stars())
    expected["size_"] = expected.pop("size")
    assert [n for n in expected if not all(is_same(a, b) for a, b in zip(values[n], expected[n], strict=True))] == []


REAL = {
    "psc/irsa_m31_2412rows.tbl.gz": (2412, "designation", "ra"),
    "psc/irsa_m31_16rows.tbl": (16, "designation", "ra"),
    "psc/vizier_II246_60col_scans56-58.vot.gz": (550, "c_2MASS", "RAJ2000"),
    "psc/vizier_ngc1333_11904rows.csv.gz": (11904, "c_2MASS", "c_RAJ2000"),
    "psc/vizier_pole_18rows.fits": (18, "c_2MASS", "RAJ2000"),
    "psc/vizier_pole_J_K_1282rows.fit.gz": (1282, "recno", "RAJ2000"),
    "psc/vizier2005_m31.tab": (139, "recno", "c_RAJ2000"),
    "psc/cds_xmatch_11rows.csv": (11, "c_2MASS", "ra"),
    "xsc/irsa_large_galaxy_atlas_656rows.tbl.gz": (656, "name", "ra"),
    "xsc/vizier_VII233_virgo_3299rows.ecsv.gz": (3299, "recno", "RAJ2000"),
    "services/irsa_nph_m31_18rows.xml": (18, "id", "ra"),
    "services/vizier_II246_scs_m31.xml": (1, "c_2MASS", "RAJ2000"),
}
"""Files of archives from twenty years: rows, the columns of names and of right ascension."""


@pytest.mark.parametrize("name", REAL)
def test_publishes_files_of_archives(shared: Path, tmp_path: Path, name: str) -> None:
    rows, identifier, ra = REAL[name]
    assert publish(shared / "data" / name, tmp_path, "--name", "old") == 0
    table = load_site_catalogue(Settings(data=tmp_path)).get_collection("old").table
    assert table.position is not None
    assert (table.identifier, table.position.ra) == (identifier, ra)
    with duckdb.connect(str(DataDirectory(tmp_path).find_current_file("old")), read_only=True) as file:
        assert file.execute("SELECT count(*) FROM rows").fetchall() == [(rows,)]
    for column in table.columns:
        assert column.ucd is None or is_valid_ucd(column.ucd)
        assert column.unit is None or parse_unit(column.unit)

"""Columns of regions and MOCs are loaded unchanged from every file format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table

from vo_server.catalogue.load import load_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.errors import CatalogueError, Code, LoadError
from vo_server.load.load import load

FOOTPRINTS = """
id = "obs"
[schema]
name = "t"
[table]
name = "obs"
position = { ra = "ra", dec = "dec" }
reaches = { s_region = 1.5 }
[columns.ra]
type = "DOUBLE PRECISION"
description = "Right ascension."
[columns.dec]
type = "DOUBLE PRECISION"
description = "Declination."
[columns.s_region]
type = "VARCHAR(*)"
xtype = "adql:REGION"
description = "Region."
[columns.disk]
type = "CIRCLE"
description = "Circle."
[columns.outline]
type = "POLYGON"
description = "Polygon."
[columns.moc]
type = "MOC"
description = "MOC."
[origin]
title = "Observations"
publisher = "Nobody"
"""

ROWS: list[tuple[Any, ...]] = [
    (10.0, 20.0, "CIRCLE ICRS 10 20 1", [10.0, 20.0, 1.0], [9.0, 19.0, 11.0, 19.0, 10.0, 21.0], "6/1-3"),
    (350.0, -60.0, None, None, None, None),
    (
        10.5,
        20.5,
        "POLYGON ICRS 10 20 11 20 11 21",
        [0.5, 0.25, 2.5],
        [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 2.0, 7.0],
        "0/1 29/",
    ),
]
NAMES = ("ra", "dec", "s_region", "disk", "outline", "moc")


def catalogue(folder: Path, text: str = FOOTPRINTS) -> Any:
    (folder / "obs.toml").write_text(text)
    return load_catalogue([folder / "obs.toml"]).get_collection("obs")


def csv(file: Path) -> None:
    lines = [",".join(NAMES)]
    for row in ROWS:
        cells = [" ".join(map(repr, v)) if isinstance(v, list) else "" if v is None else str(v) for v in row]
        lines.append(",".join(cells))
    file.write_text("\n".join(lines))


def parquet(file: Path) -> None:
    columns = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
    pq.write_table(pa.table(columns), file)


def votable(file: Path) -> None:
    table = Table(masked=True)
    for name, values in zip(NAMES, zip(*ROWS, strict=True), strict=True):
        if name == "disk":
            filled = np.array([v or [np.nan] * 3 for v in values])
            table[name] = MaskedColumn(filled, mask=np.isnan(filled))
        elif name == "outline":
            table[name] = MaskedColumn(np.array([np.array(v or []) for v in values] + [0], dtype=object)[:-1])
        elif isinstance(values[0], str):
            table[name] = MaskedColumn([v or "" for v in values])
        else:
            table[name] = MaskedColumn(values)
    from_table(table).to_xml(str(file))


def fits_file(file: Path) -> None:
    text = {"s_region": "40A", "moc": "10A"}
    columns = []
    for name, values in zip(NAMES, zip(*ROWS, strict=True), strict=True):
        if name in text:
            columns.append(fits.Column(name, text[name], array=np.array([v or "" for v in values])))
        elif name == "disk":
            columns.append(fits.Column(name, "3D", array=np.array([v or [np.nan] * 3 for v in values])))
        elif name == "outline":
            ragged = np.array([np.array(v or [], dtype=float) for v in values], dtype=object)
            columns.append(fits.Column(name, "PD()", array=ragged))
        else:
            columns.append(fits.Column(name, "D", array=np.array(values)))
    fits.BinTableHDU.from_columns(columns).writeto(file)


WRITERS = {"csv": csv, "parquet": parquet, "vot": votable, "fits": fits_file}


@pytest.mark.parametrize("kind", WRITERS)
def test_loads_regions_of_every_format(tmp_path: Path, kind: str) -> None:
    store, file = DataDirectory(tmp_path / "data"), tmp_path / f"rows.{kind}"
    WRITERS[kind](file)
    load(catalogue(tmp_path), [file], store)
    path = store.find_current_file("obs")
    assert path is not None
    with duckdb.connect(str(path), read_only=True) as connection:
        assert sorted(connection.execute(f"SELECT {', '.join(NAMES)} FROM rows").fetchall()) == sorted(ROWS)


def test_rejects_region_beyond_reach(tmp_path: Path) -> None:
    """The message has the actual reach, so that the catalogue file can be corrected."""
    store, file = DataDirectory(tmp_path / "data"), tmp_path / "rows.csv"
    file.write_text("ra,dec,s_region\n10,20,CIRCLE ICRS 11 20 1\n")
    with pytest.raises(LoadError, match=r"s_region .* 1\.9396[0-9]* degrees") as raised:
        load(catalogue(tmp_path), [file], store)
    assert raised.value.code == Code.LOAD_BAD_ROW
    assert "reaches = { s_region" in str(raised.value.hint)
    assert store.find_current_file("obs") is None
    load(catalogue(tmp_path, FOOTPRINTS.replace("s_region = 1.5", "s_region = 1.94")), [file], store)
    assert store.find_current_file("obs") is not None


@pytest.mark.parametrize(
    ("old", "new", "fragment"),
    [
        ("s_region = 1.5", "s_regio = 1.5", "'s_regio'"),
        ("s_region = 1.5", "moc = 1.5", "'moc'"),
        ("s_region = 1.5", "ra = 1.5", "'ra'"),
        ("s_region = 1.5", "s_region = -1", "0 to 180"),
        ("s_region = 1.5", "s_region = 'x'", "'reaches'"),
        ('position = { ra = "ra", dec = "dec" }', "", "'position'"),
    ],
)
def test_rejects_invalid_reaches(tmp_path: Path, old: str, new: str, fragment: str) -> None:
    with pytest.raises(CatalogueError, match=fragment):
        catalogue(tmp_path, FOOTPRINTS.replace(old, new))

"""A table's file, published by one command, is in TAP with the values and the words that it came with."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvo
from astropy.table import Column, MaskedColumn, Table

from tests.conftest import Listening
from vo_server.__main__ import main
from vo_server.app import catalogue_of
from vo_server.settings import Settings

ROWS = 40
ALL = ("fits", "vot", "b2.vot", "parquet", "ecsv", "comma.ecsv", "csv", "tsv", "tbl")
DESCRIBED = ("fits", "vot", "b2.vot", "parquet", "ecsv", "comma.ecsv")


def stars(arrays: bool = True) -> Table:
    """A table with every kind of column that all formats have; two in five of some values are missing."""
    draw = np.random.default_rng(5)
    gaps = draw.random(ROWS) < 0.4
    made = Table(masked=True)
    made["source_id"] = Column(2**53 + 1 + np.arange(ROWS), description="Number of the source")
    made["RAJ2000"] = Column(draw.uniform(0, 360, ROWS), unit="deg", description="Right ascension (J2000)")
    made["DEJ2000"] = Column(draw.uniform(-90, 90, ROWS), unit="deg", description="Declination (J2000)")
    made["Jmag"] = MaskedColumn(draw.normal(15, 1, ROWS).astype("f4"), unit="mag", mask=gaps, description="J, Vega")
    made["n_obs"] = MaskedColumn(draw.integers(-9, 9, ROWS).astype("i2"), mask=gaps)
    made["size"] = MaskedColumn(draw.integers(0, 9, ROWS).astype("i4"), mask=gaps)
    made["name"] = MaskedColumn([f"star {i}" for i in range(ROWS)], mask=gaps)
    made["pm"] = Column(draw.normal(size=ROWS), unit="mas/yr")
    if arrays:
        made["spectrum"] = Column(draw.normal(size=(ROWS, 3)), unit="Jy")
    return made


def write(table: Table, path: Path, form: str) -> None:
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


def publish(path: Path, data: Path, *flags: str) -> int:
    return main(["publish", str(path), "--data", str(data), *flags])


def columns(table: Any) -> dict[str, list[Any]]:
    """The values of each column, None where one is missing."""
    return {name: [_value(v) for v in table[name]] for name in table.colnames}


def _value(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim:
        return [float(v) for v in value]
    if value is np.ma.masked or value is None or str(value) == "":
        return None
    return value.item() if isinstance(value, np.generic) else value


def same(found: Any, wanted: Any) -> bool:
    """Single precision may come as the double that is nearest to its digits."""
    if isinstance(wanted, float) and isinstance(found, float):
        return found == wanted or (np.isnan(found) and np.isnan(wanted)) or np.float32(found) == np.float32(wanted)
    if isinstance(wanted, list):
        return all(map(same, found, wanted))
    return bool(found == wanted)


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_gives_its_values(listening: Listening, tmp_path: Path, form: str, packed: bool) -> None:
    sent = stars(arrays=form not in ("csv", "tsv", "tbl"))
    path = tmp_path / f"stars.{form}"
    write(sent, path, form)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert publish(path, tmp_path / "data", "--name", "stars") == 0
    with listening(Settings(data=tmp_path / "data")) as url:
        tap = pyvo.dal.TAPService(f"{url}/tap")
        got = tap.run_sync("SELECT * FROM published.stars ORDER BY source_id").to_table()
    want = columns(sent)
    want["size_"] = want.pop("size")
    have = columns(got)
    assert set(have) == set(want)
    wrong = [n for n in want if not all(same(a, b) for a, b in zip(have[n], want[n], strict=True))]
    assert not wrong, {n: (have[n][:4], want[n][:4]) for n in wrong}


@pytest.mark.parametrize("form", DESCRIBED)
def test_what_a_file_says_of_its_columns_is_kept(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"stars.{form}"
    write(stars(), path, form)
    assert publish(path, tmp_path / "data", "--name", "stars") == 0
    table = catalogue_of(Settings(data=tmp_path / "data")).publication("stars").table
    told = {c.name: (str(c.type), c.unit, c.ucd, c.description) for c in table.columns}
    assert told["source_id"] == ("BIGINT", None, "meta.id;meta.main", "Number of the source")
    assert told["RAJ2000"] == ("DOUBLE PRECISION", "deg", "pos.eq.ra;meta.main", "Right ascension (J2000)")
    assert told["Jmag"] == ("REAL", "mag", "phot.mag;em.IR.J", "J, Vega")
    assert told["pm"][1] in ("mas/yr", "mas.yr**-1")
    assert table.column("spectrum").arraysize == "3"
    assert (table.position and (table.position.ra, table.position.dec)) == ("RAJ2000", "DEJ2000")
    assert table.identifier == "source_id"

"""The same rows in every format give the same table."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from astropy.io import ascii as astropy_ascii
from astropy.table import Table

from tests.shipped import SHIPPED
from vo_server.catalogue.catalogue import Collection
from vo_server.engines.data_directory import DataDirectory
from vo_server.errors import Code, LoadError
from vo_server.load.load import LoadSummary, load

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
PSC = SHARED / "derived" / "psc_bulkformat_scans56-58.psc.gz"
CATALOGUE = SHIPPED
pytestmark = pytest.mark.skipif(not PSC.exists(), reason="the real rows are not beside the repository")
SORTED = "SELECT * FROM rows ORDER BY pts_key"


def psc() -> Collection:
    return CATALOGUE.get_collection("psc")


def put(store: DataDirectory, path: Path, **kwargs: Any) -> LoadSummary:
    return load(psc(), [path], store, **kwargs)


def ask(store: DataDirectory, text: str = SORTED) -> list[tuple[Any, ...]]:
    path = store.find_current_file("psc")
    assert path is not None
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(text).fetchall()


def arrow(store: DataDirectory) -> pa.Table:
    path = store.find_current_file("psc")
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.sql("SELECT * EXCLUDE _healpix FROM rows").to_arrow_table()


@pytest.fixture
def store(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "data")


@pytest.fixture
def whole(tmp_path: Path) -> tuple[list[tuple[Any, ...]], pa.Table]:
    """The real rows as the bulk file gives them."""
    store = DataDirectory(tmp_path / "bulk")
    put(store, PSC)
    return ask(store), arrow(store)


def as_astropy(table: pa.Table) -> Table:
    made = Table(masked=True)
    for field in table.schema:
        values = table[field.name].to_pylist()
        mask = [v is None for v in values]
        if pa.types.is_string(field.type) or pa.types.is_date(field.type):
            data = np.array(["" if v is None else str(v) for v in values])
        else:
            data = np.array([0 if v is None else v for v in values], field.type.to_pandas_dtype())
        made[field.name] = np.ma.array(data, mask=mask)
    return made


def as_csv(table: pa.Table, path: Path) -> None:
    pa_csv.write_csv(table, path)


def as_fits(table: pa.Table, path: Path) -> None:
    made = as_astropy(table)
    for name in made.colnames:
        if made[name].dtype.kind == "i":
            made[name].fill_value = -9999
        elif made[name].dtype.kind == "f":
            made[name] = made[name].filled(np.nan)
    made.write(path, format="fits")


def as_votable(table: pa.Table, path: Path, form: str = "tabledata") -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        as_astropy(table).write(path, format="votable", tabledata_format=form)


def as_ipac(table: pa.Table, path: Path) -> None:
    astropy_ascii.write(as_astropy(table), str(path), format="ipac", overwrite=True)


@pytest.mark.parametrize("write", [as_csv, as_fits, as_votable, as_ipac, pq.write_table])
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_gives_the_same_rows(
    store: DataDirectory, tmp_path: Path, whole: tuple[list[tuple[Any, ...]], pa.Table], write: Any, packed: bool
) -> None:
    rows, table = whole
    path = tmp_path / "table.dat"
    write(table, path)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    loaded = put(store, path)
    assert (loaded.rows, loaded.rejected, loaded.warnings) == (550, 0, ())
    assert ask(store) == rows


def test_accepts_alternative_names_and_restores_zeros(
    store: DataDirectory, whole: tuple[list[tuple[Any, ...]], pa.Table]
) -> None:
    loaded = put(store, SHARED / "psc" / "vizier_II246_60col_scans56-58.vot.gz")
    assert loaded.rows == 550
    assert ask(store) == whole[0]


def test_restores_zeros_of_numeric_flags(store: DataDirectory, tmp_path: Path) -> None:
    table = pa.table(
        {"RA": [1.0], "DECL": [2.0], "designation": ["x"], "rd_flg": [22], "ndet": [60606.0], "scan": [7.0]}
    )
    pq.write_table(table, tmp_path / "t")
    put(store, tmp_path / "t")
    assert ask(store, "SELECT dec, rd_flg, ndet, scan, j_m FROM rows") == [(2.0, "022", "060606", 7, None)]


def test_reads_categories_as_texts(store: DataDirectory, tmp_path: Path) -> None:
    flags = pa.array(["AAA", " ", None]).dictionary_encode()
    pq.write_table(
        pa.table({"ra": [1.0, 2.0, 3.0], "dec": [2.0, 2.0, 2.0], "b_m_opt": [1, 2, 3], "a": flags}), tmp_path / "t"
    )
    with pytest.raises(LoadError, match="column a: 'AAA'"):
        put(store, tmp_path / "t")


def test_csv_restores_zeros_and_names_unknown_columns(store: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('ra,dec,"Rflg",dist,bl_flg\n1,2,22,9.5,1\n3,4,222,1,"0"\n')
    loaded = put(store, tmp_path / "t.csv")
    assert ask(store, "SELECT ra, rd_flg, bl_flg FROM rows ORDER BY ra") == [(1, "022", "001"), (3, "222", "000")]
    assert len(loaded.warnings) == 1
    assert "dist" in loaded.warnings[0]


@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_other_delimiters(store: DataDirectory, tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "t").write_text("ra,dec,j_m\n1,2,\n".replace(",", delimiter))
    put(store, tmp_path / "t")
    assert ask(store, "SELECT ra, dec, j_m FROM rows") == [(1, 2, None)]


def test_prefers_published_name_of_column(store: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("RAJ2000,DEJ2000,ra,dec\n5,6,1,2\n")
    loaded = put(store, tmp_path / "t.csv")
    assert ask(store, "SELECT ra, dec FROM rows") == [(1, 2)]
    assert "RAJ2000, DEJ2000" in loaded.warnings[0]


def test_rejects_file_without_position(store: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ra,j_m\n1,2\n")
    with pytest.raises(LoadError, match=r"t\.csv .*dec") as raised:
        put(store, tmp_path / "t.csv")
    assert raised.value.code == Code.LOAD_MISMATCH


BAD = {"ra": [1.0, 2.0, 3.0], "dec": [1.0, 95.2, float("nan")], "scan": [1, 2, 3]}


def test_names_and_skips_invalid_rows(store: DataDirectory, tmp_path: Path) -> None:
    pq.write_table(pa.table(BAD), tmp_path / "t")
    with pytest.raises(LoadError) as raised:
        put(store, tmp_path / "t")
    assert raised.value.code == Code.LOAD_BAD_ROW
    assert raised.value.message.startswith("t, row 2, column dec: 95.2 ")
    loaded = put(store, tmp_path / "t", on_error="skip")
    assert (loaded.rows, loaded.rejected) == (1, 2)
    assert loaded.rejects is not None
    assert loaded.rejects.read_text().splitlines()[2].startswith("t, row 3, column dec: ")


@pytest.mark.parametrize(
    ("name", "value", "fragment"),
    [
        ("scan", 40000, "40000 "),
        ("scan", 1.5, "'1.5'"),
        ("j_m", "abc", "'abc'"),
        ("rd_flg", "0000", "'0000'"),
        ("j_m", 1e40, "1e+40 "),
    ],
)
def test_rejects_values_of_wrong_type(
    store: DataDirectory, tmp_path: Path, name: str, value: Any, fragment: str
) -> None:
    pq.write_table(pa.table({"ra": [1.0], "dec": [2.0], name: [value]}), tmp_path / "t")
    with pytest.raises(LoadError) as raised:
        put(store, tmp_path / "t")
    assert raised.value.code == Code.LOAD_BAD_ROW
    assert raised.value.message.startswith(f"t, row 1, column {name}: {fragment}")


def test_names_line_of_ipac_table(store: DataDirectory, tmp_path: Path) -> None:
    text = (SHARED / "psc" / "irsa_m31_16rows.tbl").read_text().splitlines()
    text[-1] = text[-1].replace("10.", "xy.", 1)
    (tmp_path / "t.tbl").write_text("\n".join(text) + "\n\n")
    with pytest.raises(LoadError, match=rf"t\.tbl, line {len(text)}, column ra: 'xy\."):
        put(store, tmp_path / "t.tbl")


@pytest.mark.parametrize("start", [b"PAR1", b"SIMPLE  =", b"<?xml version='1.0'?><VOTABLE>", b"<VOTABLE"])
def test_rejects_damaged_files(store: DataDirectory, tmp_path: Path, start: bytes) -> None:
    (tmp_path / "t").write_bytes(start + b" and so on" * 100)
    with pytest.raises(LoadError, match=r"^t"):
        put(store, tmp_path / "t")


@pytest.mark.parametrize("form", ["binary", "binary2"])
def test_binary_votables(
    store: DataDirectory, tmp_path: Path, whole: tuple[list[tuple[Any, ...]], pa.Table], form: str
) -> None:
    as_votable(whole[1].select(["ra", "dec", "j_m", "rd_flg", "pts_key"]), tmp_path / "t", form)
    assert put(store, tmp_path / "t").rows == 550
    text = "SELECT ra, dec, j_m, rd_flg FROM rows ORDER BY pts_key"
    position = {f: i for i, f in enumerate(whole[1].column_names)}
    assert ask(store, text) == [tuple(r[position[n]] for n in ("ra", "dec", "j_m", "rd_flg")) for r in whole[0]]


def test_keeps_infinite_values(store: DataDirectory, tmp_path: Path) -> None:
    """Infinite numbers of a file are kept; a number from a text or a wider type may overflow and is rejected."""
    rows = {"ra": [1.0, 2.0], "dec": [1.0, 2.0], "err_min": pa.array([np.inf, -np.inf], pa.float32())}
    pq.write_table(pa.table(rows), tmp_path / "t")
    put(store, tmp_path / "t")
    assert ask(store, "SELECT err_min FROM rows ORDER BY ra") == [(np.inf,), (-np.inf,)]
    (tmp_path / "t").write_text("ra,dec,err_min\n1,1,inf\n2,2,-Infinity\n")
    put(store, tmp_path / "t")
    assert ask(store, "SELECT err_min FROM rows ORDER BY ra") == [(np.inf,), (-np.inf,)]
    (tmp_path / "t").write_text("ra,dec,err_min\n1,1,inf\n2,2,1e40\n")
    with pytest.raises(LoadError, match="line 3, column err_min: 1e40 "):
        put(store, tmp_path / "t")
    (tmp_path / "t").write_text("ra,dec,j_m\n1,1,inf\n")
    with pytest.raises(LoadError, match="column j_m: inf "):
        put(store, tmp_path / "t")

"""Bulk files of the release: real rows are loaded exactly, and invalid files are rejected."""

from __future__ import annotations

import gzip
import io
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.shipped import SHIPPED
from vo_server.catalogue.catalogue import Collection
from vo_server.engines.data_directory import DataDirectory
from vo_server.errors import Code, LoadError
from vo_server.load.load import LoadSummary, load

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
PSC = SHARED / "derived" / "psc_bulkformat_scans56-58.psc.gz"
XSC = SHARED / "derived" / "xsc_bulkformat_1row.xsc"
CATALOGUE = SHIPPED
ROW = "1.119851|-89.91861|0.11|0.06|90|00042876-8955069 |12.467|0.018|0.021|359.4|12.131|0.025|0.026|224.7|11.963|0.023"
real = pytest.mark.skipif(not PSC.exists(), reason="the real rows are not beside the repository")


@pytest.fixture
def store(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "data")


def collection(id: str) -> Collection:
    return CATALOGUE.get_collection(id)


def psc(store: DataDirectory, *files: str | Path, **kwargs: Any) -> LoadSummary:
    return load(collection("psc"), files, store, **kwargs)


def ask(
    store: DataDirectory, text: str = "SELECT * EXCLUDE _healpix FROM rows", id: str = "psc"
) -> list[tuple[Any, ...]]:
    path = store.find_current_file(id)
    assert path is not None
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(text).fetchall()


def load_error(store: DataDirectory, *files: str | Path, **kwargs: Any) -> LoadError:
    with pytest.raises(LoadError) as raised:
        psc(store, *files, **kwargs)
    return raised.value


def same(value: Any, text: str) -> bool:
    match value:
        case None:
            return text == "\\N"
        case str():
            return value == text.rstrip()
        case int():
            return value == int(text)
        case float():
            return value == float(text) or value == float(np.float32(text))
        case _:
            return str(value) == text


def matches(rows: list[tuple[Any, ...]], lines: list[str]) -> bool:
    """Tell whether each line is a row with the same values."""
    texts = sorted(line.split("|") for line in lines)
    by_position = {(row[:2]): row for row in rows}
    found = [by_position[float(t[0]), float(t[1])] for t in texts]
    return all(same(v, t) for row, text in zip(found, texts, strict=True) for v, t in zip(row, text, strict=True))


@real
def test_real_point_sources_are_loaded_exactly(store: DataDirectory) -> None:
    loaded = psc(store, PSC)
    assert (loaded.rows, loaded.rejected, loaded.warnings) == (550, 0, ())
    assert matches(ask(store), gzip.decompress(PSC.read_bytes()).decode().splitlines())


@real
def test_real_extended_source_is_loaded_exactly(store: DataDirectory) -> None:
    load(collection("xsc"), [XSC], store)
    ((row),) = ask(store, id="xsc")
    fields = XSC.read_text().rstrip("\n").split("|")
    assert len(row) == 389
    assert [(i, v, t) for i, (v, t) in enumerate(zip(row, fields, strict=True)) if not same(v, t)] == []


@real
def test_types_are_those_of_the_catalogue(store: DataDirectory) -> None:
    psc(store, PSC)
    found = dict(row[:2] for row in ask(store, "DESCRIBE rows"))
    wanted = {"ra": "DOUBLE", "j_m": "FLOAT", "err_ang": "SMALLINT", "pts_key": "INTEGER", "designation": "VARCHAR"}
    assert wanted.items() <= found.items()
    assert (found["date"], found["_healpix"], len(found)) == ("DATE", "BIGINT", 61)


@real
def test_patterns_plain_files_and_gzip_together(store: DataDirectory, tmp_path: Path) -> None:
    text = gzip.decompress(PSC.read_bytes()).splitlines(keepends=True)
    (tmp_path / "a.psc").write_bytes(b"".join(text[:100]))
    (tmp_path / "b.psc").write_bytes(gzip.compress(b"".join(text[100:200])) + gzip.compress(b"".join(text[200:])))
    assert psc(store, str(tmp_path / "?.psc")).rows == 550
    assert ask(store, "SELECT files FROM meta") == [(["a.psc", "b.psc"],)]


@real
@pytest.mark.parametrize("packed", [True, False])
def test_standard_input(store: DataDirectory, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    data = PSC.read_bytes() if packed else gzip.decompress(PSC.read_bytes())

    class Terminal:
        buffer = io.BytesIO(data)

    monkeypatch.setattr("sys.stdin", Terminal)
    assert psc(store, "-").rows == 550
    assert not Terminal.buffer.closed


@real
def test_truncated_and_damaged_gzip(store: DataDirectory, tmp_path: Path) -> None:
    whole = PSC.read_bytes()
    (tmp_path / "cut.gz").write_bytes(whole[:-1000])
    assert load_error(store, tmp_path / "cut.gz").message.startswith("cut.gz ")
    (tmp_path / "bad.gz").write_bytes(whole[:20_000] + b"\0" * 500 + whole[20_500:])
    error = load_error(store, tmp_path / "bad.gz", on_error="skip")
    assert error.code == Code.LOAD_UNREADABLE
    assert error.message.startswith("bad.gz ")
    assert store.find_current_file("psc") is None


@real
def test_names_truncated_last_line(store: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / "cut.psc").write_bytes(gzip.decompress(PSC.read_bytes())[:-30])
    assert "cut.psc, line 550: " in load_error(store, tmp_path / "cut.psc").message


def test_rejects_files_without_rows(store: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "prose").write_text("It is a truth universally acknowledged\n")
    for name in ("rubbish", "empty", "prose", "none.gz", "*.gz", ""):
        error = load_error(store, tmp_path / name)
        assert error.code == Code.LOAD_UNREADABLE
        assert name in error.message
    assert load_error(store).code == Code.LOAD_UNREADABLE
    assert not list(store.data.rglob("*.duckdb"))


def test_rejects_bulk_line_with_too_few_fields(store: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / "a.psc").write_text(ROW + "\n")
    assert load_error(store, tmp_path / "a.psc").message.startswith("a.psc, line 1: 16 fields")


def test_rejects_binary_data_after_text(store: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / "a.psc").write_bytes(ROW.encode() + b"\n" + bytes(range(256)) * 1000)
    assert load_error(store, tmp_path / "a.psc").message.startswith("a.psc ")


def test_reads_gzip_without_isal(store: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not PSC.exists():
        pytest.skip("the real rows are not beside the repository")
    monkeypatch.setattr("vo_server.storage.gzip._gzip_file", gzip.GzipFile)
    shutil.copy(PSC, tmp_path / "a")
    assert psc(store, tmp_path / "a").rows == 550

"""The whole load: all rows are published, in order, and never an incomplete load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from vo_server.catalogue.catalogue import Collection, FileLayout, Origin, ValueCheck
from vo_server.engines.data_directory import DataDirectory
from vo_server.errors import Code, LoadError
from vo_server.load.external_sort import SAMPLE
from vo_server.load.load import Progress, load
from vo_server.model.column import Column, Position, Table
from vo_server.model.types import CHAR, DATE, DOUBLE, INTEGER, REAL, SMALLINT, VARCHAR

COLUMNS = (
    Column("ra", DOUBLE, nullable=False),
    Column("dec", DOUBLE, nullable=False),
    Column("name", VARCHAR, length=8, nullable=False),
    Column("flag", CHAR, length=3),
    Column("mag", REAL),
    Column("small", SMALLINT),
    Column("key", INTEGER),
    Column("day", DATE),
)
FILES = FileLayout(tuple(("decl" if c.name == "dec" else c.name, c.name) for c in COLUMNS), also={"RAJ2000": "ra"})
STARS = Collection(
    id="stars",
    table=Table("t", "stars", COLUMNS, position=Position("ra", "dec")),
    origin=Origin("Stars", "Nobody"),
    files=FILES,
    checks=(ValueCheck("mag", -10, 30),),
)
FIRST = "1.5|-2|a|000|10.5|1|2|2000-01-30"


@pytest.fixture
def store(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "data")


def write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def many(count: int, seed: int = 1) -> list[str]:
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    return [f"{a:.6f}|{d:.6f}|{i}|abc|\\N|\\N|{i}|\\N" for i, (a, d) in enumerate(zip(ra, dec, strict=True))]


def ask(
    store: DataDirectory, text: str = "SELECT * EXCLUDE _healpix FROM rows", id: str = "stars"
) -> list[tuple[Any, ...]]:
    path = store.find_current_file(id)
    assert path is not None
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(text).fetchall()


def load_error(store: DataDirectory, *args: Any, **kwargs: Any) -> LoadError:
    with pytest.raises(LoadError) as raised:
        load(STARS, *args, store, **kwargs)
    return raised.value


def litter(store: DataDirectory, id: str = "stars") -> set[str]:
    current = store.find_current_file(id)
    keep = {"lock", "current", current.name if current else ""}
    return {p.name for p in store.get_collection_folder(id).iterdir()} - keep


def test_values_are_loaded_unchanged(store: DataDirectory, tmp_path: Path) -> None:
    lines = [FIRST, "359.999999|89.5|b  |\\N|\\N|-32768|2147483647|\\N"]
    loaded = load(STARS, [write(tmp_path / "a.txt", lines)], store)
    assert (loaded.rows, loaded.total, loaded.rejected, loaded.rejects) == (2, 2, 0, None)
    found = {row[2]: row for row in ask(store)}
    assert str(found["a"][-1]) == "2000-01-30"
    assert found["a"][:-1] == (1.5, -2.0, "a", "000", 10.5, 1, 2)
    assert found["b"] == (359.999999, 89.5, "b", None, None, -32768, 2147483647, None)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks, many runs and many ranges of a few rows."""
    monkeypatch.setattr("vo_server.load.delimited.BLOCK_BYTES", 20_000)
    monkeypatch.setattr("vo_server.load.load.ROW_GROUP_ROWS", 2048)


@pytest.mark.usefixtures("small")
def test_rows_are_sorted_by_healpix(store: DataDirectory, tmp_path: Path) -> None:
    load(STARS, [write(tmp_path / "a.txt", many(20_000))], store, memory_limit=1 << 20)
    keys = [k for (k,) in ask(store, "SELECT _healpix FROM rows")]
    assert len(keys) == 20_000
    assert keys == sorted(keys)
    assert len({k for (k,) in ask(store, "SELECT key FROM rows")}) == 20_000
    assert ask(store, "SELECT rows, files, rejected FROM meta") == [(20_000, ["a.txt"], 0)]
    assert not litter(store)


def test_healpix_is_nested_order_29(store: DataDirectory, tmp_path: Path) -> None:
    load(STARS, [write(tmp_path / "a.txt", ["45|0.0000001|x|\\N|\\N|\\N|1|\\N"])], store)
    ((cell,),) = ask(store, "SELECT _healpix FROM rows")
    assert cell >> 58 == 0 or cell >> 58 == 4


@pytest.mark.usefixtures("small")
def test_keeps_rows_with_equal_positions(store: DataDirectory, tmp_path: Path) -> None:
    lines = [f"10|10|{i}|\\N|\\N|\\N|{i}|\\N" for i in range(3 * SAMPLE)]
    load(STARS, [write(tmp_path / "a.txt", lines)], store, memory_limit=1 << 20)
    assert [k for (k,) in ask(store, "SELECT key FROM rows")] == list(range(3 * SAMPLE))


def test_keeps_file_order_without_position(store: DataDirectory, tmp_path: Path) -> None:
    columns = (Column("n", INTEGER), Column("t", VARCHAR))
    plain = Collection("plain", Table("t", "p", columns), Origin("", ""), FileLayout((("n", "n"), ("t", "t"))))
    for append in (False, True):
        load(plain, [write(tmp_path / "a.txt", ["3|a", "1|b"])], store, append=append)
    assert ask(store, "SELECT * FROM rows", "plain") == [(3, "a"), (1, "b")] * 2


@pytest.mark.usefixtures("small")
def test_load_replaces_and_append_adds(store: DataDirectory, tmp_path: Path) -> None:
    load(STARS, [write(tmp_path / "a.txt", many(3000))], store)
    load(STARS, [write(tmp_path / "b.txt", many(1000, seed=2))], store)
    assert len(ask(store)) == 1000
    loaded = load(STARS, [write(tmp_path / "c.txt", many(2000, seed=3))], store, append=True)
    assert (loaded.rows, loaded.total) == (2000, 3000)
    keys = [k for (k,) in ask(store, "SELECT _healpix FROM rows")]
    assert len(keys) == 3000
    assert keys == sorted(keys)
    assert ask(store, "SELECT files FROM meta") == [(["b.txt", "c.txt"],)]


def test_append_without_existing_rows(store: DataDirectory, tmp_path: Path) -> None:
    assert load(STARS, [write(tmp_path / "a.txt", [FIRST])], store, append=True).total == 1


def test_rejects_append_to_other_columns(store: DataDirectory, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", ["1|2"])
    two = (Column("ra", DOUBLE), Column("dec", DOUBLE))
    files = FileLayout((("ra", "ra"), ("dec", "dec")))
    load(Collection("stars", Table("t", "s", two, position=Position("ra", "dec")), STARS.origin, files), [path], store)
    assert load_error(store, [write(tmp_path / "b.txt", [FIRST])], append=True).code == Code.LOAD_MISMATCH


def test_progress_has_phases_rows_and_bytes(store: DataDirectory, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", many(5000))
    seen: list[Progress] = []
    load(STARS, [path], store, progress=seen.append)
    assert list(dict.fromkeys(p.phase for p in seen)) == ["reading", "sorting", "writing"]
    read = [p for p in seen if p.phase == "reading"][-1]
    assert (read.rows, read.bytes_read, read.total_bytes) == (5000, path.stat().st_size, path.stat().st_size)
    assert (seen[-1].rows, seen[-1].total_rows) == (5000, 5000)


def test_rejects_concurrent_load(store: DataDirectory, tmp_path: Path) -> None:
    with store.open_new_generation("stars"):
        assert load_error(store, [write(tmp_path / "a.txt", [FIRST])]).code == Code.LOAD_FAILED


def test_failed_load_keeps_existing_rows(store: DataDirectory, tmp_path: Path) -> None:
    load(STARS, [write(tmp_path / "a.txt", [FIRST])], store)
    load_error(store, [write(tmp_path / "b.txt", [*many(2000), "rubbish|x"])])
    assert len(ask(store)) == 1
    assert not litter(store)


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_load import STARS
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.load import load
told = set()
def tell(p):
    if (p.phase, p.rows > 0) not in told:
        told.add((p.phase, p.rows > 0))
        print(p.phase, flush=True)
load(STARS, [{file!r}], DataDirectory(Path({data!r})), progress=tell, memory_limit=1 << 20)
"""


@pytest.mark.parametrize("moment", ["start", "reading", "sorting", "writing", "later"])
def test_killed_load_keeps_existing_rows(store: DataDirectory, tmp_path: Path, moment: str) -> None:
    load(STARS, [write(tmp_path / "old.txt", [FIRST])], store)
    new = write(tmp_path / "new.txt", many(40_000))
    here = [str(Path(__file__).parent), str(Path(__file__).parents[3])]
    script = KILLED.format(path=here, file=str(new), data=str(store.data))
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    if moment != "start":
        for line in child.stdout:
            if line.strip() == moment or (moment == "later" and line.startswith("writing")):
                break
    if moment == "later":
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert len(ask(store)) in ({1, 40_000} if moment == "later" else {1})
    assert load(STARS, [new], store).total == 40_000
    assert not litter(store)


BROKEN = {
    "1|2": ("line 2", "2 fields"),
    FIRST + "|": ("line 2", "9 fields"),
    FIRST.replace("10.5", "abc"): ("line 2, column mag", "'abc'"),
    FIRST.replace("10.5", "nan"): ("line 2, column mag", "'nan'"),
    FIRST.replace("10.5", ""): ("line 2, column mag", "''"),
    FIRST.replace("10.5", "1e40"): ("line 2, column mag", "1e40"),
    FIRST.replace("10.5", "30.5"): ("line 2, column mag", "30.5"),
    FIRST.replace("|-2|", "|95.2|"): ("line 2, column dec", "95.2"),
    FIRST.replace("1.5|", "-0.1|"): ("line 2, column ra", "-0.1"),
    FIRST.replace("1.5|", "\\N|"): ("line 2, column ra", ""),
    FIRST.replace("|a|", "||"): ("line 2, column name", ""),
    FIRST.replace("|a|", "|123456789|"): ("line 2, column name", "'123456789'"),
    FIRST.replace("000", "0000"): ("line 2, column flag", "'0000'"),
    FIRST.replace("|1|", "|40000|"): ("line 2, column small", "40000"),
    FIRST.replace("|1|", "|1.5|"): ("line 2, column small", "'1.5'"),
    FIRST.replace("|2|", "|3000000000|"): ("line 2, column key", "3000000000"),
    FIRST.replace("2000-01-30", "2000-13-30"): ("line 2, column day", "'2000-13-30'"),
}


@pytest.mark.parametrize("line", BROKEN)
def test_rejects_invalid_line(store: DataDirectory, tmp_path: Path, line: str) -> None:
    place, value = BROKEN[line]
    error = load_error(store, [write(tmp_path / "a.txt", [FIRST, line, FIRST])])
    assert error.code == Code.LOAD_BAD_ROW
    assert error.message.startswith(f"a.txt, {place}: {value}")
    assert store.find_current_file("stars") is None


def test_rejects_invalid_utf8(store: DataDirectory, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"{FIRST}\n".encode() + FIRST.replace("|a|", "|\xe9|").encode("latin-1") + b"\n")
    error = load_error(store, [path])
    assert error.code == Code.LOAD_BAD_ROW
    assert error.message.startswith("a.txt, line 2: byte 0xe9 ")


def test_skips_and_lists_invalid_lines(store: DataDirectory, tmp_path: Path) -> None:
    good = many(3000)
    lines = [*good[:1000], *BROKEN, *good[1000:]]
    loaded = load(STARS, [write(tmp_path / "a.txt", lines)], store, on_error="skip")
    assert (loaded.rows, loaded.rejected) == (3000, len(BROKEN))
    assert loaded.rejects is not None
    assert loaded.rejects.parent == store.data / "rejects"
    text = loaded.rejects.read_text().splitlines()
    assert text[1::2] == list(BROKEN)
    assert text[0].startswith("a.txt, line 1001: 2 fields")
    assert len(ask(store)) == 3000
    assert ask(store, "SELECT rejected FROM meta") == [(len(BROKEN),)]


def test_rejects_files_without_valid_rows(store: DataDirectory, tmp_path: Path) -> None:
    assert load_error(store, [write(tmp_path / "a.txt", ["1|2", "3|4"])], on_error="skip").code == Code.LOAD_FAILED


def test_line_numbers_are_correct_in_later_blocks(
    store: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vo_server.load.delimited.BLOCK_BYTES", 1000)
    lines = [*many(1000), "1|2"]
    assert load_error(store, [write(tmp_path / "a.txt", lines)]).message.startswith("a.txt, line 1001: ")


def test_accepts_empty_lines_and_missing_last_newline(store: DataDirectory, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"{FIRST}\r\n\r\n{FIRST}".encode())
    assert load(STARS, [path], store).rows == 2

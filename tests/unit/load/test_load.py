"""The road as a whole: what comes in is what serves, in order, and nothing half-done ever does."""

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

from vo_server.catalogue.catalogue import Check, Collection, Files, Origin
from vo_server.engines.store import Store
from vo_server.errors import LoadError
from vo_server.load.load import Progress, load
from vo_server.load.runs import SAMPLE
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
FILES = Files(tuple(("decl" if c.name == "dec" else c.name, c.name) for c in COLUMNS), also={"RAJ2000": "ra"})
STARS = Collection(
    id="stars",
    table=Table("t", "stars", COLUMNS, position=Position("ra", "dec")),
    origin=Origin("Stars", "Nobody"),
    files=FILES,
    checks=(Check("mag", -10, 30),),
)
FIRST = "1.5|-2|a|000|10.5|1|2|2000-01-30"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def many(count: int, seed: int = 1) -> list[str]:
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    return [f"{a:.6f}|{d:.6f}|{i}|abc|\\N|\\N|{i}|\\N" for i, (a, d) in enumerate(zip(ra, dec, strict=True))]


def ask(store: Store, text: str = "SELECT * EXCLUDE _healpix FROM rows", id: str = "stars") -> list[tuple[Any, ...]]:
    path = store.current(id)
    assert path is not None
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(text).fetchall()


def fault(store: Store, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(LoadError) as caught:
        load(STARS, *args, store, **kwargs)
    return caught.value.message


def litter(store: Store, id: str = "stars") -> set[str]:
    current = store.current(id)
    keep = {"lock", "current", current.name if current else ""}
    return {p.name for p in store.folder(id).iterdir()} - keep


def test_values_come_in_as_they_are(store: Store, tmp_path: Path) -> None:
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
    monkeypatch.setattr("vo_server.load.delimited.BLOCK", 20_000)
    monkeypatch.setattr("vo_server.load.load.ROW_GROUP", 2048)


@pytest.mark.usefixtures("small")
def test_the_rows_lie_in_the_order_of_healpix(store: Store, tmp_path: Path) -> None:
    load(STARS, [write(tmp_path / "a.txt", many(20_000))], store, memory_limit=1 << 20)
    keys = [k for (k,) in ask(store, "SELECT _healpix FROM rows")]
    assert len(keys) == 20_000
    assert keys == sorted(keys)
    assert len({k for (k,) in ask(store, "SELECT key FROM rows")}) == 20_000
    assert ask(store, "SELECT rows, files, rejected FROM meta") == [(20_000, ["a.txt"], 0)]
    assert not litter(store)


def test_healpix_is_nested_order_29(store: Store, tmp_path: Path) -> None:
    load(STARS, [write(tmp_path / "a.txt", ["45|0.0000001|x|\\N|\\N|\\N|1|\\N"])], store)
    ((cell,),) = ask(store, "SELECT _healpix FROM rows")
    assert cell >> 58 == 0 or cell >> 58 == 4


@pytest.mark.usefixtures("small")
def test_equal_positions_do_not_get_lost(store: Store, tmp_path: Path) -> None:
    lines = [f"10|10|{i}|\\N|\\N|\\N|{i}|\\N" for i in range(3 * SAMPLE)]
    load(STARS, [write(tmp_path / "a.txt", lines)], store, memory_limit=1 << 20)
    assert [k for (k,) in ask(store, "SELECT key FROM rows")] == list(range(3 * SAMPLE))


def test_without_a_position_the_order_is_that_of_the_files(store: Store, tmp_path: Path) -> None:
    columns = (Column("n", INTEGER), Column("t", VARCHAR))
    plain = Collection("plain", Table("t", "p", columns), Origin("", ""), Files((("n", "n"), ("t", "t"))))
    for append in (False, True):
        load(plain, [write(tmp_path / "a.txt", ["3|a", "1|b"])], store, append=append)
    assert ask(store, "SELECT * FROM rows", "plain") == [(3, "a"), (1, "b")] * 2


@pytest.mark.usefixtures("small")
def test_a_load_replaces_and_append_adds(store: Store, tmp_path: Path) -> None:
    load(STARS, [write(tmp_path / "a.txt", many(3000))], store)
    load(STARS, [write(tmp_path / "b.txt", many(1000, seed=2))], store)
    assert len(ask(store)) == 1000
    loaded = load(STARS, [write(tmp_path / "c.txt", many(2000, seed=3))], store, append=True)
    assert (loaded.rows, loaded.total) == (2000, 3000)
    keys = [k for (k,) in ask(store, "SELECT _healpix FROM rows")]
    assert len(keys) == 3000
    assert keys == sorted(keys)
    assert ask(store, "SELECT files FROM meta") == [(["b.txt", "c.txt"],)]


def test_append_to_nothing_is_a_load(store: Store, tmp_path: Path) -> None:
    assert load(STARS, [write(tmp_path / "a.txt", [FIRST])], store, append=True).total == 1


def test_append_to_other_columns_is_refused(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", ["1|2"])
    two = (Column("ra", DOUBLE), Column("dec", DOUBLE))
    files = Files((("ra", "ra"), ("dec", "dec")))
    load(Collection("stars", Table("t", "s", two, position=Position("ra", "dec")), STARS.origin, files), [path], store)
    assert "other columns" in fault(store, [write(tmp_path / "b.txt", [FIRST])], append=True)


def test_progress_tells_phases_rows_and_bytes(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", many(5000))
    seen: list[Progress] = []
    load(STARS, [path], store, progress=seen.append)
    assert list(dict.fromkeys(p.phase for p in seen)) == ["reading", "sorting", "writing"]
    read = [p for p in seen if p.phase == "reading"][-1]
    assert (read.rows, read.bytes, read.total_bytes) == (5000, path.stat().st_size, path.stat().st_size)
    assert (seen[-1].rows, seen[-1].total_rows) == (5000, 5000)


def test_one_load_at_a_time(store: Store, tmp_path: Path) -> None:
    with store.writing("stars"):
        assert "another load" in fault(store, [write(tmp_path / "a.txt", [FIRST])])


def test_a_failed_load_leaves_the_old_rows(store: Store, tmp_path: Path) -> None:
    load(STARS, [write(tmp_path / "a.txt", [FIRST])], store)
    fault(store, [write(tmp_path / "b.txt", [*many(2000), "rubbish|x"])])
    assert len(ask(store)) == 1
    assert not litter(store)


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_load import STARS
from vo_server.engines.store import Store
from vo_server.load.load import load
told = set()
def tell(p):
    if (p.phase, p.rows > 0) not in told:
        told.add((p.phase, p.rows > 0))
        print(p.phase, flush=True)
load(STARS, [{file!r}], Store(Path({data!r})), progress=tell, memory_limit=1 << 20)
"""


@pytest.mark.parametrize("moment", ["start", "reading", "sorting", "writing", "later"])
def test_killed_at_any_moment_the_old_rows_serve(store: Store, tmp_path: Path, moment: str) -> None:
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
    "1|2": "line 2: 2 fields instead of 8",
    FIRST + "|": "line 2: 9 fields instead of 8",
    FIRST.replace("10.5", "abc"): "line 2, column mag: 'abc' is not a number",
    FIRST.replace("10.5", "nan"): "line 2, column mag: 'nan' is not a number",
    FIRST.replace("10.5", ""): "line 2, column mag: '' is not a number",
    FIRST.replace("10.5", "1e40"): "line 2, column mag: 1e40 is too large for REAL",
    FIRST.replace("10.5", "30.5"): "line 2, column mag: 30.5 is outside -10..30",
    FIRST.replace("|-2|", "|95.2|"): "line 2, column dec: 95.2 is outside -90..90",
    FIRST.replace("1.5|", "-0.1|"): "line 2, column ra: -0.1 is outside 0..360",
    FIRST.replace("1.5|", "\\N|"): "line 2, column ra: empty, but may not be null",
    FIRST.replace("|a|", "||"): "line 2, column name: empty, but may not be null",
    FIRST.replace("|a|", "|123456789|"): "line 2, column name: '123456789' is longer than 8 characters",
    FIRST.replace("000", "0000"): "line 2, column flag: '0000' is longer than 3 characters",
    FIRST.replace("|1|", "|40000|"): "line 2, column small: 40000 is too large for SMALLINT",
    FIRST.replace("|1|", "|1.5|"): "line 2, column small: '1.5' is not a whole number",
    FIRST.replace("|2|", "|3000000000|"): "line 2, column key: 3000000000 is too large for INTEGER",
    FIRST.replace("2000-01-30", "2000-13-30"): "line 2, column day: '2000-13-30' is not a date (YYYY-MM-DD)",
}


@pytest.mark.parametrize("line", BROKEN)
def test_a_bad_line_stops_the_load_and_is_named(store: Store, tmp_path: Path, line: str) -> None:
    assert fault(store, [write(tmp_path / "a.txt", [FIRST, line, FIRST])]) == f"a.txt, {BROKEN[line]}"
    assert store.current("stars") is None


def test_bad_bytes_are_named(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"{FIRST}\n".encode() + FIRST.replace("|a|", "|\xe9|").encode("latin-1") + b"\n")
    assert fault(store, [path]) == "a.txt, line 2: byte 0xe9 is not text in UTF-8"


def test_bad_lines_are_skipped_and_listed(store: Store, tmp_path: Path) -> None:
    good = many(3000)
    lines = [*good[:1000], *BROKEN, *good[1000:]]
    loaded = load(STARS, [write(tmp_path / "a.txt", lines)], store, on_error="skip")
    assert (loaded.rows, loaded.rejected) == (3000, len(BROKEN))
    assert loaded.rejects is not None
    assert loaded.rejects.parent == store.data / "rejects"
    text = loaded.rejects.read_text().splitlines()
    assert text[1::2] == list(BROKEN)
    assert text[0] == "a.txt, line 1001: 2 fields instead of 8"
    assert len(ask(store)) == 3000
    assert ask(store, "SELECT rejected FROM meta") == [(len(BROKEN),)]


def test_nothing_good_is_no_load(store: Store, tmp_path: Path) -> None:
    assert "no rows" in fault(store, [write(tmp_path / "a.txt", ["1|2", "3|4"])], on_error="skip")


def test_line_numbers_hold_far_into_a_file(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vo_server.load.delimited.BLOCK", 1000)
    lines = [*many(1000), "1|2"]
    assert fault(store, [write(tmp_path / "a.txt", lines)]) == "a.txt, line 1001: 2 fields instead of 8"


def test_empty_lines_and_a_missing_last_newline_do_no_harm(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"{FIRST}\r\n\r\n{FIRST}".encode())
    assert load(STARS, [path], store).rows == 2

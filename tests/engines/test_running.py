"""Running queries: timeouts, memory limits, cancellation, reloads, uploads, and what SQL cannot reach."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from vo_server.adql.translate import translate
from vo_server.catalogue.load import load_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.engines.duckdb import DuckDBEngine
from vo_server.engines.engine import EngineLimits
from vo_server.errors import Code, EngineError, QueryCancelledError, QueryTimeoutError, UsageError
from vo_server.load.load import load
from vo_server.model import types
from vo_server.model.column import Column, Table

ENDLESS = """SELECT COUNT(*) FROM stars AS a, stars AS b, stars AS c, stars AS d
    WHERE SIN(a.ra * b.dec) + COS(c.x * d.ra) > 1.99"""
ROWS = "SELECT a.id, b.id, c.id FROM stars AS a, stars AS b, stars AS c WHERE a.ra + b.ra > c.dec"


def begin(world: Any, text: str, **options: Any) -> Any:
    statement, slots = translate(world.query(text), world.engine.locate)
    return world.engine.run(statement, slots, **options)


def count_busy_processors(seconds: float) -> float:
    """Return the number of processors that this process keeps busy, measured over some seconds."""
    before = os.times()
    time.sleep(seconds)
    after = os.times()
    return (after.user + after.system - before.user - before.system) / seconds


@pytest.mark.parametrize("brief", [False, True])
def test_stops_query_at_timeout(world: Any, brief: bool) -> None:
    start = time.monotonic()
    with pytest.raises(QueryTimeoutError) as raised:
        list(begin(world, ENDLESS, timeout=0.3, brief=brief).read_batches())
    assert raised.value.code == Code.QUERY_TIMEOUT
    assert "0.3 s" in raised.value.message
    assert time.monotonic() - start < 1.5
    assert world.values("SELECT COUNT(*) FROM stars") == [len(world.stars["id"])]


@pytest.mark.parametrize("text", [ENDLESS, ROWS])
def test_cancel_stops_query_within_a_second(world: Any, text: str) -> None:
    run = begin(world, text)
    threading.Timer(0.3, run.cancel).start()
    start = time.monotonic()
    with pytest.raises(QueryCancelledError):
        for _ in run.read_batches():
            pass
    assert time.monotonic() - start < 1.3
    assert count_busy_processors(0.2) < 0.5
    run.cancel()
    run.close()


def test_cancelled_query_does_not_start(world: Any) -> None:
    run = begin(world, ENDLESS)
    run.cancel()
    start = time.monotonic()
    with pytest.raises(QueryCancelledError):
        list(run.read_batches())
    assert time.monotonic() - start < 0.5


def test_closing_early_stops_query(world: Any) -> None:
    run = begin(world, ROWS)
    batches = run.read_batches()
    assert next(batches).num_rows > 0
    batches.close()
    run.close()
    assert count_busy_processors(0.2) < 0.5


def test_cancel_does_not_affect_other_query(world: Any) -> None:
    text = "SELECT COUNT(*) FROM stars AS a, stars AS b, stars AS c WHERE SIN(a.x * b.x + c.id) < 2 AND c.id < 90"
    other = begin(world, text)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(other.read_batches()))
    victim = begin(world, ENDLESS)
    threading.Timer(0.1, victim.cancel).start()
    thread.start()
    with pytest.raises(QueryCancelledError):
        list(victim.read_batches())
    thread.join()
    known = sum(x is not None for x in world.stars["x"])
    assert found[0].column(0)[0].as_py() == known**2 * 90


def test_reports_progress(world: Any) -> None:
    run = begin(world, ENDLESS)
    seen: list[float | None] = []

    def watch() -> None:
        time.sleep(0.3)
        seen.append(run.progress())
        run.cancel()

    thread = threading.Thread(target=watch)
    thread.start()
    with pytest.raises(QueryCancelledError):
        list(run.read_batches())
    thread.join()
    assert seen[0] is None or 0 <= seen[0] <= 1


# ----------------------------------------------------- an engine of its own

LINES = """
id = "lines"
[schema]
name = "sky"
[table]
name = "lines"
[columns.n]
type = "INTEGER"
description = "A number."
[columns.t]
type = "VARCHAR(40)"
description = "A text."
[origin]
title = "Lines"
publisher = "Nobody"
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """A function that opens an engine over its own rows; its attribute `fill` loads others."""
    (tmp_path / "lines.toml").write_text(LINES)
    catalogue = load_catalogue([tmp_path / "lines.toml"])
    store = DataDirectory(tmp_path / "data")

    def fill(rows: int, first: int = 0) -> None:
        numbers = np.arange(first, first + rows, dtype=np.int32)
        texts = pa.array([f"{(int(n) * 2654435761) % 2**32:032d}" for n in numbers])
        pq.write_table(pa.table({"n": numbers, "t": texts}), tmp_path / "lines.parquet")
        load(catalogue.get_collection("lines"), [tmp_path / "lines.parquet"], store)

    def open_world(world: Any, **limits: Any) -> Any:
        engine = DuckDBEngine(store, catalogue, limits=EngineLimits(**limits))
        return type(world)(catalogue, engine, store, {}, {}, tmp_path)

    open_world.fill = fill  # type: ignore[attr-defined]
    return open_world


def test_spills_sort_larger_than_memory(world: Any, make: Any, tmp_path: Path) -> None:
    make.fill(400_000)
    mine = make(world, memory="48MB", spill=tmp_path / "spill", threads=1)
    table = mine.table("SELECT n, t, t || 'x' || t || t AS long FROM lines ORDER BY long")
    texts = table.column(1)
    assert len(texts) == 400_000
    assert texts.to_pylist() == sorted(texts.to_pylist())
    mine.engine.close()


def test_reports_sort_without_memory(world: Any, make: Any, tmp_path: Path) -> None:
    make.fill(400_000)
    mine = make(world, memory="16MB", threads=1)
    with pytest.raises(UsageError) as raised:
        mine.table("SELECT n, t, t || 'x' || t || t AS long FROM lines ORDER BY long")
    assert raised.value.code == Code.QUERY_TOO_LARGE
    mine.engine.close()


def test_next_query_sees_reload_and_running_query_does_not(world: Any, make: Any) -> None:
    make.fill(300_000)
    mine = make(world, threads=1)
    before = begin(mine, "SELECT n FROM lines")
    batches = before.read_batches()
    first = next(batches)
    make.fill(10, first=1000)
    assert mine.values("SELECT COUNT(*) FROM lines") == [10]
    assert first.num_rows + sum(b.num_rows for b in batches) == 300_000
    assert mine.engine.count_rows(mine.catalogue.tables[0]) == 10
    mine.engine.close()


def test_queries_during_reloads(world: Any, make: Any) -> None:
    make.fill(5000)
    mine = make(world, threads=1)
    errors: list[BaseException] = []
    finished = threading.Event()

    def query_repeatedly() -> None:
        while not finished.is_set():
            try:
                (count,) = mine.values("SELECT COUNT(*) FROM lines")
                assert count in (5000, 700), count
            except BaseException as error:  # noqa: BLE001
                errors.append(error)
                return

    threads = [threading.Thread(target=query_repeatedly) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(6):
        make.fill(700 if n % 2 else 5000)
    finished.set()
    for thread in threads:
        thread.join()
    assert errors == []
    mine.engine.close()


def test_reports_table_without_rows(world: Any, make: Any) -> None:
    mine = make(world)
    with pytest.raises(UsageError) as raised:
        mine.ask("SELECT n FROM lines")
    assert raised.value.code == Code.QUERY_NOT_LOADED
    assert mine.engine.count_rows(mine.catalogue.tables[0]) is None
    assert mine.engine.check_ready() is None
    mine.engine.close()


# ----------------------------------------------------------------- uploads


def with_upload_table(world: Any) -> Any:
    columns = (Column("n", types.INTEGER), Column("ra", types.DOUBLE), Column("Dec", types.DOUBLE))
    catalogue = world.catalogue.with_tables([Table("TAP_UPLOAD", "Mine", columns)])
    return type(world)(catalogue, world.engine, world.store, world.stars, world.spots, world.folder)


def test_only_own_query_sees_uploads(world: Any) -> None:
    mine = with_upload_table(world)
    one = {"mine": pa.table({"n": pa.array([1, 2], pa.int32()), "ra": [10.0, 0.0], "Dec": [20.0, 0.0]})}
    other = {"mine": pa.table({"n": pa.array([7], pa.int32()), "ra": [10.0], "Dec": [20.0]})}
    text = "SELECT n FROM TAP_UPLOAD.mine ORDER BY n"
    first = begin(mine, text, uploads=one)
    assert mine.ask(text, uploads=other) == [(7,)]
    assert [b.column(0).to_pylist() for b in first.read_batches()] == [[1, 2]]
    with pytest.raises(EngineError):
        mine.ask(text)
    text = "SELECT u.n, s.id FROM tap_upload.mine AS u JOIN stars AS s ON DISTANCE(u.ra, u.dec, s.ra, s.dec) < 1e-5"
    found = set(mine.ask(text, uploads=one))
    assert found == set(mine.ask(text, planned=False, uploads=one))
    assert {n for n, _ in found} == {1, 2}
    assert mine.ask('SELECT u."Dec" FROM tap_upload.mine AS u WHERE u.n = 1', uploads=one) == [(20.0,)]


def test_upload_columns_that_differ_in_case(world: Any) -> None:
    columns = tuple(Column(name, types.INTEGER) for name in ("n", "N", "Mag", "n_2"))
    called = {"N": "N_3"}
    catalogue = world.catalogue.with_tables([Table("TAP_UPLOAD", "Mine", columns, source=called)])
    mine = type(world)(catalogue, world.engine, world.store, world.stars, world.spots, world.folder)
    rows = {"mine": pa.table({name: pa.array([k], pa.int32()) for k, name in enumerate(("n", "N_3", "Mag", "n_2"))})}
    for text, found in (
        ("SELECT * FROM TAP_UPLOAD.mine", (0, 1, 2, 3)),
        ('SELECT "N", "n", mag FROM TAP_UPLOAD.mine', (1, 0, 2)),
        ('SELECT t."N" + t."n" AS s FROM (SELECT * FROM TAP_UPLOAD.mine) AS t', (1,)),
        ('SELECT a."N" FROM TAP_UPLOAD.mine AS a JOIN TAP_UPLOAD.mine AS b ON a."N" = b."n" + 1 ORDER BY a."N"', (1,)),
    ):
        assert mine.ask(text, uploads=rows) == [found]


VALUES_BY_TYPE: dict[str, list[Any]] = {
    "BOOLEAN": [True, None], "UNSIGNED BYTE": [255, None], "SMALLINT": [-7, None], "INTEGER": [2**31 - 1, None],
    "BIGINT": [2**62 + 1, None], "REAL": [0.5, None], "DOUBLE PRECISION": [0.1, float("inf")], "CHAR": ["ab", None],
    "VARCHAR": ["", None], "UNICODE": ["é", None], "CLOB": ["a\nb", None],
    "REGION": ["CIRCLE ICRS 1 2 3", None], "MOC": ["6/1-3", None], "DATE": [date(2000, 1, 1), None],
    "TIMESTAMP": [datetime(2000, 1, 1, 1, 2, 3, 4), None], "BLOB": [b"\x00a", None], "POINT": [[1.0, 2.0], None],
    "CIRCLE": [[1.0, 2.0, 3.0], None], "POLYGON": [[0.0, 0.0, 1.0, 0.0, 1.0, 1.0], None],
    "BOOLEAN ARRAY": [[True, False], []], "SMALLINT ARRAY": [[1, -1], None], "INTEGER ARRAY": [[2**31 - 1], []],
    "BIGINT ARRAY": [[2**62 + 1], None], "REAL ARRAY": [[0.5], []], "DOUBLE PRECISION ARRAY": [[0.1, 0.2], None],
}  # fmt: skip


@pytest.mark.parametrize("type", types.TYPES, ids=lambda t: t.name)
def test_uploads_of_every_type(world: Any, type: types.Type) -> None:
    catalogue = world.catalogue.with_tables(
        [Table("TAP_UPLOAD", "t", (Column("a b", type), Column("n", types.INTEGER)))]
    )
    mine = world.__class__(catalogue, world.engine, world.store, world.stars, world.spots, world.folder)
    values = VALUES_BY_TYPE[type.name]
    rows = pa.table({"a b": pa.array(values, type.arrow), "n": pa.array([1, 2], pa.int32())})
    found = mine.ask("SELECT * FROM TAP_UPLOAD.t ORDER BY n", uploads={"t": rows})
    assert [(to_written(a, type), n) for a, n in found] == [(values[0], 1), (values[1], 2)]


def to_written(value: Any, type: types.Type) -> Any:
    """Return a value as the writers write it: cast to the type of its column."""
    return pa.array([value]).cast(type.arrow)[0].as_py() if value is not None else None


# ---------------------------------------------------------------- the lock


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/vo_server_test_copy'",
        "ATTACH '/tmp/vo_server_test.db' AS x",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "SELECT * FROM glob('/*')",
        "CREATE OR REPLACE TABLE file_stars.main.rows AS SELECT 1",
        "INSERT INTO file_stars.main.rows SELECT * FROM file_stars.main.rows",
        "SELECT * FROM secret_of_python",
    ],
)
@pytest.mark.parametrize("brief", [False, True])
def test_sql_cannot_leave_database(world: Any, text: str, brief: bool) -> None:
    secret_of_python = pa.table({"a": [1]})
    with pytest.raises((EngineError, UsageError)):
        list(world.engine.run(sa.text(text), brief=brief).read_batches())
    assert secret_of_python.num_rows == 1
    assert not Path("/tmp/vo_server_test_copy").exists()


def test_database_message_goes_to_log(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EngineError) as caught:
        list(world.engine.run(sa.text("SELECT nothing FROM nowhere")).read_batches())
    assert "nowhere" not in str(caught.value)
    assert "nowhere" in caplog.text


def test_closing_amid_rows_does_not_wait(world: Any) -> None:
    """The engine computes further rows while nobody reads; closing must not wait for it."""
    endless = (
        "FROM stars AS a, stars AS b, stars AS c, stars AS d WHERE SIN(a.ra) * SIN(b.ra) * SIN(c.ra) * SIN(d.ra) > 2"
    )
    text = f"SELECT s.ra FROM stars AS s, stars AS t UNION ALL SELECT a.ra {endless}"
    statement, slots = translate(world.query(text), world.engine.locate)
    batches = world.engine.run(statement, slots).read_batches()
    assert next(batches).num_rows > 0
    start = time.monotonic()
    batches.close()
    assert time.monotonic() - start < 10

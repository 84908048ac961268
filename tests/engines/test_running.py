"""Running queries: timeouts, memory limits, cancellation, reloads, uploads, and isolation of SQL."""

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
MANY_ROWS = "SELECT a.id, b.id, c.id FROM stars AS a, stars AS b, stars AS c WHERE a.ra + b.ra > c.dec"


def start_query(world: Any, text: str, **options: Any) -> Any:
    statement, slots = translate(world.resolve(text), world.engine.locate)
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
        list(start_query(world, ENDLESS, timeout=0.3, brief=brief).read_batches())
    assert raised.value.code == Code.QUERY_TIMEOUT
    assert "0.3 s" in raised.value.message
    assert time.monotonic() - start < 1.5
    assert world.fetch_values("SELECT COUNT(*) FROM stars") == [len(world.stars["id"])]


@pytest.mark.parametrize("text", [ENDLESS, MANY_ROWS])
def test_cancel_stops_query_within_a_second(world: Any, text: str) -> None:
    run = start_query(world, text)
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
    run = start_query(world, ENDLESS)
    run.cancel()
    start = time.monotonic()
    with pytest.raises(QueryCancelledError):
        list(run.read_batches())
    assert time.monotonic() - start < 0.5


def test_closing_early_stops_query(world: Any) -> None:
    run = start_query(world, MANY_ROWS)
    batches = run.read_batches()
    assert next(batches).num_rows > 0
    batches.close()
    run.close()
    assert count_busy_processors(0.2) < 0.5


def test_cancel_does_not_affect_other_query(world: Any) -> None:
    text = "SELECT COUNT(*) FROM stars AS a, stars AS b, stars AS c WHERE SIN(a.x * b.x + c.id) < 2 AND c.id < 90"
    other = start_query(world, text)
    batches: list[Any] = []
    thread = threading.Thread(target=lambda: batches.extend(other.read_batches()))
    cancelled = start_query(world, ENDLESS)
    threading.Timer(0.1, cancelled.cancel).start()
    thread.start()
    with pytest.raises(QueryCancelledError):
        list(cancelled.read_batches())
    thread.join()
    count = sum(x is not None for x in world.stars["x"])
    assert batches[0].column(0)[0].as_py() == count**2 * 90


def test_reports_progress(world: Any) -> None:
    run = start_query(world, ENDLESS)
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


# ------------------------------------------------------- engines with own rows

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
def open_own_world(tmp_path: Path) -> Callable[..., Any]:
    """Return a function that opens an engine with its own rows; its attribute `load_rows` loads others."""
    (tmp_path / "lines.toml").write_text(LINES)
    catalogue = load_catalogue([tmp_path / "lines.toml"])
    store = DataDirectory(tmp_path / "data")

    def load_rows(rows: int, first: int = 0) -> None:
        numbers = np.arange(first, first + rows, dtype=np.int32)
        texts = pa.array([f"{(int(n) * 2654435761) % 2**32:032d}" for n in numbers])
        pq.write_table(pa.table({"n": numbers, "t": texts}), tmp_path / "lines.parquet")
        load(catalogue.get_collection("lines"), [tmp_path / "lines.parquet"], store)

    def open_world(world: Any, **limits: Any) -> Any:
        engine = DuckDBEngine(store, catalogue, limits=EngineLimits(**limits))
        return type(world)(catalogue, engine, store, {}, {}, tmp_path)

    open_world.load_rows = load_rows  # type: ignore[attr-defined]
    return open_world


def test_spills_sort_larger_than_memory(world: Any, open_own_world: Any, tmp_path: Path) -> None:
    open_own_world.load_rows(400_000)
    own = open_own_world(world, memory="48MB", spill=tmp_path / "spill", threads=1)
    table = own.fetch_result("SELECT n, t, t || 'x' || t || t AS long FROM lines ORDER BY long")
    texts = table.column(1)
    assert len(texts) == 400_000
    assert texts.to_pylist() == sorted(texts.to_pylist())
    own.engine.close()


def test_reports_sort_without_memory(world: Any, open_own_world: Any, tmp_path: Path) -> None:
    open_own_world.load_rows(400_000)
    own = open_own_world(world, memory="16MB", threads=1)
    with pytest.raises(UsageError) as raised:
        own.fetch_result("SELECT n, t, t || 'x' || t || t AS long FROM lines ORDER BY long")
    assert raised.value.code == Code.QUERY_TOO_LARGE
    own.engine.close()


def test_next_query_sees_reload_and_running_query_does_not(world: Any, open_own_world: Any) -> None:
    open_own_world.load_rows(300_000)
    own = open_own_world(world, threads=1)
    before = start_query(own, "SELECT n FROM lines")
    batches = before.read_batches()
    first = next(batches)
    open_own_world.load_rows(10, first=1000)
    assert own.fetch_values("SELECT COUNT(*) FROM lines") == [10]
    assert first.num_rows + sum(b.num_rows for b in batches) == 300_000
    assert own.engine.count_rows(own.catalogue.tables[0]) == 10
    own.engine.close()


def test_queries_during_reloads(world: Any, open_own_world: Any) -> None:
    open_own_world.load_rows(5000)
    own = open_own_world(world, threads=1)
    errors: list[BaseException] = []
    finished = threading.Event()

    def query_repeatedly() -> None:
        while not finished.is_set():
            try:
                (count,) = own.fetch_values("SELECT COUNT(*) FROM lines")
                assert count in (5000, 700), count
            except BaseException as error:  # noqa: BLE001
                errors.append(error)
                return

    threads = [threading.Thread(target=query_repeatedly) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(6):
        open_own_world.load_rows(700 if n % 2 else 5000)
    finished.set()
    for thread in threads:
        thread.join()
    assert errors == []
    own.engine.close()


def test_reports_table_without_rows(world: Any, open_own_world: Any) -> None:
    own = open_own_world(world)
    with pytest.raises(UsageError) as raised:
        own.ask("SELECT n FROM lines")
    assert raised.value.code == Code.QUERY_NOT_LOADED
    assert own.engine.count_rows(own.catalogue.tables[0]) is None
    assert own.engine.check_ready() is None
    own.engine.close()


# ----------------------------------------------------------------- uploads


def with_upload_table(world: Any) -> Any:
    columns = (Column("n", types.INTEGER), Column("ra", types.DOUBLE), Column("Dec", types.DOUBLE))
    catalogue = world.catalogue.with_tables([Table("TAP_UPLOAD", "Mine", columns)])
    return type(world)(catalogue, world.engine, world.store, world.stars, world.spots, world.folder)


def test_only_own_query_sees_uploads(world: Any) -> None:
    with_upload = with_upload_table(world)
    uploads = {"mine": pa.table({"n": pa.array([1, 2], pa.int32()), "ra": [10.0, 0.0], "Dec": [20.0, 0.0]})}
    other_uploads = {"mine": pa.table({"n": pa.array([7], pa.int32()), "ra": [10.0], "Dec": [20.0]})}
    text = "SELECT n FROM TAP_UPLOAD.mine ORDER BY n"
    first = start_query(with_upload, text, uploads=uploads)
    assert with_upload.ask(text, uploads=other_uploads) == [(7,)]
    assert [b.column(0).to_pylist() for b in first.read_batches()] == [[1, 2]]
    with pytest.raises(EngineError):
        with_upload.ask(text)
    text = "SELECT u.n, s.id FROM tap_upload.mine AS u JOIN stars AS s ON DISTANCE(u.ra, u.dec, s.ra, s.dec) < 1e-5"
    pairs = set(with_upload.ask(text, uploads=uploads))
    assert pairs == set(with_upload.ask(text, planned=False, uploads=uploads))
    assert {n for n, _ in pairs} == {1, 2}
    assert with_upload.ask('SELECT u."Dec" FROM tap_upload.mine AS u WHERE u.n = 1', uploads=uploads) == [(20.0,)]


def test_upload_columns_that_differ_in_case(world: Any) -> None:
    columns = tuple(Column(name, types.INTEGER) for name in ("n", "N", "Mag", "n_2"))
    source = {"N": "N_3"}
    catalogue = world.catalogue.with_tables([Table("TAP_UPLOAD", "Mine", columns, source=source)])
    with_upload = type(world)(catalogue, world.engine, world.store, world.stars, world.spots, world.folder)
    rows = {"mine": pa.table({name: pa.array([k], pa.int32()) for k, name in enumerate(("n", "N_3", "Mag", "n_2"))})}
    for text, expected in (
        ("SELECT * FROM TAP_UPLOAD.mine", (0, 1, 2, 3)),
        ('SELECT "N", "n", mag FROM TAP_UPLOAD.mine', (1, 0, 2)),
        ('SELECT t."N" + t."n" AS s FROM (SELECT * FROM TAP_UPLOAD.mine) AS t', (1,)),
        ('SELECT a."N" FROM TAP_UPLOAD.mine AS a JOIN TAP_UPLOAD.mine AS b ON a."N" = b."n" + 1 ORDER BY a."N"', (1,)),
    ):
        assert with_upload.ask(text, uploads=rows) == [expected]


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
    with_upload = world.__class__(catalogue, world.engine, world.store, world.stars, world.spots, world.folder)
    values = VALUES_BY_TYPE[type.name]
    rows = pa.table({"a b": pa.array(values, type.arrow), "n": pa.array([1, 2], pa.int32())})
    result = with_upload.ask("SELECT * FROM TAP_UPLOAD.t ORDER BY n", uploads={"t": rows})
    assert [(to_written(a, type), n) for a, n in result] == [(values[0], 1), (values[1], 2)]


def to_written(value: Any, type: types.Type) -> Any:
    """Return a value as the writers write it: cast to the type of its column."""
    return pa.array([value]).cast(type.arrow)[0].as_py() if value is not None else None


# ------------------------------------------------------------------ isolation


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
    with pytest.raises(EngineError) as raised:
        list(world.engine.run(sa.text("SELECT nothing FROM nowhere")).read_batches())
    assert "nowhere" not in str(raised.value)
    assert "nowhere" in caplog.text


def test_closing_amid_rows_does_not_wait(world: Any) -> None:
    """The engine computes further rows that no one reads; closing does not wait for it."""
    no_rows = (
        "FROM stars AS a, stars AS b, stars AS c, stars AS d WHERE SIN(a.ra) * SIN(b.ra) * SIN(c.ra) * SIN(d.ra) > 2"
    )
    text = f"SELECT s.ra FROM stars AS s, stars AS t UNION ALL SELECT a.ra {no_rows}"
    statement, slots = translate(world.resolve(text), world.engine.locate)
    batches = world.engine.run(statement, slots).read_batches()
    assert next(batches).num_rows > 0
    start = time.monotonic()
    batches.close()
    assert time.monotonic() - start < 10

"""Answers under way: clients that leave, data that are renewed, memory that does not grow, a server that is stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import ENDLESS, begin, busy, children, path, resident, until
from tests.conftest import Listening, clean_environment
from vo_server import demo
from vo_server.assembly import load_site_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.load import load
from vo_server.settings import Settings

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what a process does is read from /proc")

ROWS_THEN_NOTHING = (
    "SELECT t.ra FROM (SELECT TOP 100000 p.ra FROM psc AS p, xsc AS x) AS t UNION ALL "
    + ENDLESS.replace("COUNT(*) AS n", "a.ra")
)
"""A batch of rows at once, and then none for hours."""

WIDE = "SELECT a.*, b.designation AS other FROM psc AS a, psc AS b"
"""400 million rows."""


@pytest.fixture(scope="module")
def of_this_file(sky: Path, serving: Any) -> Iterator[Any]:
    with serving(sky) as running:
        yield running


@pytest.fixture
def alone(of_this_file: Any) -> Any:
    """A server that nobody else asks, at rest."""
    assert until(lambda: busy(of_this_file.process.pid) < 0.1)
    return of_this_file


# ----------------------------------------------------- clients that go away


@pytest.mark.parametrize("query", [ENDLESS, ROWS_THEN_NOTHING])
@pytest.mark.parametrize("format", ["csv", "votable"])
def test_a_client_that_leaves_stops_its_query(alone: Any, query: str, format: str) -> None:
    pid = alone.process.pid
    with closing(begin(alone.url, path(query, RESPONSEFORMAT=format))):
        assert until(lambda: busy(pid) > 0.3), "the query did not begin"
    assert until(lambda: busy(pid) < 0.1), "the query goes on without its client"
    assert httpx.get(alone.url + path("SELECT TOP 1 ra FROM psc")).status_code == 200


def test_a_client_that_leaves_amid_the_rows(alone: Any) -> None:
    pid = alone.process.pid
    with closing(begin(alone.url, path(WIDE, RESPONSEFORMAT="csv"))) as connection:
        read = 0
        while read < 3_000_000:
            read += len(connection.recv(65_536))
        assert until(lambda: busy(pid) < 0.1), "rows are made that nobody takes"
    assert until(lambda: busy(pid) < 0.1)
    assert httpx.get(alone.url + path("SELECT TOP 1 ra FROM psc")).status_code == 200


def test_many_that_leave_block_nobody(alone: Any) -> None:
    """More than there are threads for queries."""
    pid = alone.process.pid
    for _ in range(2):
        connections = [begin(alone.url, path(ENDLESS)) for _ in range(40)]
        assert until(lambda: busy(pid) > 0.3)
        for connection in connections:
            connection.close()
    assert until(lambda: busy(pid) < 0.1, 60)
    assert httpx.get(alone.url + path("SELECT TOP 1 ra FROM psc"), timeout=30).status_code == 200


def test_head_ends_its_query(alone: Any) -> None:
    with closing(begin(alone.url, path(WIDE), "HEAD")) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert until(lambda: busy(alone.process.pid) < 0.1)


def test_a_query_that_takes_too_long(sky: Path, listening: Listening, tmp_path: Path) -> None:
    with listening(Settings(data=sky, job_results=str(tmp_path), timeout=0.5, threads=1)) as url:
        answer = httpx.get(url + path(ENDLESS), timeout=60)
        assert answer.status_code == 400
        assert "longer than 0.5 s" in answer.text
        late = httpx.get(url + path(ROWS_THEN_NOTHING, RESPONSEFORMAT="votable/td"), timeout=60)
        assert late.text.count('value="ERROR"') == 1
        assert "longer than 0.5 s" in late.text
        assert until(lambda: busy(os.getpid()) < 0.1)


# ------------------------------------------------------- rows without number


@pytest.mark.parametrize("format", ["csv", "votable/b2", "votable/td"])
def test_memory_does_not_grow_with_the_rows(alone: Any, format: str) -> None:
    """After the first 15 MB (packed), 20 more take no more memory."""
    with httpx.stream("GET", alone.url + path(WIDE, RESPONSEFORMAT=format), timeout=60) as answer:
        read, sizes = 0, []
        for piece in answer.iter_raw(1 << 20):
            read += len(piece)
            sizes.append((read, resident(alone.process.pid)))
            if read > 35_000_000:
                break
    early = max(size for read, size in sizes if read < 15_000_000)
    assert max(size for _, size in sizes) - early < 60_000_000


def test_the_first_rows_do_not_wait_for_the_last(alone: Any) -> None:
    begun = time.monotonic()
    with httpx.stream("GET", alone.url + path(WIDE, RESPONSEFORMAT="csv"), timeout=60) as answer:
        assert next(answer.iter_text()).startswith("ra,dec")
    assert time.monotonic() - begun < 10


# ---------------------------------------------------------- data anew


def renew(data: Path, folder: Path, rows: int) -> None:
    """Put other rows in the place of the point sources."""
    (psc,) = (p for p in load_site_catalogue(Settings()).collections if p.id == "psc")
    folder.mkdir()
    load(psc, demo.write_psc(folder, rows, seed=rows, compress=False), DataDirectory(data))


@pytest.mark.slow
def test_new_data_without_a_restart(sky: Path, serving: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(sky, data)
    query = "SELECT TOP 300000 a.designation, a.*, b.ra AS other FROM psc AS a, psc AS b"
    with (
        serving(data) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        client.stream("GET", path(query, RESPONSEFORMAT="csv")) as answer,
    ):
        lines = answer.iter_lines()
        first = next(lines)
        renew(data, tmp_path / "files", 1234)
        count = path("SELECT COUNT(*) AS n FROM psc", RESPONSEFORMAT="csv")
        assert client.get(count).text.split() == ["n", "1234"]
        assert "<nrows>1234<" in client.get("/tap/tables").text
        assert first.startswith("designation,")
        assert sum(1 for _ in lines) == 300_000
        assert client.get("/tap/availability").text.count("available>true<") == 1


# ------------------------------------------------------------ its end


def test_stops_although_clients_keep_their_connections(sky: Path, serving: Any) -> None:
    with serving(sky) as server, httpx.Client(base_url=server.url) as one, httpx.Client(base_url=server.url) as two:
        assert {c.get("/tap/availability").status_code for c in (one, two)} == {200}
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 5
        assert "Traceback" not in server.said


@pytest.mark.slow
def test_stops_amid_queries(sky: Path, serving: Any) -> None:
    """After the grace period: one has no rows yet and gets an error, the other breaks off."""
    with (
        serving(sky, constants={"vo_server.commands.serve.GRACE_SECONDS": 1}) as server,
        closing(begin(server.url, path(ENDLESS))) as waiting,
        closing(begin(server.url, path(ROWS_THEN_NOTHING))) as reading,
    ):
        assert until(lambda: busy(server.process.pid) > 0.3)
        assert reading.recv(15) == b"HTTP/1.1 200 OK"
        assert server.stop() == 0
        assert waiting.recv(12) == b"HTTP/1.1 503"


def test_stops_on_an_interrupt(sky: Path, serving: Any) -> None:
    with serving(sky) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=30) in (0, 130)
        assert "Traceback" not in server.said


@pytest.mark.slow
def test_several_workers(sky: Path, serving: Any) -> None:
    with serving(sky, "--workers", "2") as server:
        assert len(children(server.process.pid)) >= 2
        ask = server.url + path("SELECT COUNT(*) AS n FROM psc", RESPONSEFORMAT="csv")
        with ThreadPoolExecutor(8) as pool:
            texts = list(pool.map(lambda _: httpx.get(ask, timeout=60).text, range(40)))
        assert {tuple(text.split()) for text in texts} == {("n", "20000")}
        assert f">{server.url}/tap<" in httpx.get(f"{server.url}/tap/capabilities").text
        theirs = children(server.process.pid)
        assert server.stop() == 0
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in theirs))


def test_a_port_that_is_taken(server: Any, sky: Path) -> None:
    port = server.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "vo_server", "serve", "--port", port, "--data", str(sky)],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr

"""Job results in remote storage: clients see no difference."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Listening
from vo_server.settings import Settings
from vo_server.site import open_worker

QUERY = "SELECT p.pts_key, p.ra, t.a FROM psc AS p, TAP_UPLOAD.t AS t ORDER BY p.pts_key, t.a"


@pytest.fixture(scope="module")
def remote(sky: Path, listening: Listening, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Start a server whose job files are in memory, and a worker."""
    table = tmp_path_factory.mktemp("table") / "jobs.sqlite"
    settings = Settings(data=sky, jobs=f"sqlite:///{table}", job_results="memory://vo-server-jobs/a")
    with listening(settings) as url, open_worker(settings, "w") as worker, httpx.Client(base_url=url) as client:
        thread = threading.Thread(target=worker.run)
        thread.start()
        yield client
        worker.stop()
        thread.join()


@pytest.fixture(scope="module")
def job(remote: httpx.Client) -> str:
    form = {"LANG": "ADQL", "QUERY": QUERY, "UPLOAD": "t,param:t", "FORMAT": "csv", "PHASE": "RUN", "RUNID": "far"}
    response = remote.post("/tap/async", data=form, files={"t": ("t.csv", b"a\n1\n2\n")})
    assert response.status_code == 303, response.text
    id = response.headers["location"].rpartition("/")[2]
    while remote.get(f"/tap/async/{id}/phase").text in ("QUEUED", "EXECUTING"):
        remote.get(f"/tap/async/{id}", params={"WAIT": "5"})
    assert remote.get(f"/tap/async/{id}/phase").text == "COMPLETED", remote.get(f"/tap/async/{id}/error").text
    return f"/tap/async/{id}"


def test_result_and_its_ranges(remote: httpx.Client, job: str) -> None:
    full = remote.get(f"{job}/results/result")
    assert full.status_code == 200
    assert len(full.text.splitlines()) == 40_001
    assert full.headers["content-length"] == str(len(full.content))
    assert full.headers["content-type"].startswith("text/csv")
    assert full.headers["content-disposition"] == 'attachment; filename="far.csv"'
    etag, n = full.headers["etag"], len(full.content)
    for requested, first, last in (("bytes=0-99", 0, 99), ("bytes=1000-", 1000, n - 1), ("bytes=-10", n - 10, n - 1)):
        part = remote.get(f"{job}/results/result", headers={"Range": requested, "If-Range": etag})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{n}"
        assert part.headers["etag"] == etag
        assert part.content == full.content[first : last + 1]
    other = remote.get(f"{job}/results/result", headers={"Range": "bytes=0-99", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, full.content)
    assert remote.get(f"{job}/results/result", headers={"Range": f"bytes={n}-"}).status_code == 416
    assert remote.get(f"{job}/results/result", headers={"If-None-Match": etag}).status_code == 304
    head = remote.head(f"{job}/results/result")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(n), b"")


def test_upload_can_be_fetched(remote: httpx.Client, job: str) -> None:
    assert b"QUERY_STATUS" in remote.get(f"{job}/parameters/t").content


def test_deleted_job_leaves_no_files(remote: httpx.Client) -> None:
    import fsspec

    form = {"LANG": "ADQL", "QUERY": "SELECT a FROM TAP_UPLOAD.t", "UPLOAD": "t,param:t"}
    response = remote.post("/tap/async", data=form, files={"t": ("t.csv", b"a\n1\n")})
    id = response.headers["location"].rpartition("/")[2]
    system = fsspec.filesystem("memory")
    assert system.find(f"/vo-server-jobs/a/{id}") == [f"/vo-server-jobs/a/{id}/t.upload"]
    assert remote.delete(f"/tap/async/{id}").status_code == 303
    assert system.find(f"/vo-server-jobs/a/{id}") == []

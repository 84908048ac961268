"""Results of jobs that lie in a store that is no disk: clients see no difference."""

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
def away(sky: Path, listening: Listening, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server whose jobs lie in memory, and a worker beside it."""
    table = tmp_path_factory.mktemp("table") / "jobs.sqlite"
    settings = Settings(data=sky, jobs=f"sqlite:///{table}", job_results="memory://vo-server-jobs/a")
    with listening(settings) as url, open_worker(settings, "w") as worker, httpx.Client(base_url=url) as client:
        thread = threading.Thread(target=worker.run)
        thread.start()
        yield client
        worker.stop()
        thread.join()


@pytest.fixture(scope="module")
def job(away: httpx.Client) -> str:
    form = {"LANG": "ADQL", "QUERY": QUERY, "UPLOAD": "t,param:t", "FORMAT": "csv", "PHASE": "RUN", "RUNID": "far"}
    made = away.post("/tap/async", data=form, files={"t": ("t.csv", b"a\n1\n2\n")})
    assert made.status_code == 303, made.text
    id = made.headers["location"].rpartition("/")[2]
    while away.get(f"/tap/async/{id}/phase").text in ("QUEUED", "EXECUTING"):
        away.get(f"/tap/async/{id}", params={"WAIT": "5"})
    assert away.get(f"/tap/async/{id}/phase").text == "COMPLETED", away.get(f"/tap/async/{id}/error").text
    return f"/tap/async/{id}"


def test_a_result_is_whole_and_comes_in_parts(away: httpx.Client, job: str) -> None:
    whole = away.get(f"{job}/results/result")
    assert whole.status_code == 200
    assert len(whole.text.splitlines()) == 40_001
    assert whole.headers["content-length"] == str(len(whole.content))
    assert whole.headers["content-type"].startswith("text/csv")
    assert whole.headers["content-disposition"] == 'attachment; filename="far.csv"'
    etag, n = whole.headers["etag"], len(whole.content)
    for said, first, last in (("bytes=0-99", 0, 99), ("bytes=1000-", 1000, n - 1), ("bytes=-10", n - 10, n - 1)):
        part = away.get(f"{job}/results/result", headers={"Range": said, "If-Range": etag})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{n}"
        assert part.headers["etag"] == etag
        assert part.content == whole.content[first : last + 1]
    other = away.get(f"{job}/results/result", headers={"Range": "bytes=0-99", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)
    assert away.get(f"{job}/results/result", headers={"Range": f"bytes={n}-"}).status_code == 416
    assert away.get(f"{job}/results/result", headers={"If-None-Match": etag}).status_code == 304
    head = away.head(f"{job}/results/result")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(n), b"")


def test_an_upload_comes_back(away: httpx.Client, job: str) -> None:
    assert b"QUERY_STATUS" in away.get(f"{job}/parameters/t").content


def test_a_job_that_is_deleted_leaves_nothing(away: httpx.Client) -> None:
    import fsspec

    form = {"LANG": "ADQL", "QUERY": "SELECT a FROM TAP_UPLOAD.t", "UPLOAD": "t,param:t"}
    made = away.post("/tap/async", data=form, files={"t": ("t.csv", b"a\n1\n")})
    id = made.headers["location"].rpartition("/")[2]
    system = fsspec.filesystem("memory")
    assert system.find(f"/vo-server-jobs/a/{id}") == [f"/vo-server-jobs/a/{id}/t.upload"]
    assert away.delete(f"/tap/async/{id}").status_code == 303
    assert system.find(f"/vo-server-jobs/a/{id}") == []

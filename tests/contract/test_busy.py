"""Who finds no place, or no database, is told to come again: 503 with Retry-After, in the form of each protocol."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.clients import path
from vo_server.engines.duckdb import DuckDBEngine
from vo_server.errors import BusyError, Code
from vo_server.settings import Settings

SAID = "no place is left"
QUERY = "SELECT TOP 1 ra FROM psc"
STATUS = ".//{*}INFO[@name='QUERY_STATUS'][@value='ERROR']"


@pytest.fixture(scope="module")
def busy(sky: Path, listening: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server whose database has no place for any query, and whose table of jobs is locked."""
    jobs = tmp_path_factory.mktemp("busy")

    def full(*_: object, **__: object) -> None:
        raise BusyError(SAID, hint="ask again soon", retry_after_seconds=7)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vo_server.jobs.table.LOCK_TIMEOUT_SECONDS", 0.05)
        with listening(Settings(data=sky, job_results=str(jobs))) as url, httpx.Client(base_url=url) as client:
            patch.setattr(DuckDBEngine, "run", full)
            with sqlite3.connect(jobs / "jobs.sqlite") as other:
                other.execute("BEGIN IMMEDIATE")
                yield client
                other.rollback()
    other.close()


def refused(answer: httpx.Response, after: int = 7) -> httpx.Response:
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"] == str(after)
    return answer


@pytest.mark.parametrize(
    "url",
    [
        path(QUERY),
        path(QUERY, RESPONSEFORMAT="votable/td"),
        "/sia1/atlas?POS=129.04,19.68&SIZE=0.1",
        "/sia2/query?POS=CIRCLE+129.04+19.68+0.1",
    ],
)
def test_as_a_votable(busy: httpx.Client, url: str) -> None:
    (info,) = etree.fromstring(refused(busy.get(url)).content).iterfind(STATUS)
    assert info.text == f"TransientFault: {SAID} (ask again soon)"


def test_as_a_cone_search_has_it(busy: httpx.Client) -> None:
    document = etree.fromstring(refused(busy.get("/cone/psc?RA=266&DEC=-29&SR=1")).content)
    assert [i.get("value") for i in document.iterfind("{*}INFO[@name='Error']")] == [f"{SAID} (ask again soon)"]


def test_as_a_row_of_links(busy: httpx.Client) -> None:
    """DataLink tells what is wrong with an identifier in its row (DataLink 1.1 section 3.4)."""
    answer = busy.get("/datalink/links", params={"ID": "ivo://unregistered.invalid/~?atlas/x"})
    assert answer.status_code == 200
    assert f"<TD>TransientFault: {SAID} (ask again soon)</TD>" in answer.text


@pytest.mark.parametrize("format", ["csv", "fits", "parquet"])
def test_as_text(busy: httpx.Client, format: str) -> None:
    assert refused(busy.get(path(QUERY, RESPONSEFORMAT=format))).text.startswith(f"TransientFault: {SAID}")


@pytest.mark.parametrize("phase", ["RUN", None])
def test_jobs_that_cannot_be_kept(busy: httpx.Client, phase: str | None) -> None:
    """A job that was not taken in leaves nothing, its upload neither."""
    form = {"QUERY": QUERY, "UPLOAD": "t,param:t"} | ({"PHASE": phase} if phase else {})
    answer = busy.post("/tap/async", data=form, files={"t": ("t.csv", b"a\n1\n")})
    response = refused(answer, BusyError("").retry_after_seconds)
    assert response.headers["vo-error-code"] == Code.SERVICE_UNAVAILABLE

"""A busy service and an unavailable job store give 503 with Retry-After, in the form of each protocol."""

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

MESSAGE = "no slot is free"
QUERY = "SELECT TOP 1 ra FROM psc"
STATUS = ".//{*}INFO[@name='QUERY_STATUS'][@value='ERROR']"


@pytest.fixture(scope="module")
def busy(sky: Path, listening: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Start a server whose database rejects every query as busy, and whose table of jobs is locked."""
    jobs = tmp_path_factory.mktemp("busy")

    def raise_busy(*_: object, **__: object) -> None:
        raise BusyError(MESSAGE, hint="repeat the request soon", retry_after_seconds=7)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vo_server.jobs.table.LOCK_TIMEOUT_SECONDS", 0.05)
        with listening(Settings(data=sky, job_results=str(jobs))) as url, httpx.Client(base_url=url) as client:
            patch.setattr(DuckDBEngine, "run", raise_busy)
            with sqlite3.connect(jobs / "jobs.sqlite") as other:
                other.execute("BEGIN IMMEDIATE")
                yield client
                other.rollback()
    other.close()


def check_busy(response: httpx.Response, retry_seconds: int = 7) -> httpx.Response:
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"] == str(retry_seconds)
    return response


@pytest.mark.parametrize(
    "url",
    [
        path(QUERY),
        path(QUERY, RESPONSEFORMAT="votable/td"),
        "/sia1/atlas?POS=129.04,19.68&SIZE=0.1",
        "/sia2/query?POS=CIRCLE+129.04+19.68+0.1",
    ],
)
def test_busy_error_as_votable(busy: httpx.Client, url: str) -> None:
    (info,) = etree.fromstring(check_busy(busy.get(url)).content).iterfind(STATUS)
    assert info.text == f"TransientFault: {MESSAGE} (repeat the request soon)"


def test_busy_error_of_cone_search(busy: httpx.Client) -> None:
    document = etree.fromstring(check_busy(busy.get("/cone/psc?RA=266&DEC=-29&SR=1")).content)
    assert [i.get("value") for i in document.iterfind("{*}INFO[@name='Error']")] == [
        f"{MESSAGE} (repeat the request soon)"
    ]


def test_busy_error_in_links(busy: httpx.Client) -> None:
    """DataLink reports the error of an identifier in its row (DataLink 1.1 section 3.4)."""
    response = busy.get("/datalink/links", params={"ID": "ivo://unregistered.invalid/~?atlas/x"})
    assert response.status_code == 200
    assert f"<TD>TransientFault: {MESSAGE} (repeat the request soon)</TD>" in response.text


@pytest.mark.parametrize("format", ["csv", "fits", "parquet"])
def test_busy_error_as_text(busy: httpx.Client, format: str) -> None:
    assert check_busy(busy.get(path(QUERY, RESPONSEFORMAT=format))).text.startswith(f"TransientFault: {MESSAGE}")


@pytest.mark.parametrize("phase", ["RUN", None])
def test_rejected_job_leaves_nothing(busy: httpx.Client, phase: str | None) -> None:
    """A job that was not accepted leaves no files, not even its upload."""
    form = {"QUERY": QUERY, "UPLOAD": "t,param:t"} | ({"PHASE": phase} if phase else {})
    response = busy.post("/tap/async", data=form, files={"t": ("t.csv", b"a\n1\n")})
    checked = check_busy(response, BusyError("").retry_after_seconds)
    assert checked.headers["vo-error-code"] == Code.SERVICE_UNAVAILABLE

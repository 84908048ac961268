"""The limits that the capabilities tell are those that hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.clients import ENDLESS, path
from vo_server.settings import Settings


@pytest.fixture(scope="module")
def strict(sky: Path, listening: Any) -> Iterator[httpx.Client]:
    """A service with small limits."""
    chosen = Settings(data=sky, maxrec=5, maxrec_hard=7, timeout=1, upload_limit=1000)
    with listening(chosen) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def told(strict: httpx.Client, documents: etree.XMLSchema) -> etree._Element:
    """What its TAP capability says."""
    whole = etree.fromstring(strict.get("/tap/capabilities").content)
    documents.assertValid(whole)
    (tap,) = whole.findall("capability[@standardID='ivo://ivoa.net/std/TAP']")
    return tap


def limit(told: etree._Element, name: str, which: str) -> int:
    return int(told.findtext(f"{name}/{which}"))


def rows(client: httpx.Client, **more: str) -> int:
    given = {"LANG": "ADQL", "QUERY": "SELECT ra FROM psc", "RESPONSEFORMAT": "json"} | more
    return len(client.get("/tap/sync", params=given).json()["data"])


def test_rows(strict: httpx.Client, told: etree._Element) -> None:
    assert rows(strict) == limit(told, "outputLimit", "default")
    assert rows(strict, MAXREC="1000") == limit(told, "outputLimit", "hard")
    words = told.findtext("description")
    assert "5 rows" in words
    assert "7 at the most" in words
    cone = etree.fromstring(strict.get("/cone/psc/capabilities").content)
    most = int(cone.findtext(".//maxRecords"))
    wide = {"RA": "266", "DEC": "-29", "SR": "20", "MAXREC": "1000", "RESPONSEFORMAT": "json"}
    assert len(strict.get("/cone/psc", params=wide).json()["data"]) == most


def test_uploads(strict: httpx.Client, told: etree._Element) -> None:
    most = limit(told, "uploadLimit", "hard")
    for size, status in ((most, 200), (most + 1, 413)):
        table = b"a,b\n".ljust(size - 4, b"1") + b",23\n"
        assert len(table) == size
        given = {"LANG": "ADQL", "QUERY": "SELECT b FROM TAP_UPLOAD.t", "UPLOAD": "t,param:f"}
        answer = strict.post("/tap/sync", data=given, files={"f": table})
        assert answer.status_code == status, answer.text
    assert f"{most + 1:,} bytes" in answer.text
    assert f"the limit of this service is {most:,}" in answer.text


def test_time(strict: httpx.Client, told: etree._Element) -> None:
    """The error names the limit, which is told in words, and a job, whose limits the capability has."""
    answer = strict.get(path(ENDLESS, RESPONSEFORMAT="csv"))
    assert answer.status_code == 400
    assert "longer than 1 s, the limit of this service" in answer.text
    assert f"{str(strict.base_url).rstrip('/')}/tap/async" in answer.text
    assert "busy for 1 s" in told.findtext("description")


def test_jobs(strict: httpx.Client, told: etree._Element) -> None:
    """What a job gets that asks for nothing, and one that asks for all there is."""
    plain = strict.post("/tap/async").headers["location"]
    assert int(strict.get(f"{plain}/executionduration").text) == limit(told, "executionDuration", "default")
    form = {"EXECUTIONDURATION": "0", "DESTRUCTION": "9999-01-01"}
    longest = strict.post("/tap/async", data=form).headers["location"]
    assert int(strict.get(f"{longest}/executionduration").text) == limit(told, "executionDuration", "hard")
    for job, which in ((plain, "default"), (longest, "hard")):
        until = datetime.fromisoformat(strict.get(f"{job}/destruction").text)
        assert abs((until - datetime.now(UTC)).total_seconds() - limit(told, "retentionPeriod", which)) < 60
    for name in ("executionDuration", "retentionPeriod"):
        for which in ("default", "hard"):
            assert f"{limit(told, name, which):,} s" in told.findtext("description")

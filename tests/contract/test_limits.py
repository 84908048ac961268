"""The declared limits of the capabilities are those that apply."""

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
def small_server(sky: Path, listening: Any) -> Iterator[httpx.Client]:
    """Start a server with small limits."""
    settings = Settings(data=sky, maxrec=5, maxrec_hard=7, timeout=1, upload_limit=1000)
    with listening(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def capability(small_server: httpx.Client, documents: etree.XMLSchema) -> etree._Element:
    """Return the TAP capability of the server."""
    document = etree.fromstring(small_server.get("/tap/capabilities").content)
    documents.assertValid(document)
    (tap,) = document.findall("capability[@standardID='ivo://ivoa.net/std/TAP']")
    return tap


def read_limit(capability: etree._Element, name: str, which: str) -> int:
    return int(capability.findtext(f"{name}/{which}"))


def count_rows(client: httpx.Client, **other_parameters: str) -> int:
    parameters = {"LANG": "ADQL", "QUERY": "SELECT ra FROM psc", "RESPONSEFORMAT": "json"} | other_parameters
    return len(client.get("/tap/sync", params=parameters).json()["data"])


def test_row_limits(small_server: httpx.Client, capability: etree._Element) -> None:
    assert count_rows(small_server) == read_limit(capability, "outputLimit", "default")
    assert count_rows(small_server, MAXREC="1000") == read_limit(capability, "outputLimit", "hard")
    description = capability.findtext("description")
    assert "5 rows by default" in description
    assert "7 at most" in description
    cone = etree.fromstring(small_server.get("/cone/psc/capabilities").content)
    max_records = int(cone.findtext(".//maxRecords"))
    parameters = {"RA": "266", "DEC": "-29", "SR": "20", "MAXREC": "1000", "RESPONSEFORMAT": "json"}
    assert len(small_server.get("/cone/psc", params=parameters).json()["data"]) == max_records


def test_upload_limit(small_server: httpx.Client, capability: etree._Element) -> None:
    limit = read_limit(capability, "uploadLimit", "hard")
    for size, status in ((limit, 200), (limit + 1, 413)):
        table = b"a,b\n".ljust(size - 4, b"1") + b",23\n"
        assert len(table) == size
        form = {"LANG": "ADQL", "QUERY": "SELECT b FROM TAP_UPLOAD.t", "UPLOAD": "t,param:f"}
        response = small_server.post("/tap/sync", data=form, files={"f": table})
        assert response.status_code == status, response.text
    assert f"{limit + 1:,} bytes" in response.text
    assert f"the limit of this service is {limit:,}" in response.text


def test_time_limit(small_server: httpx.Client, capability: etree._Element) -> None:
    """The error names the limit, which the description states, and the URL of jobs."""
    response = small_server.get(path(ENDLESS, RESPONSEFORMAT="csv"))
    assert response.status_code == 400
    assert "longer than 1 s, the limit of this service" in response.text
    assert f"{str(small_server.base_url).rstrip('/')}/tap/async" in response.text
    assert "busy for 1 s" in capability.findtext("description")


def test_job_limits(small_server: httpx.Client, capability: etree._Element) -> None:
    """A job without a duration gets the default, one with 0 the maximum."""
    default = small_server.post("/tap/async").headers["location"]
    assert int(small_server.get(f"{default}/executionduration").text) == read_limit(
        capability, "executionDuration", "default"
    )
    form = {"EXECUTIONDURATION": "0", "DESTRUCTION": "9999-01-01"}
    longest = small_server.post("/tap/async", data=form).headers["location"]
    assert int(small_server.get(f"{longest}/executionduration").text) == read_limit(
        capability, "executionDuration", "hard"
    )
    for job, which in ((default, "default"), (longest, "hard")):
        destruction = datetime.fromisoformat(small_server.get(f"{job}/destruction").text)
        assert (
            abs((destruction - datetime.now(UTC)).total_seconds() - read_limit(capability, "retentionPeriod", which))
            < 60
        )
    for name in ("executionDuration", "retentionPeriod"):
        for which in ("default", "hard"):
            assert f"{read_limit(capability, name, which):,} s" in capability.findtext("description")

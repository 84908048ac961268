"""The limits that the capabilities tell are those that hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.contract.test_streaming import ENDLESS, path
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
    assert f"{most:,} are the limit" in answer.text


def test_time(strict: httpx.Client, told: etree._Element) -> None:
    """The error names the limit, where it is told, and what helps."""
    answer = strict.get(path(ENDLESS, RESPONSEFORMAT="csv"))
    seconds = limit(told, "executionDuration", "hard")
    assert answer.status_code == 400
    assert f"longer than {seconds} s, the limit of this service" in answer.text
    base = f"{str(strict.base_url).rstrip('/')}/tap"
    assert f"{base}/async" in answer.text or f"executionDuration of {base}/capabilities" in answer.text
    assert f"busy for {seconds} s" in told.findtext("description")

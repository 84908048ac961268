"""VOSI: conditional requests, tables, and availability."""

from __future__ import annotations

import json
import shutil
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from vo_server.engines.data_directory import DataDirectory
from vo_server.http.health import Health
from vo_server.http.probe import CachedProbe
from vo_server.settings import Settings

NAMESPACE = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"
CACHEABLE = (
    *(f"/{service}/capabilities" for service in ("tap", "cone/psc", "sia1/atlas", "sia2", "datalink", "oai")),
    *("/tap/tables", "/tap/tables?detail=min", "/tap/tables/twomass.psc", "/sia2/tables", "/coverage/atlas.txt"),
)


def fetch_availability(
    client: httpx.Client, documents: etree.XMLSchema | None = None
) -> tuple[bool, list[str], etree._Element]:
    """Return whether the service is available, its notes, and the document."""
    response = client.get("/tap/availability")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    tree = etree.fromstring(response.content)
    if documents is not None:
        documents.assertValid(tree)
    return tree.findtext(f"{NAMESPACE}available") == "true", [n.text for n in tree.iterfind(f"{NAMESPACE}note")], tree


# ------------------------------------------------------ conditional requests


@pytest.mark.parametrize("path", CACHEABLE)
def test_unchanged_document_is_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    tag, changed = first.headers["etag"], first.headers["last-modified"]
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    assert parsedate_to_datetime(changed) <= datetime.now(UTC)
    for headers in (
        {"If-None-Match": tag},
        {"If-None-Match": f'"other", {tag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": changed},
        {"If-None-Match": tag, "Accept-Encoding": "identity"},
        {"If-None-Match": tag, "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ):
        second = client.get(path, headers=headers)
        assert (second.status_code, second.content, second.headers["etag"]) == (304, b"", tag), headers
    before = format_datetime(parsedate_to_datetime(changed) - timedelta(seconds=1), usegmt=True)
    for headers in (
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": before},
        {"If-Modified-Since": "yesterday"},
        {"If-None-Match": '"other"', "If-Modified-Since": changed},
    ):
        second = client.get(path, headers=headers)
        assert (second.status_code, second.content) == (200, first.content), headers


@pytest.mark.parametrize("path", [*CACHEABLE, "/tap/availability"])
def test_head_equals_get(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    names = ("content-type", "content-length", "etag", "last-modified", "cache-control", "vary")
    assert {n: head.headers.get(n) for n in names} == {n: get.headers.get(n) for n in names}


def test_load_changes_documents(sky: Path, tmp_path: Path, listening: Any) -> None:
    data = tmp_path / "data"
    shutil.copytree(sky / "catalogues" / "psc", data / "catalogues" / "psc")
    with listening(Settings(data=data)) as url, httpx.Client(base_url=url) as client:
        first = {path: client.get(path) for path in ("/tap/tables", "/sia1/atlas/capabilities", "/tap/capabilities")}
        shutil.copytree(sky / "catalogues" / "atlas", data / "catalogues" / "atlas")
        DataDirectory(data).change_marker.touch()
        for path, response in first.items():
            second = client.get(path, headers={"If-None-Match": response.headers["etag"]})
            assert second.status_code == (304 if path == "/tap/capabilities" else 200)
            assert (second.headers["etag"] == response.headers["etag"]) is (path == "/tap/capabilities")
        assert b"testQuery" not in first["/sia1/atlas/capabilities"].content
        assert b"testQuery" in client.get("/sia1/atlas/capabilities").content


# -------------------------------------------------------------------- tables


@pytest.mark.parametrize("service", ["tap", "cone/psc", "sia1/stamps", "sia2"])
def test_detail_of_tables(client: httpx.Client, documents: etree.XMLSchema, service: str) -> None:
    """The columns that detail=min leaves out are in the documents of single tables (VOSI 1.1 section 6)."""
    brief, full = (client.get(f"/{service}/tables", params={"detail": word}) for word in ("min", "max"))
    assert full.content == client.get(f"/{service}/tables").content
    for response in (brief, full):
        documents.assertValid(etree.fromstring(response.content))
    names = [t.findtext("name") for t in etree.fromstring(full.content).iter("table")]
    assert [t.findtext("name") for t in etree.fromstring(brief.content).iter("table")] == names
    assert len(brief.content) < len(full.content)
    for name in names:
        document = etree.fromstring(client.get(f"/{service}/tables/{name}").content)
        documents.assertValid(document)
        expected = next(t for t in etree.fromstring(full.content).iter("table") if t.findtext("name") == name)
        assert [c.findtext("name") for c in document.iter("column")] == [
            c.findtext("name") for c in expected.iter("column")
        ]
    assert client.get(f"/{service}/tables", params={"detail": "more"}).status_code == 400
    assert client.get(f"/{service}/tables/no.such").status_code == 404


# -------------------------------------------------------------- availability


def test_notes_on_loaded_tables(client: httpx.Client, documents: etree.XMLSchema) -> None:
    up, notes, tree = fetch_availability(client, documents)
    assert up
    (note,) = (n for n in notes if n.startswith("twomass.psc "))
    assert note.startswith("twomass.psc has 20,000 rows, loaded 2")
    loaded = datetime.fromisoformat(note.rpartition(" ")[2])
    assert loaded <= datetime.fromisoformat(tree.findtext(f"{NAMESPACE}upSince")) <= datetime.now(UTC)


def test_every_service_has_availability(client: httpx.Client) -> None:
    for service in ("cone/xsc", "sia1/atlas", "sia2", "datalink", "soda", "oai"):
        assert client.get(f"/{service}/availability").text.count(">true<") == 1


def wait_for_text(client: httpx.Client, text: str) -> tuple[bool, list[str], etree._Element]:
    """Return the availability once its document contains a text; a response is cached for a second."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        availability = fetch_availability(client)
        if text in etree.tostring(availability[2], encoding="unicode"):
            return availability
        time.sleep(0.05)
    raise AssertionError(etree.tostring(fetch_availability(client)[2], encoding="unicode"))


@pytest.fixture
def without_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let probes run again at once instead of after a second."""
    monkeypatch.setattr(CachedProbe.__init__, "__defaults__", (0.01,))


def test_planned_downtime(tmp_path: Path, listening: Any, documents: etree.XMLSchema, without_cache: None) -> None:
    """The file is read, and its removal noticed, while the server runs."""
    file, now = tmp_path / "downtime.toml", datetime.now(UTC).replace(microsecond=0)

    def write_downtime(**values: object) -> None:
        lines = (f"{k} = {json.dumps(v) if isinstance(v, str) else v.isoformat()}\n" for k, v in values.items())  # type: ignore[attr-defined]
        temporary = tmp_path / "fresh"
        temporary.write_text("".join(lines))
        temporary.replace(file)

    def read_instants(tree: etree._Element) -> list[datetime | None]:
        texts = (tree.findtext(f"{NAMESPACE}{name}") for name in ("downAt", "backAt"))
        return [datetime.fromisoformat(text) if text else None for text in texts]

    hour = timedelta(hours=1)
    with listening(Settings(data=tmp_path)) as url, httpx.Client(base_url=url) as client:
        assert read_instants(fetch_availability(client)[2]) == [None, None]
        write_downtime(down_at=now + hour, back_at=now + 3 * hour, note="New disks")
        up, _, tree = wait_for_text(client, "New disks")
        documents.assertValid(tree)
        assert (up, read_instants(tree)) == (True, [now + hour, now + 3 * hour])
        write_downtime(down_at=now - hour, back_at=now + hour, note="Disks being moved")
        up, notes, tree = wait_for_text(client, "Disks being moved")
        documents.assertValid(tree)
        assert (up, notes[0], read_instants(tree)) == (False, "Disks being moved", [now - hour, now + hour])
        write_downtime(down_at=now - hour, note="End unknown")
        up, _, tree = wait_for_text(client, "End unknown")
        assert (up, read_instants(tree)) == (False, [now - hour, None])
        write_downtime(down_at="soon")
        up, notes, tree = wait_for_text(client, "downtime.toml")
        documents.assertValid(tree)
        assert (up, read_instants(tree)) == (True, [None, None])
        assert any("downtime.toml: 'down_at'" in note for note in notes)
        write_downtime(down_at=now - 3 * hour, back_at=now - hour, note="All is done")
        file.unlink()
        wait_for_text(client, ">true<")


def test_note_on_last_check(tmp_path: Path, listening: Any, without_cache: None) -> None:
    record = {"checked": "2026-11-22T18:00:00Z", "errors": 1, "warnings": 0, "summary": "1 error in 80 checks"}
    (tmp_path / "check.json").write_text(json.dumps(record))
    with listening(Settings(data=tmp_path)) as url, httpx.Client(base_url=url) as client:
        assert fetch_availability(client)[1][-1] == "vo-server check of 2026-11-22T18:00:00Z: 1 error in 80 checks"
        (tmp_path / "check.json").write_text("{")
        wait_for_text(client, "psc has not been loaded")


def test_unreachable_database(tmp_path: Path, listening: Any, documents: etree.XMLSchema) -> None:
    with (
        listening(Settings(data=tmp_path, engine="postgresql://nobody@127.0.0.1:1/nothing")) as url,
        httpx.Client(base_url=url) as client,
    ):
        up, notes, _ = fetch_availability(client, documents)
        assert (up, notes[0][:30]) == (False, "the database does not answer: ")


def test_hanging_database(
    tmp_path: Path, listening: Any, documents: etree.XMLSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server starts with a database that accepts connections and never responds, and reports it within seconds."""
    monkeypatch.setitem(Health.__init__.__kwdefaults__, "timeout", 1.0)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        engine = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing?connect_timeout=2"
        with (
            listening(Settings(data=tmp_path, engine=engine)) as url,
            httpx.Client(base_url=url, timeout=20) as client,
        ):
            for _ in range(2):
                started_at = time.monotonic()
                up, notes, _ = fetch_availability(client, documents)
                assert (up, notes[0][:27]) == (False, "the database does not answer"[:27])
                assert time.monotonic() - started_at < 3
            silent.close()

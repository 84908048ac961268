"""VOSI as clients ask it again and again: what has not changed is not sent again, and availability tells the truth."""

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

SPACE = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"
KEPT = (
    *(f"/{service}/capabilities" for service in ("tap", "cone/psc", "sia1/atlas", "sia2", "datalink", "oai")),
    *("/tap/tables", "/tap/tables?detail=min", "/tap/tables/twomass.psc", "/sia2/tables", "/coverage/atlas.txt"),
)


def told(client: httpx.Client, documents: etree.XMLSchema | None = None) -> tuple[bool, list[str], etree._Element]:
    """Whether the service says that it is available, its notes, and all of the document."""
    answer = client.get("/tap/availability")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    tree = etree.fromstring(answer.content)
    if documents is not None:
        documents.assertValid(tree)
    return tree.findtext(f"{SPACE}available") == "true", [n.text for n in tree.iterfind(f"{SPACE}note")], tree


# ---------------------------------------------------------- what is kept


@pytest.mark.parametrize("path", KEPT)
def test_what_a_client_has_is_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    tag, changed = first.headers["etag"], first.headers["last-modified"]
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    assert parsedate_to_datetime(changed) <= datetime.now(UTC)
    for given in (
        {"If-None-Match": tag},
        {"If-None-Match": f'"other", {tag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": changed},
        {"If-None-Match": tag, "Accept-Encoding": "identity"},
        {"If-None-Match": tag, "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ):
        again = client.get(path, headers=given)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), given
    before = format_datetime(parsedate_to_datetime(changed) - timedelta(seconds=1), usegmt=True)
    for given in (
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": before},
        {"If-Modified-Since": "yesterday"},
        {"If-None-Match": '"other"', "If-Modified-Since": changed},
    ):
        again = client.get(path, headers=given)
        assert (again.status_code, again.content) == (200, first.content), given


@pytest.mark.parametrize("path", [*KEPT, "/tap/availability"])
def test_head_is_the_head_of_get(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    names = ("content-type", "content-length", "etag", "last-modified", "cache-control", "vary")
    assert {n: head.headers.get(n) for n in names} == {n: get.headers.get(n) for n in names}


def test_a_load_makes_another_document(sky: Path, tmp_path: Path, listening: Any) -> None:
    data = tmp_path / "data"
    shutil.copytree(sky / "catalogues" / "psc", data / "catalogues" / "psc")
    with listening(Settings(data=data)) as url, httpx.Client(base_url=url) as client:
        first = {path: client.get(path) for path in ("/tap/tables", "/sia1/atlas/capabilities", "/tap/capabilities")}
        shutil.copytree(sky / "catalogues" / "atlas", data / "catalogues" / "atlas")
        DataDirectory(data).change_marker.touch()
        for path, answer in first.items():
            again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert again.status_code == (304 if path == "/tap/capabilities" else 200)
            assert (again.headers["etag"] == answer.headers["etag"]) is (path == "/tap/capabilities")
        assert b"testQuery" not in first["/sia1/atlas/capabilities"].content
        assert b"testQuery" in client.get("/sia1/atlas/capabilities").content


# --------------------------------------------------------- the detail of tables


@pytest.mark.parametrize("service", ["tap", "cone/psc", "sia1/stamps", "sia2"])
def test_the_detail_of_tables(client: httpx.Client, documents: etree.XMLSchema, service: str) -> None:
    """VOSI 1.1 section 6: what min leaves out a client finds by table."""
    least, most = (client.get(f"/{service}/tables", params={"detail": word}) for word in ("min", "max"))
    assert most.content == client.get(f"/{service}/tables").content
    for answer in (least, most):
        documents.assertValid(etree.fromstring(answer.content))
    names = [t.findtext("name") for t in etree.fromstring(most.content).iter("table")]
    assert [t.findtext("name") for t in etree.fromstring(least.content).iter("table")] == names
    assert len(least.content) < len(most.content)
    for name in names:
        one = etree.fromstring(client.get(f"/{service}/tables/{name}").content)
        documents.assertValid(one)
        whole = next(t for t in etree.fromstring(most.content).iter("table") if t.findtext("name") == name)
        assert [c.findtext("name") for c in one.iter("column")] == [c.findtext("name") for c in whole.iter("column")]
    assert client.get(f"/{service}/tables", params={"detail": "more"}).status_code == 400
    assert client.get(f"/{service}/tables/no.such").status_code == 404


# -------------------------------------------------------------- availability


def test_what_is_loaded_and_since_when(client: httpx.Client, documents: etree.XMLSchema) -> None:
    up, notes, tree = told(client, documents)
    assert up
    (note,) = (n for n in notes if n.startswith("twomass.psc "))
    assert note.startswith("twomass.psc has 20,000 rows, loaded 2")
    loaded = datetime.fromisoformat(note.rpartition(" ")[2])
    assert loaded <= datetime.fromisoformat(tree.findtext(f"{SPACE}upSince")) <= datetime.now(UTC)


def test_it_is_the_same_for_every_service(client: httpx.Client) -> None:
    for service in ("cone/xsc", "sia1/atlas", "sia2", "datalink", "soda", "oai"):
        assert client.get(f"/{service}/availability").text.count(">true<") == 1


def eventually(client: httpx.Client, text: str) -> tuple[bool, list[str], etree._Element]:
    """What is told once it has this in it: an answer is good for a second."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        found = told(client)
        if text in etree.tostring(found[2], encoding="unicode"):
            return found
        time.sleep(0.05)
    raise AssertionError(etree.tostring(told(client)[2], encoding="unicode"))


@pytest.fixture
def without_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes run again at once, not a second later."""
    monkeypatch.setattr(CachedProbe.__init__, "__defaults__", (0.01,))


def test_planned_downtime(tmp_path: Path, listening: Any, documents: etree.XMLSchema, without_cache: None) -> None:
    """It is taken up, and forgotten, while the server runs."""
    file, now = tmp_path / "downtime.toml", datetime.now(UTC).replace(microsecond=0)

    def say(**values: object) -> None:
        lines = (f"{k} = {json.dumps(v) if isinstance(v, str) else v.isoformat()}\n" for k, v in values.items())  # type: ignore[attr-defined]
        fresh = tmp_path / "fresh"
        fresh.write_text("".join(lines))
        fresh.replace(file)

    def instants(tree: etree._Element) -> list[datetime | None]:
        found = (tree.findtext(f"{SPACE}{name}") for name in ("downAt", "backAt"))
        return [datetime.fromisoformat(text) if text else None for text in found]

    hour = timedelta(hours=1)
    with listening(Settings(data=tmp_path)) as url, httpx.Client(base_url=url) as client:
        assert instants(told(client)[2]) == [None, None]
        say(down_at=now + hour, back_at=now + 3 * hour, note="New disks")
        up, _, tree = eventually(client, "New disks")
        documents.assertValid(tree)
        assert (up, instants(tree)) == (True, [now + hour, now + 3 * hour])
        say(down_at=now - hour, back_at=now + hour, note="Disks being moved")
        up, notes, tree = eventually(client, "Disks being moved")
        documents.assertValid(tree)
        assert (up, notes[0], instants(tree)) == (False, "Disks being moved", [now - hour, now + hour])
        say(down_at=now - hour, note="Nobody knows")
        up, _, tree = eventually(client, "Nobody knows")
        assert (up, instants(tree)) == (False, [now - hour, None])
        say(down_at="soon")
        up, notes, tree = eventually(client, "downtime.toml")
        documents.assertValid(tree)
        assert (up, instants(tree)) == (True, [None, None])
        assert any("downtime.toml: 'down_at'" in note for note in notes)
        say(down_at=now - 3 * hour, back_at=now - hour, note="All is done")
        file.unlink()
        eventually(client, ">true<")


def test_what_a_check_found(tmp_path: Path, listening: Any, without_cache: None) -> None:
    kept = {"checked": "2026-11-22T18:00:00Z", "errors": 1, "warnings": 0, "summary": "1 error in 80 checks"}
    (tmp_path / "check.json").write_text(json.dumps(kept))
    with listening(Settings(data=tmp_path)) as url, httpx.Client(base_url=url) as client:
        assert told(client)[1][-1] == "vo-server check of 2026-11-22T18:00:00Z: 1 error in 80 checks"
        (tmp_path / "check.json").write_text("{")
        eventually(client, "psc has not been loaded")


def test_a_database_that_refuses(tmp_path: Path, listening: Any, documents: etree.XMLSchema) -> None:
    with (
        listening(Settings(data=tmp_path, engine="postgresql://nobody@127.0.0.1:1/nothing")) as url,
        httpx.Client(base_url=url) as client,
    ):
        up, notes, _ = told(client, documents)
        assert (up, notes[0][:30]) == (False, "the database does not answer: ")


def test_a_database_that_hangs(
    tmp_path: Path, listening: Any, documents: etree.XMLSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes connections and says nothing: the server starts nevertheless, and says so within seconds."""
    monkeypatch.setitem(Health.__init__.__kwdefaults__, "timeout", 1.0)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        engine = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing?connect_timeout=2"
        with (
            listening(Settings(data=tmp_path, engine=engine)) as url,
            httpx.Client(base_url=url, timeout=20) as client,
        ):
            for _ in range(2):
                asked = time.monotonic()
                up, notes, _ = told(client, documents)
                assert (up, notes[0][:27]) == (False, "the database does not answer"[:27])
                assert time.monotonic() - asked < 3
            silent.close()

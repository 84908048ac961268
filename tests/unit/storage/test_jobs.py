"""Files of jobs on a disk and wherever fsspec reaches: whole and there to stay, or not there."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from vo_server.errors import BusyError, Code, UsageError
from vo_server.jobs.files import JobFiles, StoredUpload
from vo_server.storage.jobs import JobStorage, open_storage


@pytest.fixture(params=["disk", "memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder, a store that knows no folders, and one that does."""
    urls = {"disk": "{0}/jobs", "memory": "memory://{1}/jobs", "file": "file://{0}/jobs"}
    return urls[request.param].format(tmp_path, secrets.token_hex(4))


@pytest.fixture
def there(place: str) -> Iterator[JobStorage]:
    yield open_storage(place)
    system, path = fsspec.core.url_to_fs(place)
    if system.exists(path):
        system.rm(path, recursive=True)


def content(there: JobStorage, id: str, name: str) -> bytes:
    with there.open(id, name) as source:
        return bytes(source.read())


def put(there: JobStorage, id: str, name: str, said: bytes) -> None:
    with there.create(id, name) as out:
        out.write(said)


def test_a_file_is_there_as_it_was_written(there: JobStorage) -> None:
    put(there, "job", "a.result", b"one two")
    put(there, "job", "b.upload", b"")
    put(there, "other", "a.result", b"three")
    assert content(there, "job", "a.result") == b"one two"
    assert there.list_sizes("job") == {"a.result": 7, "b.upload": 0}
    assert there.list_sizes("nobody") == {}
    with pytest.raises(FileNotFoundError), there.open("job", "c.result"):
        pass


def test_of_a_file_whose_writing_fails_nothing_is_left(there: JobStorage) -> None:
    put(there, "job", "a.result", b"whole")
    with pytest.raises(ZeroDivisionError), there.create("job", "b.result") as out:
        out.write(b"half")
        raise ZeroDivisionError
    assert there.list_sizes("job") == {"a.result": 5}


def test_what_is_removed(there: JobStorage) -> None:
    for name in ("a", "b"):
        put(there, "job", name, b"x")
    there.remove("job", "a")
    there.remove("job", "never")
    there.remove_if_empty("job")
    assert there.list_sizes("job") == {"b": 1}
    there.remove_all("job")
    there.remove_all("never")
    there.remove_if_empty("never")
    assert there.list_sizes("job") == {}
    assert there.find_idle(-1) == []


def test_folders_in_which_nothing_has_changed(there: JobStorage) -> None:
    assert there.find_idle(-1) == []
    put(there, "job", "a", b"x")
    assert there.find_idle(60) == []
    assert there.find_idle(-1) == ["job"]


class Losing(MemoryFileSystem):
    """A store that loses the end of what it is given, as it does when it was broken off and nobody said so."""

    protocol = "losing"
    store: dict[str, Any] = {}  # noqa: RUF012 - as in what it is made of
    pseudo_dirs: list[str] = [""]  # noqa: RUF012

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        found = super().info(path, **more)
        return found | {"size": found["size"] - 1} if found["type"] == "file" else found


class Strange(MemoryFileSystem):
    """A store with faults of its own."""

    protocol = "strange"

    def _open(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("throttled")


@pytest.fixture
def stores() -> None:
    for kind in (Losing, Strange):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)


@pytest.mark.usefixtures("stores")
def test_what_has_not_arrived_as_a_whole_is_not_there() -> None:
    away = open_storage("losing://jobs")
    with pytest.raises(OSError, match="not all of the file has arrived"):
        put(away, "job", "a.result", b"whole")
    assert Losing.store == {}


@pytest.mark.usefixtures("stores")
def test_faults_of_other_libraries_are_those_of_a_disk() -> None:
    away = open_storage("strange://jobs")
    with pytest.raises(OSError, match="RuntimeError: throttled") as caught:
        put(away, "job", "a.result", b"x")
    assert caught.value.errno == errno.EIO


@pytest.mark.parametrize("url", ["nonsense://x", "dropbox://x"])
def test_a_url_that_cannot_be_reached(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_storage(url)
    assert raised.value.code == Code.SETTINGS_INVALID


def test_a_disk_without_room_refuses_uploads_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    files = JobFiles(open_storage(str(tmp_path)))
    with pytest.raises(BusyError) as caught:
        files.save_uploads("job", [StoredUpload("t", (), pa.table({}))])
    assert (caught.value.code, caught.value.retry_after_seconds) == (Code.SERVICE_BUSY, 60)
    assert list(tmp_path.glob("*/*")) == []

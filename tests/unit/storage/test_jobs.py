"""Storage of the files of jobs, on a disk and at URLs of fsspec: files are complete and durable, or absent."""

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
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the location of a local folder, of a store without folders, and of one with folders."""
    urls = {"disk": "{0}/jobs", "memory": "memory://{1}/jobs", "file": "file://{0}/jobs"}
    return urls[request.param].format(tmp_path, secrets.token_hex(4))


@pytest.fixture
def storage(location: str) -> Iterator[JobStorage]:
    yield open_storage(location)
    system, path = fsspec.core.url_to_fs(location)
    if system.exists(path):
        system.rm(path, recursive=True)


def read_content(storage: JobStorage, id: str, name: str) -> bytes:
    with storage.open(id, name) as source:
        return bytes(source.read())


def write_content(storage: JobStorage, id: str, name: str, data: bytes) -> None:
    with storage.create(id, name) as out:
        out.write(data)


def test_reads_what_was_written(storage: JobStorage) -> None:
    write_content(storage, "job", "a.result", b"one two")
    write_content(storage, "job", "b.upload", b"")
    write_content(storage, "other", "a.result", b"three")
    assert read_content(storage, "job", "a.result") == b"one two"
    assert storage.list_sizes("job") == {"a.result": 7, "b.upload": 0}
    assert storage.list_sizes("nobody") == {}
    with pytest.raises(FileNotFoundError), storage.open("job", "c.result"):
        pass


def test_removes_file_whose_writing_fails(storage: JobStorage) -> None:
    write_content(storage, "job", "a.result", b"whole")
    with pytest.raises(ZeroDivisionError), storage.create("job", "b.result") as out:
        out.write(b"half")
        raise ZeroDivisionError
    assert storage.list_sizes("job") == {"a.result": 5}


def test_removes_files_and_folders(storage: JobStorage) -> None:
    for name in ("a", "b"):
        write_content(storage, "job", name, b"x")
    storage.remove("job", "a")
    storage.remove("job", "never")
    storage.remove_if_empty("job")
    assert storage.list_sizes("job") == {"b": 1}
    storage.remove_all("job")
    storage.remove_all("never")
    storage.remove_if_empty("never")
    assert storage.list_sizes("job") == {}
    assert storage.find_idle(-1) == []


def test_finds_idle_folders(storage: JobStorage) -> None:
    assert storage.find_idle(-1) == []
    write_content(storage, "job", "a", b"x")
    assert storage.find_idle(60) == []
    assert storage.find_idle(-1) == ["job"]


class TruncatingFileSystem(MemoryFileSystem):
    """A store that loses the end of a file, as after an interruption that is not reported."""

    protocol = "losing"
    store: dict[str, Any] = {}  # noqa: RUF012 - as in the base class
    pseudo_dirs: list[str] = [""]  # noqa: RUF012

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        found = super().info(path, **more)
        return found | {"size": found["size"] - 1} if found["type"] == "file" else found


class FailingFileSystem(MemoryFileSystem):
    """A store that raises errors of its own."""

    protocol = "strange"

    def _open(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("throttled")


@pytest.fixture
def stores() -> None:
    for kind in (TruncatingFileSystem, FailingFileSystem):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)


@pytest.mark.usefixtures("stores")
def test_removes_truncated_file() -> None:
    storage = open_storage("losing://jobs")
    with pytest.raises(OSError, match="not all of the file has arrived"):
        write_content(storage, "job", "a.result", b"whole")
    assert TruncatingFileSystem.store == {}


@pytest.mark.usefixtures("stores")
def test_library_errors_are_os_errors() -> None:
    storage = open_storage("strange://jobs")
    with pytest.raises(OSError, match="RuntimeError: throttled") as raised:
        write_content(storage, "job", "a.result", b"x")
    assert raised.value.errno == errno.EIO


@pytest.mark.parametrize("url", ["nonsense://x", "dropbox://x"])
def test_rejects_unreachable_url(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_storage(url)
    assert raised.value.code == Code.SETTINGS_INVALID


def test_full_disk_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    files = JobFiles(open_storage(str(tmp_path)))
    with pytest.raises(BusyError) as raised:
        files.save_uploads("job", [StoredUpload("t", (), pa.table({}))])
    assert (raised.value.code, raised.value.retry_after_seconds) == (Code.SERVICE_BUSY, 60)
    assert list(tmp_path.glob("*/*")) == []

"""Locations of files: metadata, ETags and errors of local files and stores of fsspec."""

from __future__ import annotations

import errno
from pathlib import Path

import fsspec
import pytest

from vo_server.storage.filesystem import (
    get_modified_seconds,
    open_filesystem,
    open_root,
    raise_os_errors,
    read_info,
    to_local_path,
)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_info_of_local_file(tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    info = read_info(f"{scheme}{path}")
    assert (info.size, info.modified and info.modified.timestamp()) == (5, pytest.approx(path.stat().st_mtime))
    assert info == read_info(str(path))
    assert to_local_path(f"{scheme}{path}") == str(path)


def test_info_of_remote_file() -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/info/a", b"12345")
    first = read_info("memory://info/a")
    assert (first.size, first.modified is not None) == (5, True)
    assert read_info("memory://info/a") == first
    store.pipe("/info/a", b"54321")
    assert read_info("memory://info/a").etag != first.etag
    store.rm("/info", recursive=True)


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("/nowhere/a", FileNotFoundError),
        ("memory://nowhere/a", FileNotFoundError),
        ("/dev", IsADirectoryError),
        ("/dev/zero", OSError),
        ("nosuch://a", OSError),
    ],
)
def test_errors_are_os_errors(location: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        read_info(location)


def test_library_errors_are_os_errors() -> None:
    with pytest.raises(OSError, match="KeyError") as raised, raise_os_errors():
        raise KeyError("x")
    assert raised.value.errno == errno.EIO


def test_rejects_unknown_scheme() -> None:
    for open_ in (open_filesystem, open_root):
        with pytest.raises(OSError, match="nosuch"):
            open_("nosuch://a")


def test_time_is_unknown_without_key() -> None:
    assert get_modified_seconds({"size": 5}) is None
    assert get_modified_seconds({"LastModified": None, "mtime": 7}) == 7.0

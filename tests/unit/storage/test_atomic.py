"""Atomic writes: a file is complete or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from vo_server.storage.atomic import PARTIAL_SUFFIX, write_atomically


@pytest.mark.parametrize("durable", [True, False])
def test_replaces_file(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with write_atomically(path, durable=durable) as out:
        out.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_keeps_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), write_atomically(path) as out:
        out.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_overwrites_partial_file_of_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    (tmp_path / f"a.json{PARTIAL_SUFFIX}").write_bytes(b"longer than the new content")
    with write_atomically(path) as out:
        out.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]

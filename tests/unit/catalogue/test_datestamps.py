"""Dates of records change with their content only."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vo_server.catalogue.datestamps import Datestamp, DatestampFile

BEGIN = "ivo://org.example"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
A, B = f"{BEGIN}/a", f"{BEGIN}/b"


def day(number: int) -> datetime:
    return MONDAY + timedelta(days=number)


def test_date_changes_with_digest(tmp_path: Path) -> None:
    stamps = DatestampFile(tmp_path / "registry.json")
    assert stamps.update({A: "1", B: "1"}, BEGIN, day(0)) == {
        A: Datestamp(day(0), day(0), "1"),
        B: Datestamp(day(0), day(0), "1"),
    }
    assert stamps.update({A: "1", B: "2"}, BEGIN, day(1)) == {
        A: Datestamp(day(0), day(0), "1"),
        B: Datestamp(day(0), day(1), "2"),
    }
    assert DatestampFile(tmp_path / "registry.json").update({A: "1", B: "2"}, BEGIN, day(2))[B].updated == day(1)


def test_removed_record_is_deleted_and_can_return(tmp_path: Path) -> None:
    stamps = DatestampFile(tmp_path / "registry.json")
    stamps.update({A: "1", B: "1"}, BEGIN, day(0))
    for later in (1, 2):
        assert stamps.update({A: "1"}, BEGIN, day(later))[B] == Datestamp(day(0), day(1), "1", deleted=True)
    assert stamps.update({A: "1", B: "1"}, BEGIN, day(3))[B] == Datestamp(day(0), day(3), "1")


def test_keeps_records_of_other_authority(tmp_path: Path) -> None:
    stamps = DatestampFile(tmp_path / "registry.json")
    stamps.update({A: "1"}, BEGIN, day(0))
    for other in ("ivo://com.other", f"{BEGIN}.too", "ivo://org"):
        assert stamps.update({other: "1"}, other, day(1)) == {other: Datestamp(day(1), day(1), "1")}
    assert stamps.update({A: "1"}, BEGIN, day(2)) == {A: Datestamp(day(0), day(0), "1")}


def test_dates_never_decrease(tmp_path: Path) -> None:
    stamps = DatestampFile(tmp_path / "registry.json")
    stamps.update({A: "1"}, BEGIN, day(5))
    assert stamps.update({A: "2"}, BEGIN, day(1))[A].updated == day(5)


def test_writes_only_changes(tmp_path: Path) -> None:
    file = tmp_path / "registry.json"
    DatestampFile(file).update({A: "1"}, BEGIN, day(0))
    before = file.stat().st_mtime_ns, file.stat().st_ino
    DatestampFile(file).update({A: "1"}, BEGIN, day(1))
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


def test_concurrent_processes_agree(tmp_path: Path) -> None:
    """Each has a clock of its own; the first to write is right."""
    found: list[dict[str, Datestamp]] = []
    start = threading.Barrier(8)

    def settle(number: int) -> None:
        start.wait()
        found.append(DatestampFile(tmp_path / "registry.json").update({A: "1", B: "1"}, BEGIN, day(number)))

    threads = [threading.Thread(target=settle, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each == found[0] for each in found)


def test_keeps_dates_in_memory_if_folder_is_read_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The dates are then those of this process."""
    (tmp_path / "file").touch()
    stamps = DatestampFile(tmp_path / "file" / "registry.json")
    for later in (0, 1):
        assert stamps.update({A: "1"}, BEGIN, day(later)) == {A: Datestamp(day(0), day(0), "1")}
    assert caplog.text.count("cannot be saved") == 1
    assert os.listdir(tmp_path) == ["file"]

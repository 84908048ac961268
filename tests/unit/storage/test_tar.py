"""tar archives: Python's tarfile reads their content, and their size is known before."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo_server.errors import ImageError
from vo_server.storage import tar

WHEN = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


def make_member(name: str, *pieces: bytes, size: int | None = None) -> tar.TarMember:
    return tar.TarMember(name, sum(map(len, pieces)) if size is None else size, WHEN, lambda: pieces)


names = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40), min_size=1)


@given(st.lists(st.tuples(names, st.lists(st.binary(max_size=1500), max_size=4)), max_size=5))
def test_tarfile_reads_content(told: list[tuple[list[str], list[bytes]]]) -> None:
    members = [make_member("/".join(("x", *name)), *pieces) for name, pieces in told]
    data = b"".join(tar.stream_archive(members))
    assert len(data) == tar.compute_size(members)
    with tarfile.open(fileobj=io.BytesIO(data)) as read:
        held = [(m.name, m.mtime, read.extractfile(m).read()) for m in read.getmembers()]  # type: ignore[union-attr]
    assert held == [(m.name, int(WHEN.timestamp()), b"".join(m.chunks())) for m in members]


def test_member_beyond_eight_gigabytes() -> None:
    large = 10_000_000_000
    head = next(tar.stream_archive([make_member("x", size=large)]))
    assert tarfile.TarInfo.frombuf(head[-512:], "utf-8", "strict").name == "x"
    assert tar.compute_size([make_member("x", size=large)]) == len(head) + large + 1024  # a multiple of 512 itself


@pytest.mark.parametrize("size", [2, 4])
def test_rejects_file_that_changed(size: int) -> None:
    with pytest.raises(ImageError, match="changed"):
        list(tar.stream_archive([make_member("x", b"abc", size=size)]))

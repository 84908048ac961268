"""tar archives (POSIX.1-2001, pax) built while they are sent: nothing is written to a disk, and the size is known
before."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from vo_server.errors import ImageError

_BLOCK_BYTES = tarfile.BLOCKSIZE
_END_BYTES = 2 * _BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file of an archive: its name there, its bytes, the time of its last change, and a function that yields its
    content."""

    name: str
    size: int
    modified: datetime
    chunks: Callable[[], Iterable[bytes]]


def compute_size(members: Sequence[TarMember]) -> int:
    """Return the bytes of an archive."""
    return sum(len(_encode_header(m)) + m.size + _count_padding(m.size) for m in members) + _END_BYTES


def stream_archive(members: Sequence[TarMember]) -> Iterator[bytes]:
    """Yield the bytes of an archive, file after file.

    Raises ImageError for a file whose content does not have the size of its member.
    """
    for member in members:
        yield _encode_header(member)
        remaining = member.size
        for chunk in member.chunks():
            remaining -= len(chunk)
            if remaining < 0:
                break
            yield chunk
        if remaining:
            raise ImageError(f"{member.name} has changed while it was read")
        yield bytes(_count_padding(member.size))
    yield bytes(_END_BYTES)


def _encode_header(member: TarMember) -> bytes:
    info = tarfile.TarInfo(member.name)
    info.size = member.size
    info.mtime = int(member.modified.timestamp())
    return info.tobuf(tarfile.PAX_FORMAT)


def _count_padding(size: int) -> int:
    return -size % _BLOCK_BYTES

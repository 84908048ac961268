"""Files as one tar stream (POSIX.1-2001, pax), made while it is read: nothing is written to a disk, and its length is
known before."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from vo_server.errors import ImageError

_BLOCK = tarfile.BLOCKSIZE
_END = 2 * _BLOCK


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the stream: its name in it, its bytes, when it was written, and where they come from."""

    name: str
    size: int
    modified: datetime
    pieces: Callable[[], Iterable[bytes]]


def length(members: Sequence[Member]) -> int:
    """The bytes of a stream."""
    return sum(len(_head(m)) + m.size + _padding(m.size) for m in members) + _END


def stream(members: Sequence[Member]) -> Iterator[bytes]:
    """The bytes, file after file.

    Raises ImageError where a file does not have the bytes that were said of it.
    """
    for member in members:
        yield _head(member)
        left = member.size
        for piece in member.pieces():
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:
            raise ImageError(f"{member.name} has changed while it was read")
        yield bytes(_padding(member.size))
    yield bytes(_END)


def _head(member: Member) -> bytes:
    info = tarfile.TarInfo(member.name)
    info.size = member.size
    info.mtime = int(member.modified.timestamp())
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % _BLOCK

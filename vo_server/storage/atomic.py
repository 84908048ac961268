"""Atomic writes to a local disk: a file has its name only once it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PARTIAL_SUFFIX = ".part"
"""The suffix of a file that is still being written."""


@contextmanager
def write_atomically(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Yield a file to write that replaces `path` when the block ends, and is removed when the block fails.

    With `durable` the content and its name survive a power failure, which costs a wait for the disk. The folder must
    exist, and there may be one writer at a time: the partial file of one that was killed is overwritten. Raises
    OSError.
    """
    part = path.with_name(f"{path.name}{PARTIAL_SUFFIX}")
    try:
        with part.open("wb") as out:
            yield out
            if durable:
                out.flush()
                os.fsync(out.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk.

    Raises OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

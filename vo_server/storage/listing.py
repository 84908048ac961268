"""The files of an image collection: what lies below folders, on a disk or wherever fsspec reaches."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import fsspec

from vo_server.errors import LoadError

_FITS = re.compile(r"\.(fits?|fts)(\.(gz|fz))?$|\.fz$", re.IGNORECASE)

_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")
"""What file systems call the time of the last change."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file: its path below the root, its bytes and when it was last written, which not every store tells."""

    path: str
    size: int | None
    modified: float | None


@lru_cache(maxsize=8)
def opened(root: str) -> tuple[Any, str]:
    """The file system of a root, and the root as it calls it.

    Raises LoadError where there is none of this kind, or its package is not installed.
    """
    try:
        system, path = fsspec.core.url_to_fs(root)
    except (ValueError, ImportError, OSError) as error:
        raise LoadError(f"{root} cannot be reached: {error}") from error
    return system, str(path).rstrip("/")


def listing(root: str, folders: Sequence[str]) -> Iterator[Listed]:
    """The FITS files below these folders, told by the ends of their names, each folder in the order of names.

    Raises LoadError for a folder that is not there or does not lie below the root.
    """
    system, home = opened(root)
    for folder in folders:
        start = within(root, folder)
        if _FITS.search(start) and system.isfile(start):  # a web server takes its lists of files for files, too
            yield _listed(system.info(start), home)
            continue
        if not system.isdir(start):
            raise LoadError(f"there is no folder {folder}")
        for _, inner, files in system.walk(start, detail=True):
            # The walk goes on into what is left in `inner`, in the order that it has then.
            ordered = sorted(inner.items())
            inner.clear()
            inner.update(ordered)
            for name in sorted(files):
                if _FITS.search(name):
                    yield _listed(files[name], home)


def within(root: str, folder: str) -> str:
    """A folder as the file system of the root calls it.

    Raises LoadError where it does not lie below the root: its files could not be served.
    """
    system, home = opened(root)
    other, path = opened(folder)
    if type(other) is not type(system) or not f"{path}/".startswith(f"{home}/"):
        raise LoadError(
            f"{folder} does not lie in the folder of the collection, {root}",
            hint="say where the images lie with the setting image_roots, or link them there",
        )
    return path


def below(root: str, path: str) -> str:
    """The address of a file of the inventory."""
    return posixpath.join(opened(root)[1], path)


def _listed(info: dict[str, Any], home: str) -> Listed:
    moment = next((info[key] for key in _TIMES if key in info), None)
    modified = moment.timestamp() if isinstance(moment, datetime) else moment
    size = info.get("size")
    return Listed(
        str(info["name"])[len(home) + 1 :],
        None if size is None else int(size),
        float(modified) if isinstance(modified, int | float) else None,
    )

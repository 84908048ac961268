"""The FITS files of an image collection: what lies below folders, on a local disk or in any store of fsspec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vo_server.errors import Code, LoadError
from vo_server.storage.filesystem import get_modified_seconds, open_root

_FITS_SUFFIX = re.compile(r"\.(fits?|fts)(\.(gz|fz))?$|\.fz$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a listing: its path below the root, its bytes, and the POSIX timestamp of its last change; size and
    time are None where the store does not give them."""

    path: str
    size: int | None
    modified: float | None


def list_fits_files(root: str, folders: Sequence[str]) -> Iterator[ListedFile]:
    """Yield the FITS files below folders, by the suffixes of their names, each folder in the order of names.

    Raises LoadError for a folder that does not exist or does not lie below the root.
    """
    system, home = _open_root(root)
    for folder in folders:
        start = resolve_folder(root, folder)
        if _FITS_SUFFIX.search(start) and system.isfile(start):  # a web server's lists of files are files, too
            yield _to_listed_file(system.info(start), home)
            continue
        if not system.isdir(start):
            raise LoadError(f"there is no folder {folder}", code=Code.LOAD_UNREADABLE)
        for _, inner, files in system.walk(start, detail=True):
            # The walk goes on into what is left in `inner`, in the order that it has then.
            ordered = sorted(inner.items())
            inner.clear()
            inner.update(ordered)
            for name in sorted(files):
                if _FITS_SUFFIX.search(name):
                    yield _to_listed_file(files[name], home)


def resolve_folder(root: str, folder: str) -> str:
    """Return a folder as the file system of the root writes it.

    Raises LoadError for a folder that does not lie below the root: its files could not be served.
    """
    system, home = _open_root(root)
    other, path = _open_root(folder)
    if type(other) is not type(system) or not f"{path}/".startswith(f"{home}/"):
        raise LoadError(
            f"{folder} does not lie in the folder of the collection, {root}",
            hint="say where the images lie with the setting image_roots, or link them there",
        )
    return path


def _open_root(root: str) -> tuple[Any, str]:
    """Return the file system of a root and the root as it writes it; an unreachable one is a LoadError."""
    try:
        return open_root(root)
    except OSError as error:
        raise LoadError(str(error), code=Code.LOAD_UNREADABLE) from error


def _to_listed_file(info: Mapping[str, Any], home: str) -> ListedFile:
    size = info.get("size")
    return ListedFile(
        str(info["name"])[len(home) + 1 :], None if size is None else int(size), get_modified_seconds(info)
    )

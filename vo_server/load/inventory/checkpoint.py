"""What was read of a stretch of files, noted in a file of its own.

A walk that was broken off finds the notes and goes on where it stopped. A note is of exactly these files with these
sizes and times: its name is the digest of their list. Notes are made and read in the processes of the walk.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from vo_server.catalogue.images import Images
from vo_server.load.inventory.headers import Read, read_all
from vo_server.storage.listing import Listed


def digest(what: object) -> str:
    """A name for anything whose words say all of it."""
    return hashlib.blake2b(repr(what).encode(), digest_size=16).hexdigest()


def read_noted(images: Images, root: str, folder: Path, files: Sequence[Listed]) -> tuple[list[Read], bool]:
    """What the headers of these files say, and whether that was known from a note."""
    note = folder / f"{digest(files)}.json.gz"
    known = _noted(images, note, files)
    if known is not None:
        return known, True
    found = read_all(images, root, files)
    said = json.dumps([[read.row, read.reason] for read in found], default=date.isoformat)
    beside = note.with_suffix(".new")
    with gzip.open(beside, "wt", compresslevel=1, encoding="utf-8") as out:
        out.write(said)
    beside.replace(note)
    return found, False


def _noted(images: Images, note: Path, files: Sequence[Listed]) -> list[Read] | None:
    """What the note says, None where there is none that can be read."""
    try:
        with gzip.open(note, "rt", encoding="utf-8") as stream:
            said = json.load(stream)
    except (OSError, EOFError, ValueError):
        return None
    times = {f.column: date if f.kind == "date" else datetime for f in images.fills if f.kind in ("date", "time")}
    return [Read(listed, _row(row, times), reason) for listed, (row, reason) in zip(files, said, strict=True)]


def _row(said: dict[str, Any] | None, times: dict[str, type[date]]) -> dict[str, Any] | None:
    for name in times if said else ():
        if said and said.get(name) is not None:
            said[name] = times[name].fromisoformat(said[name])
    return said

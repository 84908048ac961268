"""Checkpoints of a walk: what was read of a chunk of files, in one file for each chunk.

An interrupted walk reads its checkpoints and continues where it stopped. A checkpoint belongs to exactly these files
with these sizes and times: its name is the digest of their list. The processes of the walk write and read them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from vo_server.catalogue.images import ImageCollection
from vo_server.load.inventory.headers import InventoryEntry, read_headers
from vo_server.storage.atomic import write_atomically
from vo_server.storage.listing import ListedFile


def compute_digest(what: object) -> str:
    """Return a digest of anything with a complete `repr`, as a name."""
    return hashlib.blake2b(repr(what).encode(), digest_size=16).hexdigest()


def read_with_checkpoint(
    images: ImageCollection, root: str, folder: Path, files: Sequence[ListedFile]
) -> tuple[list[InventoryEntry], bool]:
    """Return the entries of these files, and whether they come from a checkpoint."""
    checkpoint = folder / f"{compute_digest(files)}.json.gz"
    stored = _load_checkpoint(images, checkpoint, files)
    if stored is not None:
        return stored, True
    entries = read_headers(images, root, files)
    text = json.dumps([[entry.row, entry.reason] for entry in entries], default=date.isoformat)
    with write_atomically(checkpoint, durable=False) as out:
        out.write(gzip.compress(text.encode(), compresslevel=1))
    return entries, False


def _load_checkpoint(
    images: ImageCollection, checkpoint: Path, files: Sequence[ListedFile]
) -> list[InventoryEntry] | None:
    """Return the entries of a checkpoint, None where there is none that can be read."""
    try:
        with gzip.open(checkpoint, "rt", encoding="utf-8") as stream:
            pairs = json.load(stream)
    except (OSError, EOFError, ValueError):
        return None
    times = {f.column: date if f.kind == "date" else datetime for f in images.fills if f.kind in ("date", "time")}
    return [
        InventoryEntry(file, _parse_times(row, times), reason) for file, (row, reason) in zip(files, pairs, strict=True)
    ]


def _parse_times(row: dict[str, Any] | None, times: dict[str, type[date]]) -> dict[str, Any] | None:
    for name in times if row else ():
        if row and row.get(name) is not None:
            row[name] = times[name].fromisoformat(row[name])
    return row

"""Datestamps of registry records: when each was created and when its content last changed (OAI-PMH 2.0 section 2.7.1).

    DATA/registry.json    by identifier: created, updated, a digest of the content, whether the record is deleted

The datestamp of a record changes only when its digest changes: neither a start of the server nor a load of the same
rows does that. A removed record stays as deleted. All processes of a data folder share the file; it is replaced
atomically, under a lock.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Datestamp:
    """The dates of a record (UTC, to the second) and the digest of its content."""

    created: datetime
    updated: datetime
    digest: str
    deleted: bool = False


@dataclass(slots=True)
class DatestampFile:
    """The file of datestamps. If it cannot be written, this process keeps the datestamps in memory."""

    path: Path
    _in_memory: dict[str, Datestamp] | None = field(default=None, init=False)

    def update(self, digests: Mapping[str, str], prefix: str, now: datetime) -> dict[str, Datestamp]:
        """Update the datestamps of the records at or below an identifier and return them, deleted ones included.

        `digests` has the digest of each present record. Records outside of `prefix` are not changed.
        """
        current = self._read()
        if update_datestamps(current, digests, prefix, now) != current:
            current = self._update_file(digests, prefix, now)
        return {id: stamp for id, stamp in current.items() if _is_below(id, prefix)}

    def _update_file(self, digests: Mapping[str, str], prefix: str, now: datetime) -> dict[str, Datestamp]:
        try:
            with self._lock_file():
                updated = update_datestamps(self._read(), digests, prefix, now)
                self._write(updated)
        except OSError as error:
            if self._in_memory is None:
                log.warning(
                    "datestamps of registry records cannot be saved: %s: %s", self.path, error.strerror or error
                )
            self._in_memory = updated = update_datestamps(self._read(), digests, prefix, now)
        return updated

    def _read(self) -> dict[str, Datestamp]:
        if self._in_memory is not None:
            return self._in_memory
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {id: _from_row(row) for id, row in rows.items()}

    def _write(self, stamps: Mapping[str, Datestamp]) -> None:
        rows = {id: _to_row(stamp) for id, stamp in sorted(stamps.items())}
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as out:
            json.dump(rows, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        new.replace(self.path)

    @contextmanager
    def _lock_file(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def update_datestamps(
    current: Mapping[str, Datestamp], digests: Mapping[str, str], prefix: str, now: datetime
) -> dict[str, Datestamp]:
    """Return the datestamps after a change of the records: new, changed and deleted ones get the date `now`."""
    updated = dict(current)
    for id, digest in digests.items():
        before = current.get(id)
        if before is None:
            updated[id] = Datestamp(now, now, digest)
        elif before.deleted or before.digest != digest:
            updated[id] = Datestamp(before.created, max(now, before.updated), digest)
    for id, stamp in current.items():
        if _is_below(id, prefix) and id not in digests and not stamp.deleted:
            updated[id] = replace(stamp, updated=max(now, stamp.updated), deleted=True)
    return updated


def _is_below(id: str, prefix: str) -> bool:
    return id == prefix or id.startswith(f"{prefix}/")


def _from_row(row: dict[str, object]) -> Datestamp:
    created, updated = (datetime.fromisoformat(str(row[key])) for key in ("created", "updated"))
    return Datestamp(created, updated, str(row["digest"]), bool(row["deleted"]))


def _to_row(stamp: Datestamp) -> dict[str, object]:
    dates = {
        key: at.astimezone(UTC).isoformat() for key, at in (("created", stamp.created), ("updated", stamp.updated))
    }
    return {**dates, "digest": stamp.digest, "deleted": stamp.deleted}

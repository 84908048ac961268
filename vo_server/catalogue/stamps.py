"""When each record of the registry was made and when it last said something new.

    DATA/registry.json    by identifier: created, updated, a digest of what the record says, whether it is deleted

A record gets a new date when its digest is another one, and only then: neither a start of the server nor a load of the
same rows is news. One that is gone is kept as deleted. All processes over a data folder share the file; it is changed
under a lock, by a rename.
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
class Stamp:
    """The dates of a record, to the second, UTC."""

    created: datetime
    updated: datetime
    digest: str
    deleted: bool = False


@dataclass(slots=True)
class Stamps:
    """The stamps under a path. Where nothing can be written they are kept by this process alone."""

    path: Path
    _kept: dict[str, Stamp] | None = field(default=None, init=False)

    def settle(self, digests: Mapping[str, str], begin: str, now: datetime) -> dict[str, Stamp]:
        """The stamps of these records, and of those that were and are not among them now. Of others, whose identifiers
        are not this beginning or below it, nothing is said and nothing changed."""
        held = self._read()
        if settled(held, digests, begin, now) != held:
            held = self._change(digests, begin, now)
        return {id: stamp for id, stamp in held.items() if _below(id, begin)}

    def _change(self, digests: Mapping[str, str], begin: str, now: datetime) -> dict[str, Stamp]:
        try:
            with self._locked():
                made = settled(self._read(), digests, begin, now)
                self._write(made)
        except OSError as error:
            if self._kept is None:
                log.warning("dates of registry records are not kept: %s: %s", self.path, error.strerror or error)
            self._kept = made = settled(self._read(), digests, begin, now)
        return made

    def _read(self) -> dict[str, Stamp]:
        if self._kept is not None:
            return self._kept
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {id: _stamp(row) for id, row in rows.items()}

    def _write(self, stamps: Mapping[str, Stamp]) -> None:
        rows = {id: _row(stamp) for id, stamp in sorted(stamps.items())}
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as out:
            json.dump(rows, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        new.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def settled(held: Mapping[str, Stamp], digests: Mapping[str, str], begin: str, now: datetime) -> dict[str, Stamp]:
    """The stamps of before as they are now."""
    made = dict(held)
    for id, digest in digests.items():
        before = held.get(id)
        if before is None:
            made[id] = Stamp(now, now, digest)
        elif before.deleted or before.digest != digest:
            made[id] = Stamp(before.created, max(now, before.updated), digest)
    for id, stamp in held.items():
        if _below(id, begin) and id not in digests and not stamp.deleted:
            made[id] = replace(stamp, updated=max(now, stamp.updated), deleted=True)
    return made


def _below(id: str, begin: str) -> bool:
    return id == begin or id.startswith(f"{begin}/")


def _stamp(row: dict[str, object]) -> Stamp:
    created, updated = (datetime.fromisoformat(str(row[key])) for key in ("created", "updated"))
    return Stamp(created, updated, str(row["digest"]), bool(row["deleted"]))


def _row(stamp: Stamp) -> dict[str, object]:
    said = {key: at.astimezone(UTC).isoformat() for key, at in (("created", stamp.created), ("updated", stamp.updated))}
    return {**said, "digest": stamp.digest, "deleted": stamp.deleted}

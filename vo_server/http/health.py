"""Availability (VOSI 1.1 section 5): the database, the loaded tables, the job store, the disks, planned downtime.

Each is probed at most once a second, however many requests come, and each probe has a timeout: a database that hangs
counts as one that does not respond.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio

from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.obscore import load_obscore
from vo_server.documents.elements import format_value
from vo_server.documents.vosi import Availability
from vo_server.engines.engine import Engine
from vo_server.errors import ServiceError
from vo_server.http.downtime import Downtime, read_downtime
from vo_server.http.probe import CachedProbe
from vo_server.jobs.store import JobStore

log = logging.getLogger(__name__)

LOW_DISK_BYTES = 1_000_000_000
"""Free bytes below which a disk is reported as nearly full."""

PROBE_TIMEOUT_SECONDS = 5.0
"""Seconds that a probe may take."""

CHECK_FILE = "check.json"
"""The file in the data folder that `vo-server check --record` writes."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The state of the database: its error, None if it responds, and notes on the loaded tables."""

    error: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskState:
    """The state of the disks: notes on free space, and the planned downtime and the last check found there."""

    notes: tuple[str, ...] = ()
    downtime: Downtime | None = None
    check_notes: tuple[str, ...] = ()


class Health:
    """The availability of a service that was started at `started`; belongs to one event loop."""

    def __init__(
        self,
        engine: Engine,
        collections: tuple[Collection, ...],
        jobs: JobStore,
        data: Path,
        folders: Mapping[str, Path],
        *,
        timeout: float = PROBE_TIMEOUT_SECONDS,
    ) -> None:
        """Set the probes; `folders` need free space, by what is written there. A probe may take `timeout` seconds."""
        self.started = datetime.now(UTC).replace(microsecond=0)
        self._database = CachedProbe(partial(probe_database, engine, collections), timeout)
        self._jobs = CachedProbe(partial(job_store_notes, jobs), timeout)
        self._disks = CachedProbe(partial(probe_disks, data, folders), timeout)

    async def check(self) -> Availability:
        """Return the availability now, with notes."""
        async with anyio.create_task_group() as group:
            for probe in (self._database, self._jobs, self._disks):
                group.start_soon(probe.get)
        database = await self._database.get() or DatabaseState("the database does not answer")
        jobs = await self._jobs.get()
        disks = await self._disks.get() or DiskState(("the disk does not answer",))
        at = datetime.now(UTC)
        down = disks.downtime if disks.downtime is not None and not disks.downtime.is_over(at) else None
        notes = (
            *((database.error,) if database.error else ()),
            *((down.note,) if down is not None and down.note else ()),
            *(("no jobs are accepted: the job store does not answer",) if jobs is None else jobs),
            *disks.notes,
            *database.notes,
            *disks.check_notes,
        )
        up = database.error is None and not (down is not None and down.has_begun(at))
        down_at, back_at = (None, None) if down is None else (down.down_at, down.back_at)
        return Availability(up, self.started, down_at, back_at, notes)


# ------------------------------------------------------------------ probes


def probe_database(engine: Engine, collections: tuple[Collection, ...]) -> DatabaseState:
    """Return the state of the database, and when the rows of each table were loaded."""
    try:
        error_text = engine.check_ready()
        return DatabaseState(error_text, () if error_text else tuple(_collection_notes(engine, collections)))
    except ServiceError as error:
        return DatabaseState(f"the database does not answer: {error.message}")


def _collection_notes(engine: Engine, collections: tuple[Collection, ...]) -> Iterator[str]:
    """Yield a note for each collection, and one for ivoa.obscore if no image collection is loaded."""
    yield from (_describe_rows(engine, collection) for collection in collections)
    images = [collection.table for collection in collections if collection.images is not None]
    if images and all(engine.count_rows(table) is None for table in images):
        yield f"{load_obscore()[1].qualified_name} has not been loaded"


def _describe_rows(engine: Engine, collection: Collection) -> str:
    name, rows, facts = (
        collection.table.qualified_name,
        engine.count_rows(collection.table),
        engine.get_facts(collection.table),
    )
    if rows is None:
        return f"{name} has not been loaded"
    since = f", loaded {format_value(facts.loaded_at)}" if facts is not None and facts.loaded_at is not None else ""
    return f"{name} has {rows:,} {'row' if rows == 1 else 'rows'}{since}"


def job_store_notes(jobs: JobStore) -> tuple[str, ...]:
    """Return the error of the job store as a note; synchronous queries work without it."""
    try:
        jobs.count_changes()
    except ServiceError as error:
        return (f"no jobs are accepted: {error.message}",)
    return ()


def probe_disks(data: Path, folders: Mapping[str, Path]) -> DiskState:
    """Return the free space of the folders, the planned downtime and the outcome of the last check."""
    notes = tuple(_low_disk_notes(folders))
    try:
        return DiskState(notes, read_downtime(data), tuple(_check_notes(data)))
    except ServiceError as error:
        log.error("%s", error)
        return DiskState((*notes, str(error)), check_notes=tuple(_check_notes(data)))


def _low_disk_notes(folders: Mapping[str, Path]) -> Iterator[str]:
    for purpose, folder in folders.items():
        existing = next((candidate for candidate in (folder, *folder.absolute().parents) if candidate.exists()), None)
        free = shutil.disk_usage(existing).free if existing is not None else 0
        if free < LOW_DISK_BYTES:
            yield f"little disk space for {purpose}: {free / 1e6:,.0f} MB"


def _check_notes(data: Path) -> Iterator[str]:
    """Yield the summary of the last check."""
    try:
        record = json.loads((data / CHECK_FILE).read_text(encoding="utf-8"))
        yield f"vo-server check of {record['checked']}: {record['summary']}"
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read: %s", data / CHECK_FILE, error)

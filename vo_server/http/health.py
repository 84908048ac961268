"""How the service is (VOSI 1.1 section 5): does the database answer, is what it publishes loaded and since when, are
jobs taken in, is there room on the disks, when is it going to be down.

Each is looked at once a second at the most, however many ask, and none is waited for without end: a database that hangs
is one that does not answer.
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
"""Bytes below which a disk is said to be nearly full."""

PROBE_TIMEOUT_SECONDS = 5.0
"""Seconds."""

CHECK_FILE = "check.json"
"""What `vo-server check --record` keeps beside the data."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What is wrong with it, None where it answers; and what is to be said of what it holds."""

    error: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskState:
    """What is to be said of them, and what has been left there: when the service is down, what a check found."""

    notes: tuple[str, ...] = ()
    downtime: Downtime | None = None
    check_notes: tuple[str, ...] = ()


class Health:
    """What is known of how a service is, `since` it was started; belongs to one event loop."""

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
        """`written` are the folders that must have room, by what is written there. Nothing is waited for longer than
        `patience` seconds."""
        self.started = datetime.now(UTC).replace(microsecond=0)
        self._database = CachedProbe(partial(probe_database, engine, collections), timeout)
        self._jobs = CachedProbe(partial(job_store_notes, jobs), timeout)
        self._disks = CachedProbe(partial(probe_disks, data, folders), timeout)

    async def check(self) -> Availability:
        """Whether it can be used now, and what else is to be said."""
        async with anyio.create_task_group() as group:
            for look in (self._database, self._jobs, self._disks):
                group.start_soon(look.get)
        database = await self._database.get() or DatabaseState("the database does not answer")
        jobs = await self._jobs.get()
        disks = await self._disks.get() or DiskState(("the disk does not answer",))
        at = datetime.now(UTC)
        down = disks.downtime if disks.downtime is not None and not disks.downtime.is_over(at) else None
        notes = (
            *((database.error,) if database.error else ()),
            *((down.note,) if down is not None and down.note else ()),
            *(("no jobs are taken in: their store does not answer",) if jobs is None else jobs),
            *disks.notes,
            *database.notes,
            *disks.check_notes,
        )
        up = database.error is None and not (down is not None and down.has_begun(at))
        down_at, back_at = (None, None) if down is None else (down.down_at, down.back_at)
        return Availability(up, self.started, down_at, back_at, notes)


# --------------------------------------------------------------- the looks


def probe_database(engine: Engine, publications: tuple[Collection, ...]) -> DatabaseState:
    """Ask it, and how old what it holds is."""
    try:
        wrong = engine.check_ready()
        return DatabaseState(wrong, () if wrong else tuple(_collection_notes(engine, publications)))
    except ServiceError as fault:
        return DatabaseState(f"the database does not answer: {fault.message}")


def _collection_notes(engine: Engine, publications: tuple[Collection, ...]) -> Iterator[str]:
    """What there is of each publication, and of the table of all images, if there is none of them."""
    yield from (_describe_rows(engine, p) for p in publications)
    images = [p.table for p in publications if p.images is not None]
    if images and all(engine.count_rows(table) is None for table in images):
        yield f"{load_obscore()[1].qualified_name} has not been loaded"


def _describe_rows(engine: Engine, publication: Collection) -> str:
    name, rows, facts = (
        publication.table.qualified_name,
        engine.count_rows(publication.table),
        engine.get_facts(publication.table),
    )
    if rows is None:
        return f"{name} has not been loaded"
    since = f", loaded {format_value(facts.loaded_at)}" if facts is not None and facts.loaded_at is not None else ""
    return f"{name} has {rows:,} {'row' if rows == 1 else 'rows'}{since}"


def job_store_notes(jobs: JobStore) -> tuple[str, ...]:
    """Ask the store of jobs; queries that are answered at once do without it."""
    try:
        jobs.count_changes()
    except ServiceError as fault:
        return (f"no jobs are taken in: {fault.message}",)
    return ()


def probe_disks(data: Path, written: Mapping[str, Path]) -> DiskState:
    """Is there room, and what has the operator left there?"""
    notes = tuple(_low_disk_notes(written))
    try:
        return DiskState(notes, read_downtime(data), tuple(_check_notes(data)))
    except ServiceError as fault:
        log.error("%s", fault)
        return DiskState((*notes, str(fault)), check_notes=tuple(_check_notes(data)))


def _low_disk_notes(written: Mapping[str, Path]) -> Iterator[str]:
    for what, folder in written.items():
        there = next((each for each in (folder, *folder.absolute().parents) if each.exists()), None)
        free = shutil.disk_usage(there).free if there is not None else 0
        if free < LOW_DISK_BYTES:
            yield f"there is little room for {what}: {free / 1e6:,.0f} MB"


def _check_notes(data: Path) -> Iterator[str]:
    """What the last check found, in its own words."""
    try:
        kept = json.loads((data / CHECK_FILE).read_text(encoding="utf-8"))
        yield f"vo-server check of {kept['checked']}: {kept['summary']}"
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read: %s", data / CHECK_FILE, error)

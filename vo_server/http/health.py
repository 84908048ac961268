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
from vo_server.catalogue.obscore import obscore
from vo_server.documents.elements import said
from vo_server.documents.vosi import Availability
from vo_server.engines.engine import Engine
from vo_server.errors import ServiceError
from vo_server.http.downtime import Downtime, planned
from vo_server.http.probe import Look
from vo_server.jobs.store import Store

log = logging.getLogger(__name__)

LOW = 1_000_000_000
"""Bytes below which a disk is said to be nearly full."""

PATIENCE = 5.0
"""Seconds."""

CHECKED = "check.json"
"""What `vo-server check --record` keeps beside the data."""


@dataclass(frozen=True, slots=True)
class Database:
    """What is wrong with it, None where it answers; and what is to be said of what it holds."""

    wrong: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disks:
    """What is to be said of them, and what has been left there: when the service is down, what a check found."""

    notes: tuple[str, ...] = ()
    downtime: Downtime | None = None
    checked: tuple[str, ...] = ()


class Health:
    """What is known of how a service is, `since` it was started; belongs to one event loop."""

    def __init__(
        self,
        engine: Engine,
        publications: tuple[Collection, ...],
        jobs: Store,
        data: Path,
        written: Mapping[str, Path],
        *,
        patience: float = PATIENCE,
    ) -> None:
        """`written` are the folders that must have room, by what is written there. Nothing is waited for longer than
        `patience` seconds."""
        self.since = datetime.now(UTC).replace(microsecond=0)
        self._database = Look(partial(database, engine, publications), patience)
        self._jobs = Look(partial(taken_in, jobs), patience)
        self._disks = Look(partial(disks, data, written), patience)

    async def state(self) -> Availability:
        """Whether it can be used now, and what else is to be said."""
        async with anyio.create_task_group() as group:
            for look in (self._database, self._jobs, self._disks):
                group.start_soon(look.answer)
        database = await self._database.answer() or Database("the database does not answer")
        jobs = await self._jobs.answer()
        disks = await self._disks.answer() or Disks(("the disk does not answer",))
        at = datetime.now(UTC)
        down = disks.downtime if disks.downtime is not None and not disks.downtime.over(at) else None
        notes = (
            *((database.wrong,) if database.wrong else ()),
            *((down.note,) if down is not None and down.note else ()),
            *(("no jobs are taken in: their store does not answer",) if jobs is None else jobs),
            *disks.notes,
            *database.notes,
            *disks.checked,
        )
        up = database.wrong is None and not (down is not None and down.begun(at))
        down_at, back_at = (None, None) if down is None else (down.down_at, down.back_at)
        return Availability(up, self.since, down_at, back_at, notes)


# --------------------------------------------------------------- the looks


def database(engine: Engine, publications: tuple[Collection, ...]) -> Database:
    """Ask it, and how old what it holds is."""
    try:
        wrong = engine.ready()
        return Database(wrong, () if wrong else tuple(_held(engine, publications)))
    except ServiceError as fault:
        return Database(f"the database does not answer: {fault.message}")


def _held(engine: Engine, publications: tuple[Collection, ...]) -> Iterator[str]:
    """What there is of each publication, and of the table of all images, if there is none of them."""
    yield from (_loaded(engine, p) for p in publications)
    images = [p.table for p in publications if p.images is not None]
    if images and all(engine.rows(table) is None for table in images):
        yield f"{obscore()[1].qualified} has not been loaded"


def _loaded(engine: Engine, publication: Collection) -> str:
    name, rows, facts = publication.table.qualified, engine.rows(publication.table), engine.facts(publication.table)
    if rows is None:
        return f"{name} has not been loaded"
    since = f", loaded {said(facts.loaded_at)}" if facts is not None and facts.loaded_at is not None else ""
    return f"{name} has {rows:,} {'row' if rows == 1 else 'rows'}{since}"


def taken_in(jobs: Store) -> tuple[str, ...]:
    """Ask the store of jobs; queries that are answered at once do without it."""
    try:
        jobs.changes()
    except ServiceError as fault:
        return (f"no jobs are taken in: {fault.message}",)
    return ()


def disks(data: Path, written: Mapping[str, Path]) -> Disks:
    """Is there room, and what has the operator left there?"""
    notes = tuple(_short_of_room(written))
    try:
        return Disks(notes, planned(data), tuple(_checked(data)))
    except ServiceError as fault:
        log.error("%s", fault)
        return Disks((*notes, str(fault)), checked=tuple(_checked(data)))


def _short_of_room(written: Mapping[str, Path]) -> Iterator[str]:
    for what, folder in written.items():
        there = next((each for each in (folder, *folder.absolute().parents) if each.exists()), None)
        free = shutil.disk_usage(there).free if there is not None else 0
        if free < LOW:
            yield f"there is little room for {what}: {free / 1e6:,.0f} MB"


def _checked(data: Path) -> Iterator[str]:
    """What the last check found, in its own words."""
    try:
        kept = json.loads((data / CHECKED).read_text(encoding="utf-8"))
        yield f"vo-server check of {kept['checked']}: {kept['summary']}"
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read: %s", data / CHECKED, error)

"""A job of UWS 1.1: what is asked for, how far it has come, and what came of it (section 2.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class Phase(StrEnum):
    """The phases of UWS 1.1 section 2.1.3. Those that are not REACHED can be asked for and are never found."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    ARCHIVED = "ARCHIVED"
    HELD = "HELD"
    SUSPENDED = "SUSPENDED"
    UNKNOWN = "UNKNOWN"


ACTIVE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
"""The phases that something may still follow."""

REACHED = ACTIVE | {Phase.COMPLETED, Phase.ERROR, Phase.ABORTED}
"""The phases in which a job of ours can be."""

_BEFORE = {
    Phase.QUEUED: frozenset({Phase.PENDING, Phase.EXECUTING}),
    Phase.EXECUTING: frozenset({Phase.QUEUED}),
    Phase.COMPLETED: frozenset({Phase.EXECUTING}),
    Phase.ERROR: frozenset({Phase.EXECUTING}),
    Phase.ABORTED: ACTIVE,
}


def before(phase: Phase) -> frozenset[Phase]:
    """The phases that this one may follow. A job whose worker has gone is queued again."""
    return _BEFORE.get(phase, frozenset())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result: the code of a fault and what it said. A transient one may go well another time."""

    code: str
    message: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A result: a file in the job's folder, and how it is sent. `size` in bytes; `rows` that it holds, None for what
    has none, `overflow` if some were left out. `id` is what it is called among the results of its job."""

    file: str
    media_type: str
    name: str
    size: int
    etag: str
    rows: int | None
    overflow: bool = False
    id: str = "result"


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as it was when it was looked at. Instants are in UTC.

    `duration` is the seconds that it may run. `client` is whose list it stands in, None for nobody's; `party` is whom
    it is run for, so that nobody waits for all the jobs of another. `url` is where it was asked for, `format` the
    format that the asker likes best. `attempts` counts how often it was begun; `progress` (0..1) and `rows` are those
    of the attempt under way.
    """

    id: str
    service: str
    created: datetime
    destruction: datetime
    duration: int
    parameters: tuple[tuple[str, str], ...] = ()
    phase: Phase = Phase.PENDING
    client: str | None = None
    party: str = ""
    url: str = ""
    format: str | None = None
    queued: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    progress: float | None = None
    rows: int | None = None
    failure: Failure | None = None
    made: tuple[Made, ...] = ()

    def all(self, name: str) -> list[str]:
        """All values of a parameter; names are compared without case."""
        return [value for key, value in self.parameters if key.lower() == name.lower()]

    @property
    def run_id(self) -> str | None:
        """The name that the client gave it (DALI 1.1 section 3.4.6)."""
        return next(iter(self.all("RUNID")), None)

    def but(self, **changes: Any) -> Self:
        """A copy with some attributes changed."""
        return replace(self, **changes)

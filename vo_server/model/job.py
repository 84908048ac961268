"""A job of UWS 1.1: its parameters, phase, progress, and results or failure (section 2.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class Phase(StrEnum):
    """The phases of UWS 1.1 section 2.1.3. Clients can filter by those outside of REACHABLE, but no job has them."""

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
"""The phases of jobs that have not ended."""

REACHABLE = ACTIVE | {Phase.COMPLETED, Phase.ERROR, Phase.ABORTED}
"""The phases that a job of this server can have."""

_PREVIOUS_PHASES = {
    Phase.QUEUED: frozenset({Phase.PENDING, Phase.EXECUTING}),
    Phase.EXECUTING: frozenset({Phase.QUEUED}),
    Phase.COMPLETED: frozenset({Phase.EXECUTING}),
    Phase.ERROR: frozenset({Phase.EXECUTING}),
    Phase.ABORTED: ACTIVE,
}


def get_previous_phases(phase: Phase) -> frozenset[Phase]:
    """Return the phases that may precede a phase. A job whose worker has died is queued again."""
    return _PREVIOUS_PHASES.get(phase, frozenset())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has no result: the code and message of the error. After a transient one, a retry may succeed."""

    code: str
    message: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class JobResult:
    """A result: a file in the job's folder, and how it is sent.

    `size` is in bytes; `rows` is None for a result without rows; `overflow` is true if rows were left out. `id` is the
    name of the result within its job. The field names are stored in the job table.
    """

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
    """A job, as it was when it was read. Instants are in UTC.

    `duration` is the time limit in seconds. `client` identifies the client whose job list shows it, None for none;
    `fair_share_key` identifies the client for fair-share scheduling. `url` is the URL of the request, `format` the
    client's preferred format. `attempts` counts the attempts to run it; `progress` (0..1) and `rows` are those of the
    current attempt.
    """

    id: str
    service: str
    created: datetime
    destruction: datetime
    duration: int
    parameters: tuple[tuple[str, str], ...] = ()
    phase: Phase = Phase.PENDING
    client: str | None = None
    fair_share_key: str = ""
    url: str = ""
    format: str | None = None
    queued: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    progress: float | None = None
    rows: int | None = None
    failure: Failure | None = None
    results: tuple[JobResult, ...] = ()

    def get_parameter(self, name: str) -> list[str]:
        """Return all values of a parameter; names are compared without case."""
        return [value for key, value in self.parameters if key.lower() == name.lower()]

    @property
    def run_id(self) -> str | None:
        """The client's name for the job (DALI 1.1 section 3.4.6); None without one."""
        return next(iter(self.get_parameter("RUNID")), None)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some attributes changed."""
        return replace(self, **changes)

"""Whose turn it is: first comes who has been served least lately, and of one party's jobs the eldest.

No party has more than half of the workers at a time, though no other waits: a job may run for a day and is not taken
from its worker again, so who comes later would find no place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from vo_server.jobs.table import JOBS
from vo_server.model.job import Job, Phase


def _turns() -> sa.Select[Any]:
    other = JOBS.alias()
    latest = sa.select(sa.func.max(other.c.started)).where(other.c.party == JOBS.c.party).scalar_subquery()
    turn = sa.func.coalesce(latest, sa.literal(0, sa.BigInteger))
    return (
        sa.select(JOBS.c.id, JOBS.c.party).where(JOBS.c.phase == Phase.QUEUED).order_by(turn, JOBS.c.queued, JOBS.c.id)
    )


TURNS = _turns()
"""The ids and parties of the jobs that wait, in the order of their turns."""


def next_turn(workers: int) -> sa.Select[Any]:
    """The first of them that may run now, of so many workers."""
    other = JOBS.alias()
    running = sa.select(sa.func.count()).where(other.c.party == JOBS.c.party, other.c.phase == Phase.EXECUTING)
    return TURNS.where(running.scalar_subquery() < max(1, workers // 2)).limit(1)


def position(job: Job, waiting: Sequence[tuple[str, str]]) -> int:
    """How many jobs are begun before this one and it, if no other comes.

    Plays the queue on, party after party: `waiting` are the ids and parties in the order of their turns.
    """
    queues: dict[str, list[str]] = defaultdict(list)
    for id, party in waiting:
        queues[party].append(id)
    mine = queues[job.party]
    ahead = mine.index(job.id) if job.id in mine else len(mine)
    order = list(queues)
    sooner = order[: order.index(job.party)]
    others = (min(len(queues[party]), ahead + (party in sooner)) for party in order if party != job.party)
    return 1 + ahead + sum(others)

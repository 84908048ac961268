"""Whose turn it is: first comes who has been served least lately, and of one party's jobs the eldest."""

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
"""The ids and parties of the jobs that wait, first the one whose turn it is."""


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

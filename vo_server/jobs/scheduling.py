"""Fair-share order: the client served least recently goes first, and of one client's jobs the oldest.

A client is identified by the fair-share key of its jobs. No client has more than half of the workers at a time, even
if no other client waits: a job may run for a day and is never preempted, so a client that comes later would find no
worker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from vo_server.jobs.table import JOBS
from vo_server.model.job import Job, Phase


def _build_queue_order() -> sa.Select[Any]:
    other = JOBS.alias()
    same_client = other.c.fair_share_key == JOBS.c.fair_share_key
    last_start = sa.select(sa.func.max(other.c.started)).where(same_client).scalar_subquery()
    last_served = sa.func.coalesce(last_start, sa.literal(0, sa.BigInteger))
    queued = sa.select(JOBS.c.id, JOBS.c.fair_share_key).where(JOBS.c.phase == Phase.QUEUED)
    return queued.order_by(last_served, JOBS.c.queued, JOBS.c.id)


QUEUE_ORDER = _build_queue_order()
"""Selects the ids and fair-share keys of the queued jobs in the order in which they run."""


def next_job(workers: int) -> sa.Select[Any]:
    """Return the selection of the next job that may run, given the number of workers."""
    other = JOBS.alias()
    same_client = other.c.fair_share_key == JOBS.c.fair_share_key
    running = sa.select(sa.func.count()).where(same_client, other.c.phase == Phase.EXECUTING)
    return QUEUE_ORDER.where(running.scalar_subquery() < max(1, workers // 2)).limit(1)


def find_queue_position(job: Job, waiting: Sequence[tuple[str, str]]) -> int:
    """Return the position of a job in the queue, from 1, if no further job arrives.

    Simulates the queue, client by client: `waiting` are ids and fair-share keys in the order of QUEUE_ORDER.
    """
    queues: dict[str, list[str]] = defaultdict(list)
    for id, key in waiting:
        queues[key].append(id)
    own_queue = queues[job.fair_share_key]
    ahead = own_queue.index(job.id) if job.id in own_queue else len(own_queue)
    order = list(queues)
    earlier = order[: order.index(job.fair_share_key)]
    others = (min(len(queues[key]), ahead + (key in earlier)) for key in order if key != job.fair_share_key)
    return 1 + ahead + sum(others)

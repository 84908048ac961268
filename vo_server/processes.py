"""Processes and processors of this machine."""

from __future__ import annotations

import os
from contextlib import suppress


def is_alive(pid: int) -> bool:
    """Return whether a process with this id exists."""
    with suppress(ProcessLookupError):
        with suppress(PermissionError):
            os.kill(pid, 0)
        return True
    return False


def count_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

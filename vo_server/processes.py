"""Other processes of this machine."""

from __future__ import annotations

import os
from contextlib import suppress


def alive(pid: int) -> bool:
    """Is there such a process?"""
    with suppress(ProcessLookupError):
        with suppress(PermissionError):
            os.kill(pid, 0)
        return True
    return False

"""The worker processes that a server starts and watches: one that dies is started again, and its job queued again."""

from __future__ import annotations

import logging
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vo_server.errors import BusyError

log = logging.getLogger(__name__)

LOOK = 0.2
"""Seconds between two looks at whether they live."""

BREATH = 5.0
"""Seconds for which a worker must have lived to be started again at once; else this long is waited."""


@dataclass(slots=True)
class _Member:
    name: str
    process: subprocess.Popen[bytes]
    begun: float


class Crew:
    """So many worker processes, from `start` to `stop`."""

    def __init__(
        self, size: int, command: Sequence[str], environment: Mapping[str, str], died: Callable[[str], object]
    ) -> None:
        """`command` gets the worker's name as its last argument; `died` is told the name of one that has ended."""
        self._size = size
        self._command = list(command)
        self._environment = dict(environment)
        self._died = died
        self._members: list[_Member] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="crew", daemon=True)

    def start(self) -> None:
        """Start them all."""
        self._members = [self._member() for _ in range(self._size)]
        self._thread.start()

    @property
    def processes(self) -> list[int]:
        """The ids of the processes."""
        return [member.process.pid for member in self._members]

    def stop(self, seconds: float) -> None:
        """End them all; those that have not ended after so many seconds are killed."""
        self._ending.set()
        self._thread.join()
        for member in self._members:
            member.process.terminate()
        until = time.monotonic() + seconds
        for member in self._members:
            try:
                member.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("the worker %s does not end and is killed", member.name)
                member.process.kill()
                member.process.wait()
                self._tell(member)

    def _member(self) -> _Member:
        name = f"w{secrets.token_hex(8)}"
        process = subprocess.Popen([*self._command, name], env=self._environment)  # noqa: S603 - our own command
        return _Member(name, process, time.monotonic())

    def _watch(self) -> None:
        while not self._ending.wait(LOOK):
            for n, member in enumerate(self._members):
                if member.process.poll() is not None:
                    level = logging.ERROR if member.process.returncode else logging.INFO
                    log.log(level, "the worker %s ended with the code %s", member.name, member.process.returncode)
                    self._tell(member)
                    if self._ending.wait(0.0 if time.monotonic() - member.begun > BREATH else BREATH):
                        return
                    self._members[n] = self._member()

    def _tell(self, member: _Member) -> None:
        with suppress(BusyError):  # its lease ends by itself
            self._died(member.name)

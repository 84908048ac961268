"""The supervisor of a server's worker processes: it restarts a worker that exits and reports its name."""

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

POLL_SECONDS = 0.2
"""Seconds between two checks whether the workers are alive."""

RESTART_DELAY_SECONDS = 5.0
"""Delay in seconds before the restart of a worker that ran for less than this; others restart at once."""


@dataclass(slots=True)
class WorkerProcess:
    """A worker process, its unique name and its start time (monotonic seconds)."""

    name: str
    process: subprocess.Popen[bytes]
    started: float


class WorkerSupervisor:
    """A fixed number of worker processes, from `start` to `stop`."""

    def __init__(
        self, size: int, command: Sequence[str], environment: Mapping[str, str], on_exit: Callable[[str], object]
    ) -> None:
        """Configure `size` workers: `command` gets the worker's name as its last argument, `on_exit` is called with the
        name of each worker that has exited."""
        self._size = size
        self._command = list(command)
        self._environment = dict(environment)
        self._on_exit = on_exit
        self._workers: list[WorkerProcess] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start all workers."""
        self._workers = [self._start_worker() for _ in range(self._size)]
        self._thread.start()

    @property
    def process_ids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    def stop(self, seconds: float) -> None:
        """Terminate all workers; kill those that are still alive after a timeout in seconds."""
        self._stopping.set()
        self._thread.join()
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + seconds
        for worker in self._workers:
            try:
                worker.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("the worker %s does not stop and is killed", worker.name)
                worker.process.kill()
                worker.process.wait()
                self._report_exit(worker)

    def _start_worker(self) -> WorkerProcess:
        name = f"w{secrets.token_hex(8)}"
        process = subprocess.Popen([*self._command, name], env=self._environment)  # noqa: S603 - our own command
        return WorkerProcess(name, process, time.monotonic())

    def _watch(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            for n, worker in enumerate(self._workers):
                if worker.process.poll() is not None:
                    level = logging.ERROR if worker.process.returncode else logging.INFO
                    log.log(level, "the worker %s exited with code %s", worker.name, worker.process.returncode)
                    self._report_exit(worker)
                    ran = time.monotonic() - worker.started
                    if self._stopping.wait(0.0 if ran > RESTART_DELAY_SECONDS else RESTART_DELAY_SECONDS):
                        return
                    self._workers[n] = self._start_worker()

    def _report_exit(self, worker: WorkerProcess) -> None:
        with suppress(BusyError):  # its lease expires by itself
            self._on_exit(worker.name)

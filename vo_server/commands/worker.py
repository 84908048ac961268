"""vo-server worker: run asynchronous jobs; `serve` starts such processes itself."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from vo_server.commands.command import parse_count
from vo_server.jobs.supervisor import WorkerSupervisor
from vo_server.settings import PREFIX, Settings, describe_settings
from vo_server.site import open_job_service, open_worker

NICE_INCREMENT = 10
"""Niceness of job workers: synchronous requests come first."""

GRACE_SECONDS = 10
"""Seconds that workers get to stop."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--parent", type=parse_count, metavar="PID", help="exit when this parent process has exited")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a unique name (default: a random one)")


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Run jobs until a signal.

    Ctrl-C at a terminal reaches all of its processes: a worker with a parent ignores it and waits for SIGTERM.
    """
    if parsed.parent is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE_INCREMENT)
    with open_worker(settings, parsed.name or f"w{secrets.token_hex(8)}") as worker:
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        if parsed.parent is None:
            signal.signal(signal.SIGINT, lambda *_: worker.stop())
        worker.run(is_parent_alive=lambda: parsed.parent is None or os.getppid() == parsed.parent)
    return 0


@contextmanager
def run_workers(settings: Settings) -> Iterator[None]:
    """Run the job workers for the duration of the block."""
    if not settings.job_workers:
        yield
        return
    store = open_job_service(settings).store
    command = [sys.executable, "-m", "vo_server", "worker", "--parent", str(os.getpid())]
    supervisor = WorkerSupervisor(
        settings.job_workers, command, _inherited_environment() | to_environment(settings), store.release_worker
    )
    supervisor.start()
    try:
        yield
    finally:
        supervisor.stop(GRACE_SECONDS)
        store.close()


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as environment variables for child processes."""
    return {PREFIX + name.upper(): str(getattr(settings, name)) for name, _, _ in describe_settings()}


def _inherited_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != f"{PREFIX}CONFIG"}

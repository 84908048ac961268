"""vo-server worker: the jobs that clients leave to be done. serve starts such processes by itself."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from vo_server.app import desk_of, worker_of
from vo_server.commands.command import Command, count
from vo_server.jobs.supervisor import Crew
from vo_server.settings import PREFIX, Settings, described

NICE = 10
"""What processes that run jobs yield to those that answer at once."""

GRACE = 10
"""Seconds that they get to end."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parent", type=count, metavar="PID", help="end when this process, the parent, has ended")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a name that no other worker has (default: a new one)")


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Run jobs until it is told to stop. Ctrl-C at a terminal reaches all that runs there: who has a parent waits for
    its word."""
    if parsed.parent is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    with worker_of(settings, parsed.name or f"w{secrets.token_hex(8)}") as worker:
        signal.signal(signal.SIGTERM, lambda *_: worker.end())
        if parsed.parent is None:
            signal.signal(signal.SIGINT, lambda *_: worker.end())
        worker.run(alive=lambda: parsed.parent is None or os.getppid() == parsed.parent)
    return 0


@contextmanager
def working(settings: Settings) -> Iterator[None]:
    """The processes that run jobs, for as long as the body runs."""
    if not settings.job_workers:
        yield
        return
    store = desk_of(settings).store
    command = [sys.executable, "-m", "vo_server", "worker", "--parent", str(os.getpid())]
    crew = Crew(settings.job_workers, command, _inherited() | exported(settings), store.release)
    crew.start()
    try:
        yield
    finally:
        crew.stop(GRACE)
        store.close()


def exported(settings: Settings) -> dict[str, str]:
    """The settings as variables, for processes that we start."""
    return {PREFIX + name.upper(): str(getattr(settings, name)) for name, _, _ in described()}


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != f"{PREFIX}CONFIG"}


WORKER = Command("worker", "run the jobs that clients leave to be done", _run, _arguments)

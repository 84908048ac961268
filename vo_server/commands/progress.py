"""Progress bars of commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from vo_server.commands.terminal import console
from vo_server.load.load import Progress as LoadProgress


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield progress


def load_reporter(bar: Progress, name: str) -> Callable[[LoadProgress], None]:
    """Return a callback that shows the progress of a load.

    It shows rows, rows per second, and the time left: by bytes while reading, by rows while writing.
    """
    phase, task, start = "", TaskID(0), 0.0

    def report(progress: LoadProgress) -> None:
        nonlocal phase, task, start
        if progress.phase != phase:
            phase, start = progress.phase, time.monotonic()
            for earlier in bar.task_ids:
                bar.remove_task(earlier)
            task = bar.add_task(f"{name}: {phase}", total=None, rows="")
        done, total = (progress.bytes_read, progress.total_bytes) if progress.phase == "reading" else (
            progress.rows, progress.total_rows,
        )  # fmt: skip
        rate = progress.rows / max(time.monotonic() - start, 0.1)
        bar.update(task, completed=done, total=total, rows=f"{progress.rows:,} rows, {rate:,.0f}/s")

    return report

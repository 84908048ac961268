"""What is said to the person at the terminal, on the second of its streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from vo_server import logs
from vo_server.errors import QueryError, ServiceError
from vo_server.load.load import Progress as LoadProgress
from vo_server.settings import Settings

out = Console(stderr=True, highlight=False)


def say(text: str, style: str = "") -> None:
    """A message to the person at the terminal; lines are left as they are."""
    out.print(text, style=style, markup=False, soft_wrap=True)


def log_as(settings: Settings) -> None:
    """Let the log be written as the settings say."""
    logs.configure(settings.log_level, settings.log_format, tells_personal=settings.log_personal == "yes")


def told(page: Console, fault: ServiceError, before: str = "") -> None:
    """A fault as a person reads it: what is wrong, the place in the query with carets below it, and what may help; then
    the further faults of the query."""
    place = fault.span if isinstance(fault, QueryError) and fault.text else None
    if place is None or not isinstance(fault, QueryError):
        page.print(f"{before}{fault}", style="red", markup=False, soft_wrap=True)
        return
    line, column = place.line_column(fault.text)
    page.print(f"{before}line {line}, column {column}: {fault.message}", style="red", markup=False, soft_wrap=True)
    shown, carets = place.caret(fault.text, max(10, page.width // 2 - 2)).split("\n")
    page.print(f"  {shown}", markup=False, soft_wrap=True)
    page.print(f"  {carets}", style="bold red", markup=False, soft_wrap=True)
    if fault.hint:
        page.print(f"  {fault.hint}", style="cyan", markup=False, soft_wrap=True)
    for further in fault.other_errors:
        told(page, further, before)


@contextmanager
def bar() -> Iterator[Progress]:
    """A progress bar on a terminal, nothing elsewhere."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as shown:
        yield shown


def watch(shown: Progress, name: str) -> Callable[[LoadProgress], None]:
    """Shows a load: rows, rows a second, and the time left by bytes while reading and by rows while writing."""
    phase, task, begun = "", TaskID(0), 0.0

    def seen(progress: LoadProgress) -> None:
        nonlocal phase, task, begun
        if progress.phase != phase:
            phase, begun = progress.phase, time.monotonic()
            for earlier in shown.task_ids:
                shown.remove_task(earlier)
            task = shown.add_task(f"{name}: {phase}", total=None, rows="")
        done, total = (progress.bytes, progress.total_bytes) if progress.phase == "reading" else (
            progress.rows, progress.total_rows,
        )  # fmt: skip
        rate = progress.rows / max(time.monotonic() - begun, 0.1)
        shown.update(task, completed=done, total=total, rows=f"{progress.rows:,} rows, {rate:,.0f}/s")

    return seen

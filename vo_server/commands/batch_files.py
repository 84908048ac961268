"""Files that are derived from other files, in batches.

Each file is written to a temporary name and renamed, so that it is complete as soon as it exists. Existing files are
skipped; failures are reported with their reasons.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vo_server.commands.progress import progress_bar
from vo_server.commands.terminal import say
from vo_server.errors import ServiceError, UsageError
from vo_server.load.chunks import RejectedRow
from vo_server.load.rejects import RejectFile
from vo_server.storage.atomic import write_atomically


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """The outcome for one file: `pixel_bytes` are the bytes of the pixels it was made from, `file_bytes` its size."""

    name: str
    kind: Literal["written", "skipped", "failed"]
    reason: str = ""
    pixel_bytes: int = 0
    file_bytes: int = 0


@dataclass(slots=True)
class BatchReport:
    """The counts of a batch; `without_input` counts items that have no input to make a file from."""

    written: int = 0
    skipped: int = 0
    failed: int = 0
    without_input: int = 0
    pixel_bytes: int = 0
    file_bytes: int = 0

    def add(self, outcome: FileOutcome) -> None:
        """Add the outcome for one file."""
        self.written += outcome.kind == "written"
        self.skipped += outcome.kind == "skipped"
        self.failed += outcome.kind == "failed"
        self.pixel_bytes += outcome.pixel_bytes
        self.file_bytes += outcome.file_bytes

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 3 if a file failed."""
        return 3 if self.failed else 0


def write_if_missing(name: str, file: Path, again: bool, make: Callable[[], tuple[bytes, int]]) -> FileOutcome:
    """Write a file unless it exists; `make` returns its bytes and the number of pixel bytes it was made from.

    `again` replaces an existing file. An error of `make` becomes the outcome of the file.
    """
    if not again and file.exists():
        return FileOutcome(name, "skipped")
    try:
        data, pixel_bytes = make()
    except ServiceError as error:
        return FileOutcome(name, "failed", str(error))
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(file, durable=False) as out:
        out.write(data)
    return FileOutcome(name, "written", pixel_bytes=pixel_bytes, file_bytes=len(data))


def require_local_folder(root: str, what: str) -> Path:
    """Return the root of an image collection as a folder that files can be written to.

    Raises UsageError for a URL.
    """
    if "://" in root:
        raise UsageError(f"{what} cannot be written to {root}", hint="set image_roots to a local folder")
    return Path(root)


def report_outcomes(what: str, outcomes: Iterable[FileOutcome], data: Path, total: int | None = None) -> BatchReport:
    """Count outcomes with progress on the terminal; failures are listed in a file below DATA/rejects."""
    report, start = BatchReport(), time.monotonic()
    with progress_bar() as bar, RejectFile(data, what, "skip") as rejects:
        task = bar.add_task(what, total=total, rows="")
        for number, outcome in enumerate(outcomes, 1):
            report.add(outcome)
            if outcome.kind == "failed":
                rejects.reject([RejectedRow(what, "number", number, f": {outcome.reason}", outcome.name)])
            rate = report.written / max(time.monotonic() - start, 0.1)
            bar.update(task, completed=number, rows=f"{report.written:,} written, {rate:,.1f}/s")
    seconds = time.monotonic() - start
    rate = report.written / max(seconds, 1e-3)
    say(f"{what}: {report.written:,} written in {seconds:.1f} s ({rate:,.1f}/s), {report.skipped:,} existed already")
    if report.failed:
        say(f"{report.failed:,} failed: see {rejects.path}", "yellow")
    return report

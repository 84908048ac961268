"""Files that are made of others: each is whole as soon as it is there, what is there stays, and what could not be made
is told with the reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vo_server.commands.terminal import bar, say
from vo_server.errors import ServiceError, UsageError
from vo_server.load.pieces import Bad
from vo_server.load.rejects import Rejects


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file that was wanted: `name` says which; `plain` and `size` are the bytes of the pixels that it
    was made of and its own."""

    name: str
    kind: Literal["made", "there", "refused"]
    reason: str = ""
    plain: int = 0
    size: int = 0


@dataclass(slots=True)
class Report:
    """What became of many; `left` counts what none was wanted of."""

    made: int = 0
    there: int = 0
    refused: int = 0
    left: int = 0
    plain: int = 0
    size: int = 0

    def take(self, outcome: Outcome) -> None:
        """One more."""
        self.made += outcome.kind == "made"
        self.there += outcome.kind == "there"
        self.refused += outcome.kind == "refused"
        self.plain += outcome.plain
        self.size += outcome.size

    @property
    def code(self) -> int:
        """The exit code."""
        return 3 if self.refused else 0


def made(name: str, file: Path, again: bool, make: Callable[[], tuple[bytes, int]]) -> Outcome:
    """A file made by a function, unless it is there: its bytes, and how many bytes of pixels it was made of."""
    if not again and file.exists():
        return Outcome(name, "there")
    try:
        data, plain = make()
    except ServiceError as fault:
        return Outcome(name, "refused", str(fault))
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(data)
    part.replace(file)
    return Outcome(name, "made", plain=plain, size=len(data))


def folder(root: str, what: str) -> Path:
    """The root of a collection as a folder that files can be written to.

    Raises UsageError for a URL.
    """
    if "://" in root:
        raise UsageError(f"{what} cannot be written to {root}", hint="image_roots may give a folder of the disk")
    return Path(root)


def reported(what: str, outcomes: Iterable[Outcome], data: Path, total: int | None = None) -> Report:
    """A report of all, told at the terminal; those that were refused are listed in a file below DATA/rejects."""
    report, begun = Report(), time.monotonic()
    with bar() as shown, Rejects(data, what, "skip") as rejects:
        task = shown.add_task(what, total=total, rows="")
        for number, outcome in enumerate(outcomes, 1):
            report.take(outcome)
            if outcome.kind == "refused":
                rejects.take([Bad(what, "number", number, f": {outcome.reason}", outcome.name)])
            rate = report.made / max(time.monotonic() - begun, 0.1)
            shown.update(task, completed=number, rows=f"{report.made:,} made, {rate:,.1f}/s")
    seconds = time.monotonic() - begun
    rate = report.made / max(seconds, 1e-3)
    say(f"{what}: {report.made:,} made in {seconds:.1f} s ({rate:,.1f}/s), {report.there:,} were there")
    if report.refused:
        say(f"{report.refused:,} could not be made: see {rejects.path}", "yellow")
    return report

"""What a job does, as the room of jobs sees it; what that is, each service knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from vo_server.model.job import Job


class Answering(Protocol):
    """A question under way, as a job sees it (answer.Question is one)."""

    @property
    def rows(self) -> int:
        """Rows until now."""

    @property
    def overflow(self) -> bool:
        """Were rows left out?"""

    @property
    def failure(self) -> Exception | None:
        """What broke the rows off, where the format has told it in its last bytes."""

    def answer(self) -> Iterable[bytes]:
        """The result, piece by piece."""

    def stop(self) -> None:
        """End it; from any thread."""

    def progress(self) -> float | None:
        """The part that is done, 0..1."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a job does, and how its result is sent."""

    question: Answering
    media_type: str
    name: str


Work = Callable[[Job], Task]
"""What a job of a service does, made from its parameters. Raises the fault that these are."""

"""What a job does, as the room of jobs sees it; what that is, each service knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override

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
class Output:
    """A result as it is made: what it is called among those of its job, how it is sent, and its bytes, which are read
    once."""

    id: str
    media_type: str
    name: str
    pieces: Iterable[bytes]


class Task(Protocol):
    """What a job does, under way."""

    @property
    def rows(self) -> int | None:
        """Rows until now; None for what has none."""

    @property
    def overflow(self) -> bool:
        """Were rows left out?"""

    def outputs(self) -> Iterator[Output]:
        """The results, each when the one before it has been read."""

    def stop(self) -> None:
        """End it; from any thread."""

    def progress(self) -> float | None:
        """The part that is done, 0..1."""


@dataclass(frozen=True, slots=True)
class Answer(Task):
    """The answer to a question, the one result of its job, and how it is sent."""

    question: Answering
    media_type: str
    name: str

    @property
    @override
    def rows(self) -> int:
        return self.question.rows

    @property
    @override
    def overflow(self) -> bool:
        return self.question.overflow

    @override
    def outputs(self) -> Iterator[Output]:
        yield Output("result", self.media_type, self.name, self._whole())

    def _whole(self) -> Iterable[bytes]:
        """All pieces of the answer.

        Raises what broke it off, also where the format has said so in words and ended in good order.
        """
        yield from self.question.answer()
        if self.question.failure is not None:
            raise self.question.failure

    @override
    def stop(self) -> None:
        self.question.stop()

    @override
    def progress(self) -> float | None:
        return self.question.progress()


Work = Callable[[Job], Task]
"""What a job of a service does, made from its parameters. Raises the fault that these are."""

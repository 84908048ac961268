"""The task of a job: the interface between the job system and the services whose jobs it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override

from vo_server.model.job import Job


class RunningQuery(Protocol):
    """A running query, as a job uses it."""

    @property
    def rows(self) -> int:
        """The number of rows until now."""

    @property
    def overflow(self) -> bool:
        """Whether rows were left out."""

    @property
    def failure(self) -> Exception | None:
        """The error that ended the rows, where the output format reports it in its last bytes."""

    def start(self) -> Iterable[bytes]:
        """Yield the result in chunks of bytes."""

    def cancel(self) -> None:
        """Cancel the query; may be called from any thread."""

    def progress(self) -> float | None:
        """Return the completed fraction, 0..1; None if it is unknown."""


@dataclass(frozen=True, slots=True)
class JobOutput:
    """A result while it is produced: its id among the results of its job, media type, file name, and its bytes in
    chunks, which are read once."""

    id: str
    media_type: str
    name: str
    chunks: Iterable[bytes]


class Task(Protocol):
    """The running task of a job."""

    @property
    def rows(self) -> int | None:
        """The number of rows until now; None for results without rows."""

    @property
    def overflow(self) -> bool:
        """Whether rows were left out."""

    def produce_outputs(self) -> Iterator[JobOutput]:
        """Yield the results; each is produced when the one before has been read."""

    def stop(self) -> None:
        """Stop the task; may be called from any thread."""

    def progress(self) -> float | None:
        """Return the completed fraction, 0..1; None if it is unknown."""


@dataclass(frozen=True, slots=True)
class QueryTask(Task):
    """A task that runs a query, whose answer is the one result of the job."""

    query: RunningQuery
    media_type: str
    name: str

    @property
    @override
    def rows(self) -> int:
        return self.query.rows

    @property
    @override
    def overflow(self) -> bool:
        return self.query.overflow

    @override
    def produce_outputs(self) -> Iterator[JobOutput]:
        yield JobOutput("result", self.media_type, self.name, self._produce_answer())

    def _produce_answer(self) -> Iterable[bytes]:
        """Yield the chunks of the answer.

        Raises the error that ended it, also where the output format reports it in its last bytes.
        """
        yield from self.query.start()
        if self.query.failure is not None:
            raise self.query.failure

    @override
    def stop(self) -> None:
        self.query.cancel()

    @override
    def progress(self) -> float | None:
        return self.query.progress()


TaskFactory = Callable[[Job], Task]
"""Creates the task of a job from its parameters. Raises ServiceError for invalid parameters."""

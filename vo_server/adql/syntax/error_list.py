"""Several faults of one query, told together."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from vo_server.errors import QueryError

MAX_TOLD = 10
"""Faults that are told of one query."""


class Ambiguous(QueryError):
    """A name that could mean more than one thing."""


class AlreadyTold(QueryError):
    """What cannot be said, for it comes of a fault that has been told."""


class Faults:
    """Faults as they are met. What is done `with` it may fail, and all else goes on."""

    def __init__(self) -> None:
        self.met: list[QueryError] = []
        self.count = 0

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(fault, QueryError):
            return False
        self.count += 1
        if not isinstance(fault, AlreadyTold):
            self.met.append(fault)
        return True

    def since(self, count: int) -> None:
        """Raises AlreadyTold where a fault has been met since there were `count`."""
        if self.count > count:
            raise AlreadyTold("a part of the query is not known")


def together(faults: Sequence[QueryError]) -> QueryError:
    """Several faults of one query as one, in the order of the text, each sentence once for a place."""
    ordered = sorted(faults, key=lambda fault: fault.span.start if fault.span else 0)
    first, *further = {(fault.span, fault.message): fault for fault in ordered}.values()
    first.other_errors = tuple(further[: MAX_TOLD - 1])
    return first

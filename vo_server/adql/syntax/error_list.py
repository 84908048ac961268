"""Several faults of one query, told together."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from vo_server.errors import QueryError

MAX_ERRORS = 10
"""Faults that are told of one query."""


class AmbiguousNameError(QueryError):
    """A name that could mean more than one thing."""


class SuppressedError(QueryError):
    """What cannot be said, for it comes of a fault that has been told."""


class ErrorCollector:
    """Faults as they are met. What is done `with` it may fail, and all else goes on."""

    def __init__(self) -> None:
        self.errors: list[QueryError] = []
        self.count = 0

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(fault, QueryError):
            return False
        self.count += 1
        if not isinstance(fault, SuppressedError):
            self.errors.append(fault)
        return True

    def raise_if_new(self, count: int) -> None:
        """Raises AlreadyTold where a fault has been met since there were `count`."""
        if self.count > count:
            raise SuppressedError("a part of the query is not known")


def combine(errors: Sequence[QueryError]) -> QueryError:
    """Several faults of one query as one, in the order of the text, each sentence once for a place."""
    ordered = sorted(errors, key=lambda fault: fault.span.start if fault.span else 0)
    first, *further = {(fault.span, fault.message): fault for fault in ordered}.values()
    first.other_errors = tuple(further[: MAX_ERRORS - 1])
    return first

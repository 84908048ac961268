"""Collection of several errors of one query, to report them together."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from vo_server.errors import Code, QueryError

MAX_ERRORS = 10
"""Errors that are reported of one query."""


class AmbiguousNameError(QueryError):
    """A name that could mean more than one thing."""

    default_code = Code.ADQL_AMBIGUOUS_NAME


class SuppressedError(QueryError):
    """An error that is not reported, because it follows from one that is."""


class ErrorCollector:
    """The errors of a query as they occur: a QueryError in a `with` block is collected, and the work goes on.

    `count` includes suppressed errors, `errors` does not.
    """

    def __init__(self) -> None:
        self.errors: list[QueryError] = []
        self.count = 0

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, QueryError):
            return False
        self.count += 1
        if not isinstance(error, SuppressedError):
            self.errors.append(error)
        return True

    def raise_if_new(self, count: int) -> None:
        """Raise SuppressedError if an error has been collected since there were `count`."""
        if self.count > count:
            raise SuppressedError("a part of the query is not known")


def combine(errors: Sequence[QueryError]) -> QueryError:
    """Return several errors of one query as one, in the order of the text, each message once for a span."""
    ordered = sorted(errors, key=lambda error: error.span.start if error.span else 0)
    first, *others = {(error.span, error.message): error for error in ordered}.values()
    first.other_errors = tuple(others[: MAX_ERRORS - 1])
    return first

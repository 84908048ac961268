"""What can go wrong, and the face each fault shows to a client.

Each class carries its HTTP status, the word that DALI and its children put first in an error text
(DALI 1.1 section 4.2, SIA 2.0 section 3.2, DataLink 1.1 section 3.4) and a stable code for tests and logs.
This room knows no HTTP library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from typing_extensions import override

AROUND = 100
"""Characters that are shown before and after a place."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a text, as character offsets: `start` is its first character, `end` the one after its last."""

    start: int
    end: int

    def line_column(self, text: str) -> tuple[int, int]:
        """Line and column of the start, both counted from 1."""
        before = text[: self.start]
        return before.count("\n") + 1, self.start - (before.rfind("\n") + 1) + 1

    def caret(self, text: str, around: int = AROUND) -> str:
        """The line of the text that holds the start and, below it, carets under the stretch.

        Of a long line only so many characters before and after the place are shown.
        """
        begin = text.rfind("\n", 0, self.start) + 1
        end = text.find("\n", self.start)
        end = len(text) if end < 0 else end
        first, last = max(begin, self.start - around), min(end, self.start + around)
        lead = text[first : self.start]
        pad = "".join("\t" if c == "\t" else " " for c in lead)
        width = max(1, min(self.end, last) - self.start)
        return f"{text[first:last]}\n{pad}{'^' * width}"


class Fault(Exception):
    """Anything that is told to a client instead of an answer."""

    status: ClassVar[int] = 500
    word: ClassVar[str] = "FatalFault"
    code: ClassVar[str] = "FATAL"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @override
    def __str__(self) -> str:
        """The message and, when there is one, the hint, in one paragraph."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def told(self) -> dict[str, Any]:
        """What a program wants to know of it, by name; what is not known is left out."""
        return {"code": self.code, "message": self.message} | ({"hint": self.hint} if self.hint else {})


class UsageFault(Fault):
    """The request is not one that this service can answer: the client must change it."""

    status = 400
    word = "UsageFault"
    code = "USAGE"


class QueryFault(UsageFault):
    """A query that does not parse or does not make sense, with the place in its text.

    `further` are other faults of the same query, each with a place of its own and nothing further.
    """

    code = "QUERY"

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        place: Place | None = None,
        hint: str | None = None,
        further: tuple[QueryFault, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.text = text
        self.place = place
        self.further = further

    def within(self, text: str) -> QueryFault:
        """Itself, now that the text is known in which its places lie."""
        for fault in (self, *self.further):
            fault.text = fault.text or text
        return self

    @override
    def __str__(self) -> str:
        """Line and column, message and hint, and carets under the place; each further fault after an empty line."""
        return "\n\n".join((self._alone(), *map(str, self.further)))

    def _alone(self) -> str:
        said = super().__str__()
        if self.place is None or not self.text:
            return said
        line, column = self.place.line_column(self.text)
        return f"Line {line}, column {column}: {said}\n{self.place.caret(self.text)}"

    @override
    def told(self) -> dict[str, Any]:
        """With line and column, both from 1, where the place is known; where there are further faults, with `errors`,
        which are all of them, itself first."""
        said = super().told()
        if self.place is not None:
            said["line"], said["column"] = self.place.line_column(self.text)
        return said | ({"errors": [dict(said), *(f.told() for f in self.further)]} if self.further else {})


class MultiValuedParamFault(UsageFault):
    """A parameter that may come once came several times (DALI 1.1 section 3.2)."""

    code = "REPEATED"


class NotFoundFault(UsageFault):
    """What was asked for by name is not here."""

    status = 404
    word = "NotFoundFault"
    code = "NOTFOUND"


class MethodFault(UsageFault):
    """The resource does not know this HTTP method (VOSI 1.1 section 2)."""

    status = 405
    code = "METHOD"


class PhaseFault(UsageFault):
    """The job is past the phase in which this could be done (UWS 1.1 section 2.2)."""

    status = 403
    code = "PHASE"


class TooLargeFault(UsageFault):
    """What was sent is larger than the limit that the service announces."""

    status = 413
    code = "TOOLARGE"


class TimeoutFault(Fault):
    """The query took longer than the limit that the service announces."""

    status = 400
    word = "UsageFault"
    code = "TIMEOUT"


class CancelledFault(Fault):
    """The client went away or aborted the query."""

    status = 499
    code = "CANCELLED"


class BusyFault(Fault):
    """The service cannot take this now; the same request may go through `after` so many seconds."""

    status = 503
    word = "TransientFault"
    code = "BUSY"

    def __init__(self, message: str, *, hint: str | None = None, after: int = 10) -> None:
        super().__init__(message, hint=hint)
        self.after = after


class EngineFault(Fault):
    """The database failed; what it said goes to the log and not to the client."""

    code = "ENGINE"


class LoadFault(Fault):
    """Input that cannot be loaded: names the file, the line and the column."""

    code = "LOAD"


class CatalogueFault(Fault):
    """A catalogue file that contradicts itself or the standards."""

    code = "CATALOGUE"


class NoPixelsFault(UsageFault):
    """What was asked for lies outside of the image: no error, but nothing to send (SODA 1.0 section 5.1)."""

    status = 204
    code = "NOPIXELS"


class ImageFault(Fault):
    """An image file that is none that can be read; its path is not told."""

    code = "IMAGE"


class MissingImageFault(ImageFault):
    """An image file that is not where the inventory says."""

    status = 404
    word = "NotFoundFault"
    code = "NOIMAGE"


def retold(code: str, message: str) -> Fault:
    """A fault of which the code and the message were kept."""
    return _BY_CODE.get(code, Fault)(message)


_BY_CODE: dict[str, type[Fault]] = {
    kind.code: kind
    for kind in (
        UsageFault,
        QueryFault,
        MultiValuedParamFault,
        NotFoundFault,
        MethodFault,
        PhaseFault,
        TooLargeFault,
        TimeoutFault,
        CancelledFault,
        BusyFault,
        EngineFault,
        NoPixelsFault,
        ImageFault,
        MissingImageFault,
    )
}

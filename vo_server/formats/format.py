"""What an output format is: one record, from which RESPONSEFORMAT and the capabilities take all they say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vo_server.errors import ServiceError
from vo_server.model.result import Info, Result

Write = Callable[[Result], Iterator[bytes]]
Explain = Callable[[ServiceError, Sequence[Info]], bytes]


@dataclass(frozen=True, slots=True)
class Format:
    """How a result becomes bytes, and under which names it is asked for (DALI 1.1 section 3.4.3).

    `media_type` is the one that is announced and sent, with the parameters that tell it from its sisters.
    `aliases` are further names that mean this format alone; `family` are names and bare media types that it shares
    with others, of which the default of the service answers first. `parameters` are the media type's parameters that
    a client may give, each with the values that change nothing (none named: any value).

    `write` takes batches whose first is known to come: whatever is raised by a later one ends the document as the
    format can. `fault` is the whole document that takes a result's place, of the type `fault_type`.
    """

    name: str
    label: str
    media_type: str
    extension: str
    write: Write
    fault: Explain
    fault_type: str
    aliases: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    required: tuple[tuple[str, str], ...] = ()
    ivoa_id: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A format and the Content-Type under which the client wants it."""

    format: Format
    content_type: str

    @property
    def fault_type(self) -> str:
        """The Content-Type of an error document in the place of this answer."""
        return self.content_type if self.format.fault_type == self.format.media_type else self.format.fault_type

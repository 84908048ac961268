"""The record of an output format, from which RESPONSEFORMAT, capabilities and documentation are derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vo_server.errors import ServiceError
from vo_server.model.result import Info, Result

Writer = Callable[[Result], Iterator[bytes]]
ErrorWriter = Callable[[ServiceError, Sequence[Info]], bytes]


@dataclass(frozen=True, slots=True)
class Format:
    """An output format: its writers and the names under which clients select it (DALI 1.1 section 3.4.3).

    `media_type` is announced and sent, with the parameters that distinguish it from related formats.
    `aliases` are further names of this format alone; `family` are names and bare media types that it shares with
    other formats: they select the default of the service, or else the first. `parameters` are the parameters of the
    media type that a client may give, each with the values that change nothing (none listed: any value).
    `page_label` is the text of links to the format on web pages; without one there are none.
    `required` are parameters that the Content-Type always has.

    `write` takes a result whose first batch has been read, so that an error of the query comes before the first byte;
    an error of a later batch ends the document as the format allows. `error_document` is a whole document in place
    of a result, of the type `error_media_type`.
    """

    name: str
    label: str
    media_type: str
    extension: str
    write: Writer
    error_document: ErrorWriter
    error_media_type: str
    aliases: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    required: tuple[tuple[str, str], ...] = ()
    ivoa_id: str | None = None
    page_label: str | None = None


@dataclass(frozen=True, slots=True)
class FormatChoice:
    """A selected format and the Content-Type of the response."""

    format: Format
    content_type: str

    @property
    def error_content_type(self) -> str:
        """The Content-Type of an error document in place of the result."""
        return (
            self.content_type
            if self.format.error_media_type == self.format.media_type
            else self.format.error_media_type
        )

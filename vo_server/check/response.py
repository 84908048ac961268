"""Responses of a service: documents and tables, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import httpx
from lxml import etree

from vo_server.check import votable

Element: TypeAlias = etree._Element


class CheckSkipped(Exception):
    """The check does not apply here; the text gives the reason."""


class NoResponse(Exception):
    """The service did not return what was requested: the URL or query, and the reason."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where, self.what = where, what


@dataclass(frozen=True, slots=True)
class ProbeResponse:
    """A response with its decompressed body, and the method and URL of the request."""

    method: str
    url: str
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode("utf-8", "replace")

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        return str(self.headers.get("content-type", ""))

    @property
    def media_type(self) -> str:
        """The media type without its parameters."""
        return self.content_type.partition(";")[0].strip().lower()

    def require_ok(self) -> ProbeResponse:
        """Return the response itself.

        Raises NoResponse for any other status than 200.
        """
        if self.status != 200:
            raise NoResponse(self.url, f"status {self.status}: {self.summary}")
        return self

    @property
    def summary(self) -> str:
        """The response in one line."""
        text = votable.error_message(self.body) or " ".join(self.text.split())
        return text[:200]


def parse_xml(body: bytes) -> Element:
    """Parse a document; external entities are not fetched.

    Raises etree.XMLSyntaxError.
    """
    return etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def read_table(response: ProbeResponse) -> votable.VOTable:
    """Return the table of a response.

    Raises NoResponse where there is none.
    """
    try:
        return votable.read(response.body)
    except votable.InvalidVOTable as error:
        raise NoResponse(response.url, str(error)) from None

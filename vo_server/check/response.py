"""What comes back from a service: answers, documents and tables, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import httpx
from lxml import etree

from vo_server.check import votable

Element: TypeAlias = etree._Element


class Skipped(Exception):
    """This cannot be looked at here; the text says why."""


class NoAnswer(Exception):
    """The service did not give what was asked for: where, and what came instead."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where, self.what = where, what


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, its body unpacked, and by which method and at which URL it was asked for."""

    method: str
    url: str
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def type(self) -> str:
        """The Content-Type as it came."""
        return str(self.headers.get("content-type", ""))

    @property
    def essence(self) -> str:
        """The media type without its parameters."""
        return self.type.partition(";")[0].strip().lower()

    def good(self) -> Answer:
        """Itself, where it is what was asked for.

        Raises NoAnswer for any other status than 200.
        """
        if self.status != 200:
            raise NoAnswer(self.url, f"status {self.status}: {self.gist}")
        return self

    @property
    def gist(self) -> str:
        """What it says, in a line."""
        said = votable.message(self.body) or " ".join(self.text.split())
        return said[:200]


def parsed(body: bytes) -> Element:
    """A document; nothing that it names is fetched.

    Raises etree.XMLSyntaxError.
    """
    return etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def table_of(answer: Answer) -> votable.Table:
    """The table of an answer.

    Raises NoAnswer where there is none.
    """
    try:
        return votable.read(answer.body)
    except votable.Unreadable as error:
        raise NoAnswer(answer.url, str(error)) from None

"""What asks a service, one request at a time: what was asked once is kept, and nothing is read without an end.

A probe knows what any client may know, which is a URL. Where the service runs in this process, `inside` says so: then
nothing that must come back through the network can be tried.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from lxml import etree

from vo_server.check import votable
from vo_server.check.response import (
    Answer,
    Element,
    NoAnswer,
    Skipped,
    parsed,
    table_of,
)
from vo_server.check.tables import Keys, Said, Schemas, bare, tables_of, tap_schema_of

TAP = "ivo://ivoa.net/std/TAP"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

LONG = 2_000
"""Characters of a query that fits into a URL wherever it passes."""

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a check may ask for: seconds for an answer, bytes of one, rows of one, bytes that are sent; and how many
    tables are queried one by one. Of servers of other software it asks for a tenth of the rows and bytes."""

    seconds: float = 60.0
    tables: int = 300
    answer: int = 256_000_000
    rows: int = 1_100_000
    upload: int = 128_000_000


@dataclass(frozen=True, slots=True)
class Offer:
    """A capability with the URL of its standard interface and of the document that says so."""

    standard: str
    url: str
    element: Element
    document: str

    @property
    def base(self) -> str:
        """The URL that parameters are appended to."""
        return self.url.rstrip("?&")

    @property
    def service(self) -> str:
        """The URL that /capabilities is below of."""
        return self.document.removesuffix("/capabilities")


@dataclass
class Probe:
    """A service and what is known of it by now.

    `url` is that of a TAP service or of a server that has one; `paths` are where further services may be below the
    server; `schemas` is None where there are no XML schemas. `elsewhere` follows links to other servers.
    """

    client: httpx.Client
    url: str
    paths: Sequence[str] = ()
    schemas: Schemas | None = None
    bounds: Bounds = Bounds()
    inside: bool = False
    elsewhere: bool = False
    seen: list[Answer] = field(default_factory=list)
    _kept: dict[Any, Answer] = field(default_factory=dict)

    # -------------------------------------------------------------- asking

    def get(self, url: str, params: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None) -> Answer:
        """A GET, which is made once."""
        return self._once("GET", url, params, headers or {})

    def head(self, url: str) -> Answer:
        """The head alone."""
        return self._once("HEAD", url, (), {})

    def _once(self, method: str, url: str, params: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Answer:
        key = (method, url, tuple(params), tuple(sorted(headers.items())))
        if key not in self._kept:
            more = {"params": list(params)} if params else {}
            self._kept[key] = self.ask(method, url, headers=dict(headers), **more)
        return self._kept[key]

    def ask(self, method: str, url: str, **more: Any) -> Answer:
        """Any request, made anew; redirects are followed for GET alone.

        Raises NoAnswer where none comes in time, or one without an end.
        """
        until = time.monotonic() + self.bounds.seconds
        try:
            with self.client.stream(method, url, follow_redirects=method == "GET", **more) as answer:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > self.bounds.answer:
                        raise NoAnswer(url, f"the answer has more than {self.bounds.answer:,} bytes")
                    if time.monotonic() > until:
                        raise NoAnswer(url, f"the answer was not there after {self.bounds.seconds:g} s")
                made = Answer(method, str(answer.url), answer.status_code, answer.headers, bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(url, f"no answer: {error or type(error).__name__}") from None
        self.seen.append(Answer(made.method, made.url, made.status, made.headers, made.body[:100_000]))
        return made

    def query(self, adql: str, *more: tuple[str, str]) -> Answer:
        """An ADQL query, by GET if it is not longer than URLs may be."""
        url, form = f"{self.tap}/sync", (("LANG", "ADQL"), *more, ("QUERY", adql))
        if len(adql) <= LONG:
            return self.get(url, form)
        key = ("POST", url, form)
        if key not in self._kept:
            body = urlencode(form).encode()
            self._kept[key] = self.ask("POST", url, content=body, headers=FORM)
        return self._kept[key]

    def rows(self, adql: str, *more: tuple[str, str]) -> votable.Table:
        """The table that a query gives.

        Raises NoAnswer where it gives none.
        """
        answer = self.query(adql, *more)
        fault = votable.message(answer.body) if answer.status == 200 else answer.gist
        if fault:
            raise NoAnswer(adql, fault)
        return table_of(answer)

    # --------------------------------------------------------- what is known

    @cached_property
    def tap(self) -> str:
        """The base URL of the TAP service, as it was asked for.

        Raises Skipped where there is none.
        """
        for url in (self.url.rstrip("/"), f"{self.url.rstrip('/')}/tap"):
            answer = self.get(f"{url}/capabilities")
            if answer.status == 200 and b"capabilit" in answer.body[:1_000]:
                return url
        raise Skipped(f"there is no TAP service at {self.url}")

    @cached_property
    def root(self) -> str:
        """The URL of the server, if further services may be asked for below it.

        Raises Skipped for a TAP service alone.
        """
        if self.tap == self.url.rstrip("/") and not self.ours:
            raise Skipped("only the TAP service was asked for")
        return self.tap.removesuffix("/tap")

    @cached_property
    def ours(self) -> bool:
        """Is it a server of this software?"""
        answer = self.get(f"{self.tap}/availability")
        return self.inside or answer.headers.get("server", "").startswith("vo_server")

    def tree(self, url: str) -> Element:
        """The document at a URL.

        Raises Skipped where there is none that can be read: XML-WELL-1 and VOSI-STATUS-1 tell of that.
        """
        answer = self.get(url)
        try:
            if answer.status == 200:
                return parsed(answer.body)
        except etree.XMLSyntaxError:
            pass
        raise Skipped(f"{url} is not there or cannot be read")

    @cached_property
    def services(self) -> tuple[str, ...]:
        """The URLs of the services that have capabilities."""
        found = [self.tap]
        try:
            below = [f"{self.root}/{path}" for path in self.paths]
        except Skipped:
            below = []
        return (*found, *(url for url in below if url != self.tap and self.get(f"{url}/capabilities").status == 200))

    @cached_property
    def offers(self) -> tuple[Offer, ...]:
        """All capabilities of all services."""
        return tuple(offer for service in self.services for offer in self._offers(f"{service}/capabilities"))

    def _offers(self, document: str) -> tuple[Offer, ...]:
        try:
            root = self.tree(document)
        except Skipped:
            return ()
        return tuple(
            Offer(capability.get("standardID", ""), url.strip(), capability, document)
            for capability in root.findall("capability")
            for url in (_url(capability),)
            if url
        )

    def offered(self, standard: str) -> tuple[Offer, ...]:
        """The capabilities of a standard.

        Raises Skipped where there are none.
        """
        found = tuple(o for o in self.offers if o.standard.lower() == standard.lower())
        if not found:
            raise Skipped(f"no capability {standard}")
        return found

    @cached_property
    def access(self) -> Element:
        """The capability of TAP."""
        found = [o.element for o in self.offers if o.standard == TAP and o.service == self.tap]
        if not found:
            raise Skipped("the capabilities tell of no TAP")
        return found[0]

    @cached_property
    def tables(self) -> tuple[Said, ...]:
        """What /tables says."""
        return tables_of(self.tree(f"{self.tap}/tables"))

    @cached_property
    def tap_schema(self) -> tuple[Said, ...]:
        """What TAP_SCHEMA says."""
        return tap_schema_of(self.rows)

    @cached_property
    def keys(self) -> Keys:
        """The foreign keys that TAP_SCHEMA tells."""
        return Keys.read(self.rows)

    @cached_property
    def unloaded(self) -> frozenset[str]:
        """The tables that availability itself says are empty as yet."""
        said = self.get(f"{self.tap}/availability").text
        return frozenset(
            t.name for t in self.tap_schema if any(f"{n} has not been loaded" in said for n in (t.name, bare(t.name)))
        )

    @cached_property
    def filled(self) -> tuple[Said, ...]:
        """The tables of TAP_SCHEMA that there should be rows in, as many as may be queried one by one."""
        return tuple(t for t in self.tap_schema if t.name not in self.unloaded)[: self.bounds.tables]

    @cached_property
    def most_rows(self) -> int:
        """Rows that are asked for at the most."""
        return self.bounds.rows if self.ours else self.bounds.rows // 10

    @cached_property
    def most_sent(self) -> int:
        """Bytes that are sent at the most."""
        return self.bounds.upload if self.ours else self.bounds.upload // 10

    def own(self, url: str) -> bool:
        """Is this URL of the server that is asked?"""
        return urlsplit(url).netloc == urlsplit(self.tap).netloc


def _url(capability: Element) -> str:
    """That of the standard interface, or of the first one."""
    urls = capability.xpath("interface[@role='std']/accessURL/text()") + capability.xpath("interface/accessURL/text()")
    return str(urls[0]) if urls else ""

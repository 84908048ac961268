"""A client that requests each resource of a service once, within limits of time and size.

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
    CheckSkipped,
    Element,
    NoResponse,
    ProbeResponse,
    parse_xml,
    read_table,
)
from vo_server.check.tables import DeclaredTable, ForeignKeys, Schemas, normalise_name, read_tables, read_tap_schema

TAP_ID = "ivo://ivoa.net/std/TAP"
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}

MAX_URL_CHARACTERS = 2_000
"""Characters of a query that fits into a URL wherever it passes."""

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """Limits of the requests of a check: timeout, response size, rows, sent bytes, and the number of tables that are
    queried one by one."""

    timeout_seconds: float = 60.0
    tables: int = 300
    response_bytes: int = 256_000_000
    rows: int = 1_100_000
    upload_bytes: int = 128_000_000


@dataclass(frozen=True, slots=True)
class DeclaredCapability:
    """A capability with the URL of its standard interface and of the document that declares it."""

    standard: str
    url: str
    element: Element
    document: str

    @property
    def base_url(self) -> str:
        """The URL that parameters are appended to."""
        return self.url.rstrip("?&")

    @property
    def service_url(self) -> str:
        """The URL that /capabilities is appended to."""
        return self.document.removesuffix("/capabilities")


@dataclass
class Probe:
    """A service and what is known of it by now.

    `url` is that of a TAP service or of a server that has one; `paths` are where further services may be below the
    server; `schemas` is None where there are no XML schemas. `network` follows links to other servers.
    """

    client: httpx.Client
    url: str
    paths: Sequence[str] = ()
    schemas: Schemas | None = None
    limits: ProbeLimits = ProbeLimits()
    in_process: bool = False
    network: bool = False
    responses: list[ProbeResponse] = field(default_factory=list)
    _cache: dict[Any, ProbeResponse] = field(default_factory=dict)

    # -------------------------------------------------------------- asking

    def get(
        self, url: str, params: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> ProbeResponse:
        """Send a GET request; the response is cached."""
        return self._request_cached("GET", url, params, headers or {})

    def head(self, url: str) -> ProbeResponse:
        """Send a HEAD request; the response is cached."""
        return self._request_cached("HEAD", url, (), {})

    def _request_cached(
        self, method: str, url: str, params: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> ProbeResponse:
        key = (method, url, tuple(params), tuple(sorted(headers.items())))
        if key not in self._cache:
            more = {"params": list(params)} if params else {}
            self._cache[key] = self.request(method, url, headers=dict(headers), **more)
        return self._cache[key]

    def request(self, method: str, url: str, **more: Any) -> ProbeResponse:
        """Send a request without the cache; redirects are followed for GET only.

        Raises NoResponse where none comes in time, or one without an end.
        """
        until = time.monotonic() + self.limits.timeout_seconds
        try:
            with self.client.stream(method, url, follow_redirects=method == "GET", **more) as answer:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > self.limits.response_bytes:
                        raise NoResponse(url, f"the answer has more than {self.limits.response_bytes:,} bytes")
                    if time.monotonic() > until:
                        raise NoResponse(url, f"the answer was not there after {self.limits.timeout_seconds:g} s")
                made = ProbeResponse(method, str(answer.url), answer.status_code, answer.headers, bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoResponse(url, f"no answer: {error or type(error).__name__}") from None
        self.responses.append(ProbeResponse(made.method, made.url, made.status, made.headers, made.body[:100_000]))
        return made

    def query(self, adql: str, *more: tuple[str, str]) -> ProbeResponse:
        """Run an ADQL query, by GET if the URL is short enough."""
        url, form = f"{self.tap_url}/sync", (("LANG", "ADQL"), *more, ("QUERY", adql))
        if len(adql) <= MAX_URL_CHARACTERS:
            return self.get(url, form)
        key = ("POST", url, form)
        if key not in self._cache:
            body = urlencode(form).encode()
            self._cache[key] = self.request("POST", url, content=body, headers=FORM_HEADERS)
        return self._cache[key]

    def query_table(self, adql: str, *more: tuple[str, str]) -> votable.VOTable:
        """Run an ADQL query and return its table.

        Raises NoResponse where it gives none.
        """
        answer = self.query(adql, *more)
        fault = votable.error_message(answer.body) if answer.status == 200 else answer.summary
        if fault:
            raise NoResponse(adql, fault)
        return read_table(answer)

    # --------------------------------------------------------- what is known

    @cached_property
    def tap_url(self) -> str:
        """The base URL of the TAP service, as requested.

        Raises CheckSkipped where there is none.
        """
        for url in (self.url.rstrip("/"), f"{self.url.rstrip('/')}/tap"):
            answer = self.get(f"{url}/capabilities")
            if answer.status == 200 and b"capabilit" in answer.body[:1_000]:
                return url
        raise CheckSkipped(f"there is no TAP service at {self.url}")

    @cached_property
    def root_url(self) -> str:
        """The URL of the server, if further services can be requested below it.

        Raises CheckSkipped for a TAP service alone.
        """
        if self.tap_url == self.url.rstrip("/") and not self.is_vo_server:
            raise CheckSkipped("only the TAP service was asked for")
        return self.tap_url.removesuffix("/tap")

    @cached_property
    def is_vo_server(self) -> bool:
        """Whether the server runs this software."""
        answer = self.get(f"{self.tap_url}/availability")
        return self.in_process or answer.headers.get("server", "").startswith("vo_server")

    def parse_document(self, url: str) -> Element:
        """Return the XML document at a URL.

        Raises CheckSkipped where there is none that can be read: XML-WELL-1 and VOSI-STATUS-1 tell of that.
        """
        answer = self.get(url)
        try:
            if answer.status == 200:
                return parse_xml(answer.body)
        except etree.XMLSyntaxError:
            pass
        raise CheckSkipped(f"{url} is not there or cannot be read")

    @cached_property
    def service_urls(self) -> tuple[str, ...]:
        """The URLs of the services that have capabilities."""
        found = [self.tap_url]
        try:
            below = [f"{self.root_url}/{path}" for path in self.paths]
        except CheckSkipped:
            below = []
        return (
            *found,
            *(url for url in below if url != self.tap_url and self.get(f"{url}/capabilities").status == 200),
        )

    @cached_property
    def capabilities(self) -> tuple[DeclaredCapability, ...]:
        """All capabilities of all services."""
        return tuple(
            offer for service in self.service_urls for offer in self._read_capabilities(f"{service}/capabilities")
        )

    def _read_capabilities(self, document: str) -> tuple[DeclaredCapability, ...]:
        try:
            root = self.parse_document(document)
        except CheckSkipped:
            return ()
        return tuple(
            DeclaredCapability(capability.get("standardID", ""), url.strip(), capability, document)
            for capability in root.findall("capability")
            for url in (_standard_url(capability),)
            if url
        )

    def capabilities_of(self, standard: str) -> tuple[DeclaredCapability, ...]:
        """Return the capabilities of a standard.

        Raises CheckSkipped where there are none.
        """
        found = tuple(o for o in self.capabilities if o.standard.lower() == standard.lower())
        if not found:
            raise CheckSkipped(f"no capability {standard}")
        return found

    @cached_property
    def tap_capability(self) -> Element:
        """The capability of TAP."""
        found = [o.element for o in self.capabilities if o.standard == TAP_ID and o.service_url == self.tap_url]
        if not found:
            raise CheckSkipped("the capabilities tell of no TAP")
        return found[0]

    @cached_property
    def tables(self) -> tuple[DeclaredTable, ...]:
        """The tables of /tables."""
        return read_tables(self.parse_document(f"{self.tap_url}/tables"))

    @cached_property
    def tap_schema(self) -> tuple[DeclaredTable, ...]:
        """The tables of TAP_SCHEMA."""
        return read_tap_schema(self.query_table)

    @cached_property
    def keys(self) -> ForeignKeys:
        """The foreign keys of TAP_SCHEMA."""
        return ForeignKeys.read(self.query_table)

    @cached_property
    def unloaded_tables(self) -> frozenset[str]:
        """The tables that availability declares as not loaded."""
        said = self.get(f"{self.tap_url}/availability").text
        return frozenset(
            t.name
            for t in self.tap_schema
            if any(f"{n} has not been loaded" in said for n in (t.name, normalise_name(t.name)))
        )

    @cached_property
    def queryable_tables(self) -> tuple[DeclaredTable, ...]:
        """The tables of TAP_SCHEMA that should have rows, as many as may be queried one by one."""
        return tuple(t for t in self.tap_schema if t.name not in self.unloaded_tables)[: self.limits.tables]

    @cached_property
    def max_rows(self) -> int:
        """The maximum number of rows to request."""
        return self.limits.rows if self.is_vo_server else self.limits.rows // 10

    @cached_property
    def max_sent_bytes(self) -> int:
        """The maximum number of bytes to send."""
        return self.limits.upload_bytes if self.is_vo_server else self.limits.upload_bytes // 10

    def is_own_url(self, url: str) -> bool:
        """Tell whether a URL belongs to the tested server."""
        return urlsplit(url).netloc == urlsplit(self.tap_url).netloc


def _standard_url(capability: Element) -> str:
    """Return the URL of the standard interface, or else of the first one."""
    urls = capability.xpath("interface[@role='std']/accessURL/text()") + capability.xpath("interface/accessURL/text()")
    return str(urls[0]) if urls else ""

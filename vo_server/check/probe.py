"""A client that requests each resource of a service once, within limits of time and size.

A probe knows only the URL of the service, as any client does. `in_process` tells that the service runs in this process:
then it cannot fetch anything from itself through the network, and checks that need this are skipped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
"""Characters of the longest query that is sent in a URL; longer ones are posted, as proxies limit URLs."""

RECORDED_BYTES = 100_000
"""Bytes of each response that are recorded for the checks of all responses."""

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
    """A client of one service, with the responses and the metadata that it has fetched so far.

    `url` is the URL of a TAP service or of a server that has one. `paths` are the paths below the server where further
    services may be. `schemas` is None where there are no XML schemas. `in_process` means that the service runs in this
    process, `network` that links to other servers are followed.
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

    # ------------------------------------------------------------ requests

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

        Raises NoResponse where none arrives in time, and for a response that exceeds the size limit.
        """
        until = time.monotonic() + self.limits.timeout_seconds
        try:
            with self.client.stream(method, url, follow_redirects=method == "GET", **more) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > self.limits.response_bytes:
                        raise NoResponse(url, f"the response exceeds {self.limits.response_bytes:,} bytes")
                    if time.monotonic() > until:
                        raise NoResponse(url, f"the response is not complete after {self.limits.timeout_seconds:g} s")
                result = ProbeResponse(method, str(response.url), response.status_code, response.headers, bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoResponse(url, f"no response: {error or type(error).__name__}") from None
        self.responses.append(replace(result, body=result.body[:RECORDED_BYTES]))
        return result

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

        Raises NoResponse where the response is an error or has no table.
        """
        response = self.query(adql, *more)
        message = votable.error_message(response.body) if response.status == 200 else response.summary
        if message:
            raise NoResponse(adql, message)
        return read_table(response)

    # ----------------------------------------------------------- metadata

    @cached_property
    def tap_url(self) -> str:
        """The base URL of the TAP service, as requested.

        Raises CheckSkipped where there is none.
        """
        for url in (self.url.rstrip("/"), f"{self.url.rstrip('/')}/tap"):
            response = self.get(f"{url}/capabilities")
            if response.status == 200 and b"capabilit" in response.body[:1_000]:
                return url
        raise CheckSkipped(f"there is no TAP service at {self.url}")

    @cached_property
    def root_url(self) -> str:
        """The URL of the server, if further services can be requested below it.

        Raises CheckSkipped for a TAP service alone.
        """
        if self.tap_url == self.url.rstrip("/") and not self.is_vo_server:
            raise CheckSkipped("the URL is that of a TAP service alone")
        return self.tap_url.removesuffix("/tap")

    @cached_property
    def is_vo_server(self) -> bool:
        """Whether the server runs this software."""
        response = self.get(f"{self.tap_url}/availability")
        return self.in_process or response.headers.get("server", "").startswith("vo_server")

    def parse_document(self, url: str) -> Element:
        """Return the XML document at a URL.

        Raises CheckSkipped where it is missing or not well-formed, which VOSI-STATUS-1 and XML-WELL-1 report.
        """
        response = self.get(url)
        try:
            if response.status == 200:
                return parse_xml(response.body)
        except etree.XMLSyntaxError:
            pass
        raise CheckSkipped(f"{url} does not exist or is not well-formed")

    @cached_property
    def service_urls(self) -> tuple[str, ...]:
        """The URLs of the services that have capabilities."""
        try:
            others = [f"{self.root_url}/{path}" for path in self.paths]
        except CheckSkipped:
            others = []
        return (
            self.tap_url,
            *(url for url in others if url != self.tap_url and self.get(f"{url}/capabilities").status == 200),
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
        matches = tuple(o for o in self.capabilities if o.standard.lower() == standard.lower())
        if not matches:
            raise CheckSkipped(f"no capability {standard} is declared")
        return matches

    @cached_property
    def tap_capability(self) -> Element:
        """The capability of TAP."""
        elements = [o.element for o in self.capabilities if o.standard == TAP_ID and o.service_url == self.tap_url]
        if not elements:
            raise CheckSkipped("the capabilities do not declare TAP")
        return elements[0]

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
        notes = self.get(f"{self.tap_url}/availability").text
        return frozenset(
            t.name
            for t in self.tap_schema
            if any(f"{n} has not been loaded" in notes for n in (t.name, normalise_name(t.name)))
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

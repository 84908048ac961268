"""Links of pages, records and responses to this server and, on request, to others."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin

from lxml import etree, html

from vo_server.check.checks.registry import iterate_pages
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped, NoResponse

MAX_LINKS = 200
"""Links that are tried."""


def _page_links(probe: Probe) -> Iterator[tuple[str, str]]:
    """Yield the page of each link, and its target."""
    for url in (f"{probe.root_url}/", f"{probe.tap_url}/examples"):
        answer = probe.get(url)
        if answer.status == 200 and answer.media_type in ("text/html", "application/xhtml+xml"):
            for link in html.fromstring(answer.body).xpath("//@href | //@src"):
                yield url, urldefrag(urljoin(url, str(link))).url


def _record_links(probe: Probe) -> Iterator[tuple[str, str]]:
    try:
        for _, root in iterate_pages(probe):
            for record in root.iter("{*}record"):
                id = record.findtext(".//identifier") or ""
                for path in ("referenceURL", "footprint", "rights/@rightsURI", "logo"):
                    yield from ((id, str(url)) for url in _find_texts(record, path))
    except (CheckSkipped, NoResponse):
        return


def _find_texts(record: etree._Element, path: str) -> list[str]:
    return [str(getattr(found, "text", found) or "").strip() for found in record.xpath(f".//{path}")]


def _all_links(probe: Probe) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for where, url in (*_page_links(probe), *_record_links(probe)):
        if url.startswith(("http://", "https://")):
            found.setdefault(url, where)
    return [(where, url) for url, where in list(found.items())[:MAX_LINKS]]


def check_own_links(probe: Probe) -> Iterator[Problem]:
    for where, url in _all_links(probe):
        if probe.is_own_url(url) and not (
            probe.in_process and "&UPLOAD=" in url
        ):  # which it would fetch through the network
            answer = probe.head(url)
            answer = probe.get(url) if answer.status in (400, 405, 501) else answer
            if answer.status >= 400 and not _needs_parameters(url, answer.status):
                yield where, f"its link {url} gives status {answer.status}"


def _needs_parameters(url: str, status: int) -> bool:
    """Tell whether a URL is the base URL of a service that reports missing parameters."""
    return status == 400 and "?" not in url


def check_external_links(probe: Probe) -> Iterator[Problem]:
    if not probe.network:
        raise CheckSkipped("links to other servers are followed with --links")
    for where, url in _all_links(probe):
        if not probe.is_own_url(url):
            try:
                answer = probe.get(url)
            except NoResponse as fault:
                yield where, f"its link {url}: {fault.what}"
                continue
            if answer.status in (404, 410) or answer.status >= 500:
                yield where, f"its link {url} gives status {answer.status}"


CHECKS = (
    Check("URL-OWN-1", "error", "links to this server work", "RFC 9110 section 15.5.5", check_own_links),
    Check("URL-OTHER-1", "warning", "links to other servers work", "RFC 9110 section 15.5.5", check_external_links),
)

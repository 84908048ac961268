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
"""Links that are requested at most."""


def _page_links(probe: Probe) -> Iterator[tuple[str, str]]:
    """Yield the page of each link, and its target."""
    for url in (f"{probe.root_url}/", f"{probe.tap_url}/examples"):
        response = probe.get(url)
        if response.status == 200 and response.media_type in ("text/html", "application/xhtml+xml"):
            for link in html.fromstring(response.body).xpath("//@href | //@src"):
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
    return [str(getattr(node, "text", node) or "").strip() for node in record.xpath(f".//{path}")]


def _all_links(probe: Probe) -> list[tuple[str, str]]:
    sources: dict[str, str] = {}
    for where, url in (*_page_links(probe), *_record_links(probe)):
        if url.startswith(("http://", "https://")):
            sources.setdefault(url, where)
    return [(where, url) for url, where in list(sources.items())[:MAX_LINKS]]


def check_own_links(probe: Probe) -> Iterator[Problem]:
    """Require that links to this server work."""
    for where, url in _all_links(probe):
        needs_network = probe.in_process and "&UPLOAD=" in url  # the service would fetch the upload from itself
        if probe.is_own_url(url) and not needs_network:
            response = probe.head(url)
            response = probe.get(url) if response.status in (400, 405, 501) else response
            if response.status >= 400 and not _needs_parameters(url, response.status):
                yield where, f"the link {url} gives status {response.status}"


def _needs_parameters(url: str, status: int) -> bool:
    """Tell whether a URL is the base URL of a service that reports missing parameters."""
    return status == 400 and "?" not in url


def check_external_links(probe: Probe) -> Iterator[Problem]:
    """Require that links to other servers work."""
    if not probe.network:
        raise CheckSkipped("links to other servers are followed with --links")
    for where, url in _all_links(probe):
        if not probe.is_own_url(url):
            try:
                response = probe.get(url)
            except NoResponse as error:
                yield where, f"the link {url} fails: {error.what}"
                continue
            if response.status in (404, 410) or response.status >= 500:
                yield where, f"the link {url} gives status {response.status}"


CHECKS = (
    Check("URL-OWN-1", "error", "links to this server work", "RFC 9110 section 15.5.5", check_own_links),
    Check("URL-OTHER-1", "warning", "links to other servers work", "RFC 9110 section 15.5.5", check_external_links),
)

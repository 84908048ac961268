"""Links: of the pages, the records and the answers, to this server; and to others, where that is wished."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin

from lxml import etree, html

from vo_server.check.checks.registry import pages
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import NoAnswer, Skipped

MOST = 200
"""Links that are tried."""


def _pages(probe: Probe) -> Iterator[tuple[str, str]]:
    """Where a link stands, and where it leads."""
    for url in (f"{probe.root}/", f"{probe.tap}/examples"):
        answer = probe.get(url)
        if answer.status == 200 and answer.essence in ("text/html", "application/xhtml+xml"):
            for link in html.fromstring(answer.body).xpath("//@href | //@src"):
                yield url, urldefrag(urljoin(url, str(link))).url


def _records(probe: Probe) -> Iterator[tuple[str, str]]:
    try:
        for _, root in pages(probe):
            for record in root.iter("{*}record"):
                id = record.findtext(".//identifier") or ""
                for path in ("referenceURL", "footprint", "rights/@rightsURI", "logo"):
                    yield from ((id, str(url)) for url in _texts(record, path))
    except (Skipped, NoAnswer):
        return


def _texts(record: etree._Element, path: str) -> list[str]:
    return [str(getattr(found, "text", found) or "").strip() for found in record.xpath(f".//{path}")]


def _links(probe: Probe) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for where, url in (*_pages(probe), *_records(probe)):
        if url.startswith(("http://", "https://")):
            found.setdefault(url, where)
    return [(where, url) for url, where in list(found.items())[:MOST]]


def own(probe: Probe) -> Iterator[Said]:
    for where, url in _links(probe):
        if probe.own(url) and not (probe.inside and "&UPLOAD=" in url):  # which it would fetch through the network
            answer = probe.head(url)
            answer = probe.get(url) if answer.status in (400, 405, 501) else answer
            if answer.status >= 400 and not _asks_for_more(url, answer.status):
                yield where, f"its link {url} gives status {answer.status}"


def _asks_for_more(url: str, status: int) -> bool:
    """The base URL of a service, which says that its parameters are missing."""
    return status == 400 and "?" not in url


def others(probe: Probe) -> Iterator[Said]:
    if not probe.elsewhere:
        raise Skipped("links to other servers are followed with --links")
    for where, url in _links(probe):
        if not probe.own(url):
            try:
                answer = probe.get(url)
            except NoAnswer as fault:
                yield where, f"its link {url}: {fault.what}"
                continue
            if answer.status in (404, 410) or answer.status >= 500:
                yield where, f"its link {url} gives status {answer.status}"


CHECKS = (
    Check("URL-OWN-1", "error", "links to this server lead somewhere", "RFC 9110 section 15.5.5", own),
    Check("URL-OTHER-1", "warning", "links to other servers lead somewhere", "RFC 9110 section 15.5.5", others),
)

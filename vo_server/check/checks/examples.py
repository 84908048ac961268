"""The examples: a document that programs can read, and queries that run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree, html

from vo_server.check import votable
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Element, Skipped, parsed
from vo_server.check.tables import bare

VOCABULARY = "http://www.ivoa.net/rdf/examples#"


@dataclass(frozen=True, slots=True)
class Example:
    """What a program reads of an example."""

    id: str
    element: Element
    query: str
    tables: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]


def _page(probe: Probe) -> tuple[str, bytes]:
    url = f"{probe.tap}/examples"
    answer = probe.get(url)
    if answer.status != 200:
        raise Skipped("there are no examples")
    return url, answer.body


def _examples(probe: Probe) -> list[Example]:
    return [_example(e) for e in html.fromstring(_page(probe)[1]).xpath("//*[@typeof='example']")]


def _example(element: Element) -> Example:
    def texts(name: str) -> list[str]:
        return [e.text_content().strip() for e in element.xpath(f".//*[@property='{name}']")]

    pairs = tuple(zip(texts("key"), texts("value"), strict=False))
    return Example(element.get("id", ""), element, "\n".join(texts("query")), tuple(texts("table")), pairs)


def well_formed(probe: Probe) -> Iterator[Said]:
    url, body = _page(probe)
    try:
        parsed(body)
    except etree.XMLSyntaxError as error:
        yield url, f"not well-formed XML: {error}"


def readable(probe: Probe) -> Iterator[Said]:
    url, body = _page(probe)
    vocabularies = html.fromstring(body).xpath("//*/@vocab")
    if vocabularies != [VOCABULARY]:
        yield url, f"its vocab is {vocabularies}, not one {VOCABULARY}"
    found = _examples(probe)
    if not found:
        yield url, "there is no element with typeof=example"
    for example in found:
        where = f"{url}#{example.id}"
        if not example.id or example.element.get("resource") != f"#{example.id}":
            yield where, f"its resource is {example.element.get('resource')}, not #{example.id}"
        if len(example.element.xpath(".//*[@property='name']")) != 1:
            yield where, "it has not one name"
        if not example.query:
            yield where, "it has no query"


def tables(probe: Probe) -> Iterator[Said]:
    known = {bare(table.name) for table in probe.tap_schema}
    for example in _examples(probe):
        for name in example.tables:
            if bare(name) not in known:
                yield f"example {example.id}", f"there is no table {name}"


def running(probe: Probe) -> Iterator[Said]:
    for example in (e for e in _examples(probe) if e.query):
        uploads = [pair for pair in example.parameters if pair[0].upper() == "UPLOAD"]
        if uploads and probe.inside:
            continue  # they come from the service itself, through the network
        answer = probe.query(example.query, ("MAXREC", "1"), *uploads)
        fault = answer.gist if answer.status != 200 else votable.message(answer.body)
        if fault:
            yield f"example {example.id}", f"it fails: {fault}"


CHECKS = (
    Check("EX-FORM-1", "error", "the page of examples is well-formed XML", "DALI 1.1 section 2.3", well_formed),
    Check("EX-FORM-2", "error", "programs find the examples in it", "DALI 1.1 section 2.3", readable),
    Check("EX-TABLE-1", "error", "the tables that examples name are there", "TAP 1.1 section 2.6", tables),
    Check("EX-RUN-1", "error", "every example runs", "TAP 1.1 section 2.6", running),
)

"""The examples: a document that programs can read, with queries that run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree, html

from vo_server.check import votable
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped, Element, parse_xml
from vo_server.check.tables import normalise_name

VOCABULARY = "http://www.ivoa.net/rdf/examples#"


@dataclass(frozen=True, slots=True)
class DeclaredExample:
    """What a program reads of an example."""

    id: str
    element: Element
    query: str
    tables: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]


def _fetch_page(probe: Probe) -> tuple[str, bytes]:
    url = f"{probe.tap_url}/examples"
    answer = probe.get(url)
    if answer.status != 200:
        raise CheckSkipped("there are no examples")
    return url, answer.body


def _read_examples(probe: Probe) -> list[DeclaredExample]:
    return [_read_example(e) for e in html.fromstring(_fetch_page(probe)[1]).xpath("//*[@typeof='example']")]


def _read_example(element: Element) -> DeclaredExample:
    def texts(name: str) -> list[str]:
        return [e.text_content().strip() for e in element.xpath(f".//*[@property='{name}']")]

    pairs = tuple(zip(texts("key"), texts("value"), strict=False))
    return DeclaredExample(element.get("id", ""), element, "\n".join(texts("query")), tuple(texts("table")), pairs)


def check_well_formed(probe: Probe) -> Iterator[Problem]:
    url, body = _fetch_page(probe)
    try:
        parse_xml(body)
    except etree.XMLSyntaxError as error:
        yield url, f"not well-formed XML: {error}"


def check_readable(probe: Probe) -> Iterator[Problem]:
    url, body = _fetch_page(probe)
    vocabularies = html.fromstring(body).xpath("//*/@vocab")
    if vocabularies != [VOCABULARY]:
        yield url, f"its vocab is {vocabularies}, not one {VOCABULARY}"
    found = _read_examples(probe)
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


def check_tables_exist(probe: Probe) -> Iterator[Problem]:
    known = {normalise_name(table.name) for table in probe.tap_schema}
    for example in _read_examples(probe):
        for name in example.tables:
            if normalise_name(name) not in known:
                yield f"example {example.id}", f"there is no table {name}"


def check_queries_run(probe: Probe) -> Iterator[Problem]:
    for example in (e for e in _read_examples(probe) if e.query):
        uploads = [pair for pair in example.parameters if pair[0].upper() == "UPLOAD"]
        if uploads and probe.in_process:
            continue  # they come from the service itself, through the network
        answer = probe.query(example.query, ("MAXREC", "1"), *uploads)
        fault = answer.summary if answer.status != 200 else votable.error_message(answer.body)
        if fault:
            yield f"example {example.id}", f"it fails: {fault}"


CHECKS = (
    Check("EX-FORM-1", "error", "the examples page is well-formed XML", "DALI 1.1 section 2.3", check_well_formed),
    Check("EX-FORM-2", "error", "programs find the examples in it", "DALI 1.1 section 2.3", check_readable),
    Check("EX-TABLE-1", "error", "tables of examples exist", "TAP 1.1 section 2.6", check_tables_exist),
    Check("EX-RUN-1", "error", "every example query runs", "TAP 1.1 section 2.6", check_queries_run),
)

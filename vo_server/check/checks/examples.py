"""The examples: a machine-readable document, with queries that run."""

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
    """An example as a program reads it from the page."""

    id: str
    element: Element
    query: str
    tables: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]


def _fetch_page(probe: Probe) -> tuple[str, bytes]:
    url = f"{probe.tap_url}/examples"
    response = probe.get(url)
    if response.status != 200:
        raise CheckSkipped("there are no examples")
    return url, response.body


def _read_examples(probe: Probe) -> list[DeclaredExample]:
    return [_read_example(e) for e in html.fromstring(_fetch_page(probe)[1]).xpath("//*[@typeof='example']")]


def _read_example(element: Element) -> DeclaredExample:
    def texts(name: str) -> list[str]:
        return [e.text_content().strip() for e in element.xpath(f".//*[@property='{name}']")]

    pairs = tuple(zip(texts("key"), texts("value"), strict=False))
    return DeclaredExample(element.get("id", ""), element, "\n".join(texts("query")), tuple(texts("table")), pairs)


def check_well_formed(probe: Probe) -> Iterator[Problem]:
    """Require that the examples page is well-formed XML."""
    url, body = _fetch_page(probe)
    try:
        parse_xml(body)
    except etree.XMLSyntaxError as error:
        yield url, f"not well-formed XML: {error}"


def check_readable(probe: Probe) -> Iterator[Problem]:
    """Require that programs find the examples in it."""
    url, body = _fetch_page(probe)
    vocabularies = html.fromstring(body).xpath("//*/@vocab")
    if vocabularies != [VOCABULARY]:
        yield url, f"expected one vocab {VOCABULARY}, got {vocabularies}"
    examples = _read_examples(probe)
    if not examples:
        yield url, "no element has typeof=example"
    for example in examples:
        where = f"{url}#{example.id}"
        if not example.id or example.element.get("resource") != f"#{example.id}":
            yield where, f"expected resource #{example.id}, got {example.element.get('resource')}"
        if (count := len(example.element.xpath(".//*[@property='name']"))) != 1:
            yield where, f"expected one property name, got {count}"
        if not example.query:
            yield where, "the example has no property query"


def check_tables_exist(probe: Probe) -> Iterator[Problem]:
    """Require that tables of examples exist."""
    known = {normalise_name(table.name) for table in probe.tap_schema}
    for example in _read_examples(probe):
        for name in example.tables:
            if normalise_name(name) not in known:
                yield f"example {example.id}", f"the table {name} does not exist"


def check_queries_run(probe: Probe) -> Iterator[Problem]:
    """Require that every example query runs."""
    for example in (e for e in _read_examples(probe) if e.query):
        uploads = [pair for pair in example.parameters if pair[0].upper() == "UPLOAD"]
        if uploads and probe.in_process:
            continue  # the service would fetch them from itself, through the network
        response = probe.query(example.query, ("MAXREC", "1"), *uploads)
        message = response.summary if response.status != 200 else votable.error_message(response.body)
        if message:
            yield f"example {example.id}", f"the query fails: {message}"


CHECKS = (
    Check("EX-FORM-1", "error", "the examples page is well-formed XML", "DALI 1.1 section 2.3", check_well_formed),
    Check("EX-FORM-2", "error", "programs find the examples in it", "DALI 1.1 section 2.3", check_readable),
    Check("EX-TABLE-1", "error", "tables of examples exist", "TAP 1.1 section 2.6", check_tables_exist),
    Check("EX-RUN-1", "error", "every example query runs", "TAP 1.1 section 2.6", check_queries_run),
)

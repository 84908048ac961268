"""VOTables of all services as a linter looks at them: what the library that most clients use says of each."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator

from astropy.io.votable import parse
from lxml import etree

from vo_server.check import votable
from vo_server.check.checks import cones, datalink, images
from vo_server.check.checks.metadata import unit_fault
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Answer, Element, NoAnswer, parsed

KNOWN = re.compile(r"W47:|W50: Invalid unit string '%'|has been deprecated in the VOUnit")
"""What is no fault: characters alone have no arraysize (VOTable 1.4 section 4.1), % is a unit (VOUnits 1.1), and so are
those out of use, of which META-UNIT-2 tells."""
UCD1 = re.compile(r"W06:")
"""Of the old protocols, whose words are no UCD1+."""


def _answers(probe: Probe) -> Iterator[tuple[Answer, bool]]:
    """A few rows of each table and of each service, and whether these have the UCDs of old."""
    for table in probe.filled:
        yield probe.query(f"SELECT TOP 3 * FROM {table.name}"), False
    yield probe.query("SELECT nothing FROM nowhere"), False
    yield from ((answer, True) for answer in cones.answers(probe))
    yield from ((answer, "/sia1" in answer.url) for answer in _of_images(probe))


def _of_images(probe: Probe) -> Iterator[Answer]:
    yield from images.answers(probe)
    yield from datalink.answers(probe)


def clean(probe: Probe) -> Iterator[Said]:
    for answer, old in _answers(probe):
        if answer.status != 200 and votable.message(answer.body) is None:
            continue
        for said in warned(answer.body):
            if not KNOWN.search(said) and not (old and UCD1.search(said)):
                yield answer.url, f"astropy: {said}"
                break


def warned(body: bytes) -> list[str]:
    """What astropy says of a document."""
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            parse(io.BytesIO(body), verify="warn")
    except Exception as error:  # noqa: BLE001 - astropy has many ways to say that it cannot read
        return [f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"]
    return [" ".join(str(each.message).split()).removeprefix("None:")[:200] for each in said]


def units(probe: Probe) -> Iterator[Said]:
    """Those of columns and parameters, also of what TAP_SCHEMA does not tell of; but for units out of use."""
    for answer, _ in _answers(probe):
        for field in _tree(answer).xpath("//*[@unit]"):
            if (fault := unit_fault(field.get("unit"))) and fault[0]:
                yield f"{answer.url}, {field.get('name')}", f"the unit {field.get('unit')!r}: {fault[1]}"


def _tree(answer: Answer) -> Element:
    """Raises NoAnswer for what is no XML."""
    try:
        return parsed(answer.body)
    except etree.XMLSyntaxError as error:
        raise NoAnswer(answer.url, f"not well-formed: {error}") from None


def references(probe: Probe) -> Iterator[Said]:
    for answer, _ in _answers(probe):
        root = _tree(answer)
        ids = [e.get("ID") for e in root.iter() if isinstance(e.tag, str) and e.get("ID")]
        for twice in sorted({id for id in ids if ids.count(id) > 1}):
            yield answer.url, f"two elements have the ID {twice}"
        for ref in sorted({str(r) for r in root.xpath("//@ref")} - set(ids)):
            yield answer.url, f"a ref leads to {ref}, and no element has that ID"


def services(probe: Probe) -> Iterator[Said]:
    """Descriptors of services: what rows of DataLink name is there, and each says where it is."""
    for answer in _of_images(probe):
        root = _tree(answer)
        described = [r for r in root.iter("{*}RESOURCE") if (r.get("utype") or "").startswith("adhoc:")]
        for named in sorted(_named(answer) - {r.get("ID") for r in described}):
            yield answer.url, f"a row names the service {named}, which is not described"
        for resource in described:
            yield from _described(probe, answer, resource)


def _named(answer: Answer) -> set[str]:
    table = votable.read(answer.body)
    return {str(row["service_def"]) for row in table.dicts() if row.get("service_def")}


def _described(probe: Probe, answer: Answer, resource: Element) -> Iterator[Said]:
    said = {p.get("name"): p.get("value") for p in resource.findall("{*}PARAM")}
    url = said.get("accessURL") or ""
    where = f"{answer.url}#{resource.get('ID') or resource.get('name')}"
    if not url.startswith(("http://", "https://")):
        yield where, f"its accessURL is {url or 'missing'}"
    elif probe.own(url) and probe.get(url).status == 404:
        yield where, f"its accessURL {url} gives status 404"


CHECKS = (
    Check("VOT-LINT-1", "error", "VOTables are read without a warning", "VOTable 1.4", clean),
    Check("VOT-UNIT-1", "error", "units of columns and parameters are VOUnits", "VOTable 1.4 section 4.4", units),
    Check("VOT-REF-1", "error", "IDs are unique, and refs lead to one", "VOTable 1.4 section 3.2", references),
    Check("LINK-SERVICE-1", "error", "services are described where they are named, and are there",
          "DataLink 1.1 section 4", services),
)  # fmt: skip

"""VOTables of all services, as astropy and a linter read them."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator

from astropy.io.votable import parse
from lxml import etree

from vo_server.check import votable
from vo_server.check.checks import cones, datalink, images
from vo_server.check.checks.metadata import unit_error
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import Element, NoResponse, ProbeResponse, parse_xml

ACCEPTED_WARNINGS = re.compile(r"W47:|W50: Invalid unit string '%'|has been deprecated in the VOUnit")
"""What is no fault: characters alone have no arraysize (VOTable 1.4 section 4.1), % is a unit (VOUnits 1.1), and so are
those out of use, of which META-UNIT-2 tells."""
OLD_UCDS = re.compile(r"W06:")
"""Of the old protocols, whose words are no UCD1+."""


def _fetch_tables(probe: Probe) -> Iterator[tuple[ProbeResponse, bool]]:
    """Yield a few rows of each table and of each service, and whether they have the old UCDs."""
    for table in probe.queryable_tables:
        yield probe.query(f"SELECT TOP 3 * FROM {table.name}"), False
    yield probe.query("SELECT nothing FROM nowhere"), False
    yield from ((answer, True) for answer in cones.fetch_responses(probe))
    yield from ((answer, "/sia1" in answer.url) for answer in _fetch_images(probe))


def _fetch_images(probe: Probe) -> Iterator[ProbeResponse]:
    yield from images.fetch_responses(probe)
    yield from datalink.fetch_responses(probe)


def check_without_warnings(probe: Probe) -> Iterator[Problem]:
    for answer, old in _fetch_tables(probe):
        if answer.status != 200 and votable.error_message(answer.body) is None:
            continue
        for said in list_warnings(answer.body):
            if not ACCEPTED_WARNINGS.search(said) and not (old and OLD_UCDS.search(said)):
                yield answer.url, f"astropy: {said}"
                break


def list_warnings(body: bytes) -> list[str]:
    """Return the warnings of astropy about a document."""
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            parse(io.BytesIO(body), verify="warn")
    except Exception as error:  # noqa: BLE001 - astropy has many ways to say that it cannot read
        return [f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"]
    return [" ".join(str(each.message).split()).removeprefix("None:")[:200] for each in said]


def check_units(probe: Probe) -> Iterator[Problem]:
    """Validate the units of columns and parameters, also of services; deprecated units are left out."""
    for answer, _ in _fetch_tables(probe):
        for field in _parse(answer).xpath("//*[@unit]"):
            if (fault := unit_error(field.get("unit"))) and fault[0]:
                yield f"{answer.url}, {field.get('name')}", f"the unit {field.get('unit')!r}: {fault[1]}"


def _parse(answer: ProbeResponse) -> Element:
    """Parse a response; raise NoResponse for invalid XML."""
    try:
        return parse_xml(answer.body)
    except etree.XMLSyntaxError as error:
        raise NoResponse(answer.url, f"not well-formed: {error}") from None


def check_references(probe: Probe) -> Iterator[Problem]:
    for answer, _ in _fetch_tables(probe):
        root = _parse(answer)
        ids = [e.get("ID") for e in root.iter() if isinstance(e.tag, str) and e.get("ID")]
        for twice in sorted({id for id in ids if ids.count(id) > 1}):
            yield answer.url, f"two elements have the ID {twice}"
        for ref in sorted({str(r) for r in root.xpath("//@ref")} - set(ids)):
            yield answer.url, f"a ref leads to {ref}, and no element has that ID"


def check_service_descriptors(probe: Probe) -> Iterator[Problem]:
    """Require that referenced service descriptors exist and have an access URL."""
    for answer in _fetch_images(probe):
        root = _parse(answer)
        described = [r for r in root.iter("{*}RESOURCE") if (r.get("utype") or "").startswith("adhoc:")]
        for named in sorted(_referenced_services(answer) - {r.get("ID") for r in described}):
            yield answer.url, f"a row names the service {named}, which is not described"
        for resource in described:
            yield from _check_descriptor(probe, answer, resource)


def _referenced_services(answer: ProbeResponse) -> set[str]:
    table = votable.read(answer.body)
    return {str(row["service_def"]) for row in table.dicts() if row.get("service_def")}


def _check_descriptor(probe: Probe, answer: ProbeResponse, resource: Element) -> Iterator[Problem]:
    said = {p.get("name"): p.get("value") for p in resource.findall("{*}PARAM")}
    url = said.get("accessURL") or ""
    where = f"{answer.url}#{resource.get('ID') or resource.get('name')}"
    if not url.startswith(("http://", "https://")):
        yield where, f"its accessURL is {url or 'missing'}"
    elif probe.is_own_url(url) and probe.get(url).status == 404:
        yield where, f"its accessURL {url} gives status 404"


CHECKS = (
    Check("VOT-LINT-1", "error", "VOTables are read without a warning", "VOTable 1.4", check_without_warnings),
    Check("VOT-UNIT-1", "error", "units of columns and parameters are VOUnits", "VOTable 1.4 section 4.4", check_units),
    Check("VOT-REF-1", "error", "IDs are unique, and refs resolve", "VOTable 1.4 section 3.2", check_references),
    Check("LINK-SERVICE-1", "error", "service descriptors exist where they are referenced, and are complete",
          "DataLink 1.1 section 4", check_service_descriptors),
)  # fmt: skip

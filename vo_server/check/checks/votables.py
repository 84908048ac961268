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
"""Warnings that are not errors: a single character has no arraysize (VOTable 1.4 section 4.1), % is a unit (VOUnits
1.1), and so are the deprecated units, which META-UNIT-2 reports."""

OLD_UCDS = re.compile(r"W06:")
"""The warning about UCDs that are not UCD1+, which the old protocols prescribe."""


def _fetch_tables(probe: Probe) -> Iterator[tuple[ProbeResponse, bool]]:
    """Yield a response with a few rows of each table and of each service, and whether it has the old UCDs."""
    for table in probe.queryable_tables:
        yield probe.query(f"SELECT TOP 3 * FROM {table.name}"), False
    yield probe.query("SELECT nothing FROM nowhere"), False
    yield from ((response, True) for response in cones.fetch_responses(probe))
    yield from ((response, "/sia1" in response.url) for response in _fetch_images(probe))


def _fetch_images(probe: Probe) -> Iterator[ProbeResponse]:
    yield from images.fetch_responses(probe)
    yield from datalink.fetch_responses(probe)


def check_without_warnings(probe: Probe) -> Iterator[Problem]:
    """Require that VOTables are read without a warning."""
    for response, old in _fetch_tables(probe):
        if response.status != 200 and votable.error_message(response.body) is None:
            continue
        for warning in list_warnings(response.body):
            if not ACCEPTED_WARNINGS.search(warning) and not (old and OLD_UCDS.search(warning)):
                yield response.url, f"astropy warns: {warning}"
                break


def list_warnings(body: bytes) -> list[str]:
    """Return astropy's warnings about a document, or the error that it raises."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            parse(io.BytesIO(body), verify="warn")
    except Exception as error:  # noqa: BLE001 - astropy raises many types of errors
        return [f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"]
    return [" ".join(str(each.message).split()).removeprefix("None:")[:200] for each in caught]


def check_units(probe: Probe) -> Iterator[Problem]:
    """Validate the units of columns and parameters, also of services; deprecated units are left out."""
    for response, _ in _fetch_tables(probe):
        for field in _parse(response).xpath("//*[@unit]"):
            if (problem := unit_error(field.get("unit"))) and problem[0]:
                yield f"{response.url}, {field.get('name')}", f"the unit {field.get('unit')!r} is invalid: {problem[1]}"


def _parse(response: ProbeResponse) -> Element:
    """Parse a response; raise NoResponse for invalid XML."""
    try:
        return parse_xml(response.body)
    except etree.XMLSyntaxError as error:
        raise NoResponse(response.url, f"not well-formed: {error}") from None


def check_references(probe: Probe) -> Iterator[Problem]:
    """Require that IDs are unique, and refs resolve."""
    for response, _ in _fetch_tables(probe):
        root = _parse(response)
        ids = [e.get("ID") for e in root.iter() if isinstance(e.tag, str) and e.get("ID")]
        for duplicate in sorted({id for id in ids if ids.count(id) > 1}):
            yield response.url, f"two elements have the ID {duplicate}"
        for ref in sorted({str(r) for r in root.xpath("//@ref")} - set(ids)):
            yield response.url, f"a ref refers to the ID {ref}, which no element has"


def check_service_descriptors(probe: Probe) -> Iterator[Problem]:
    """Require that referenced service descriptors exist and have an access URL."""
    for response in _fetch_images(probe):
        root = _parse(response)
        described = [r for r in root.iter("{*}RESOURCE") if (r.get("utype") or "").startswith("adhoc:")]
        for named in sorted(_referenced_services(response) - {r.get("ID") for r in described}):
            yield response.url, f"a row refers to the service {named}, which no RESOURCE describes"
        for resource in described:
            yield from _check_descriptor(probe, response, resource)


def _referenced_services(response: ProbeResponse) -> set[str]:
    table = votable.read(response.body)
    return {str(row["service_def"]) for row in table.dicts() if row.get("service_def")}


def _check_descriptor(probe: Probe, response: ProbeResponse, resource: Element) -> Iterator[Problem]:
    parameters = {p.get("name"): p.get("value") for p in resource.findall("{*}PARAM")}
    url = parameters.get("accessURL") or ""
    where = f"{response.url}#{resource.get('ID') or resource.get('name')}"
    if not url.startswith(("http://", "https://")):
        yield where, f"the accessURL is {url or 'missing'}, not an http or https URL"
    elif probe.is_own_url(url) and probe.get(url).status == 404:
        yield where, f"the accessURL {url} gives status 404"


CHECKS = (
    Check("VOT-LINT-1", "error", "VOTables are read without a warning", "VOTable 1.4", check_without_warnings),
    Check("VOT-UNIT-1", "error", "units of columns and parameters are VOUnits", "VOTable 1.4 section 4.4", check_units),
    Check("VOT-REF-1", "error", "IDs are unique, and refs resolve", "VOTable 1.4 section 3.2", check_references),
    Check("LINK-SERVICE-1", "error", "service descriptors exist where they are referenced, and are complete",
          "DataLink 1.1 section 4", check_service_descriptors),
)  # fmt: skip

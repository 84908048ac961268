"""The VOSI documents: they exist, are well-formed and valid, and agree with the service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

from lxml import etree

from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped, NoResponse, ProbeResponse, parse_xml
from vo_server.check.tables import normalise_name, read_column

NAMES = ("capabilities", "availability", "tables")
AVAILABILITY = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"


def _list_documents(probe: Probe) -> Iterator[ProbeResponse]:
    """Yield the responses of the documents of all services; a service without tables has no /tables."""
    for service in probe.service_urls:
        for name in NAMES:
            response = probe.get(f"{service}/{name}")
            if name != "tables" or response.status != 404 or service == probe.tap_url:
                yield response


def check_documents_exist(probe: Probe) -> Iterator[Problem]:
    """Require that capabilities, availability and tables of each service exist."""
    for response in _list_documents(probe):
        if response.status != 200:
            yield response.url, f"status {response.status}: {response.summary}"


def check_well_formed(probe: Probe) -> Iterator[Problem]:
    """Require that documents are well-formed XML."""
    for response in _list_documents(probe):
        try:
            if response.status == 200:
                parse_xml(response.body)
        except etree.XMLSyntaxError as error:
            yield response.url, f"not well-formed: {error}"


def check_valid(probe: Probe) -> Iterator[Problem]:
    """Require that documents are valid against the IVOA schemas."""
    if probe.schemas is None:
        raise CheckSkipped("there are no XML schemas; --xsd names their folder")
    for response in (*_list_documents(probe), *_fetch_others(probe)):
        yield from schema_errors(probe, response)


def _fetch_others(probe: Probe) -> Iterator[ProbeResponse]:
    """Yield the document of one table, the job list, a result and an error document."""
    yield probe.get(f"{probe.tap_url}/tables", [("detail", "min")])
    for table in probe.tables[:3]:
        yield probe.get(f"{probe.tap_url}/tables/{quote(table.name)}")
    yield probe.get(f"{probe.tap_url}/async")
    yield probe.query("SELECT TOP 3 * FROM TAP_SCHEMA.columns")
    yield probe.query("SELECT nothing FROM nowhere")


def schema_errors(probe: Probe, response: ProbeResponse) -> Iterator[Problem]:
    """Return the first three errors of a document against its schema."""
    try:
        root = parse_xml(response.body)
    except etree.XMLSyntaxError:
        return
    if probe.schemas is not None and not probe.schemas.validate(root):
        for error in list(probe.schemas.error_log)[:3]:
            yield response.url, f"line {error.line}: {error.message}"


def check_media_type(probe: Probe) -> Iterator[Problem]:
    """Require that XML is sent as text/xml or application/xml."""
    for response in _list_documents(probe):
        if response.status == 200 and response.media_type not in ("text/xml", "application/xml"):
            yield response.url, f"expected Content-Type text/xml, got {response.content_type or 'none'}"


def check_methods(probe: Probe) -> Iterator[Problem]:
    """Require that VOSI resources allow only GET."""
    for name in NAMES:
        url = f"{probe.tap_url}/{name}"
        response = probe.request("POST", url, data={"x": "1"})
        if response.status != 405:
            yield url, f"expected status 405 for POST, got {response.status}"


def check_last_modified(probe: Probe) -> Iterator[Problem]:
    """Require that capabilities have Last-Modified."""
    url = f"{probe.tap_url}/capabilities"
    for response in (probe.get(url), probe.head(url)):
        if "last-modified" not in response.headers:
            yield url, f"the response of {response.method} has no Last-Modified header"


def check_table_documents(probe: Probe) -> Iterator[Problem]:
    """Require that each table has a document of its own with the same columns."""
    for table in probe.tables[: probe.limits.tables]:
        url = f"{probe.tap_url}/tables/{quote(table.name)}"
        response = probe.get(url)
        if response.status != 200:
            yield url, f"status {response.status}: {response.summary}"
            continue
        columns = tuple(read_column(column) for column in probe.parse_document(url).iter("column"))
        if columns != table.columns:
            differing = sorted({c.name for c in set(columns) ^ set(table.columns)})
            yield (
                url,
                f"the columns of {table.name} differ from those of /tables: {', '.join(differing) or 'their order'}",
            )


def check_unknown_table(probe: Probe) -> Iterator[Problem]:
    """Require that an unknown table is 404."""
    url = f"{probe.tap_url}/tables/no.such_table"
    response = probe.get(url)
    if response.status != 404:
        yield url, f"expected status 404 for an unknown table, got {response.status}"


def check_availability(probe: Probe) -> Iterator[Problem]:
    """Run a query; during an announced downtime queries may still work."""
    url = f"{probe.tap_url}/availability"
    root = probe.parse_document(url)
    available = (root.findtext(f"{AVAILABILITY}available") or "").strip()
    try:
        works = bool(probe.query_table("SELECT TOP 1 table_name FROM TAP_SCHEMA.tables").rows)
    except NoResponse as error:
        if available == "true":
            yield url, f"available is true, but a query fails: {error.what}"
        return
    planned = any(root.find(AVAILABILITY + name) is not None for name in ("downAt", "backAt"))
    if works and available != "true" and not planned:
        yield url, f"available is {available or 'missing'}, but queries work"


def check_timestamps(probe: Probe) -> Iterator[Problem]:
    """Require that timestamps of availability are valid."""
    url = f"{probe.tap_url}/availability"
    root = probe.parse_document(url)
    for name in ("upSince", "downAt", "backAt"):
        text = root.findtext(AVAILABILITY + name)
        if text is None:
            continue
        try:
            moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        except ValueError:
            yield url, f"{name} {text!r} is not valid ISO 8601"
            continue
        if not text.strip().endswith("Z"):
            yield url, f"{name} {text!r} does not end with Z, for UTC"
        elif name == "upSince" and moment > datetime.now(UTC):
            yield url, f"upSince {text!r} is in the future"


def check_descriptions(probe: Probe) -> Iterator[Problem]:
    """Require that tables and columns have descriptions."""
    for table in probe.tables:
        if not table.description:
            yield table.name, "the table has no description"
        missing = [column.name for column in table.columns if not column.description]
        if missing:
            yield (
                table.name,
                f"columns without a description: {', '.join(missing[:8])}{' ...' if len(missing) > 8 else ''}",
            )


def check_unique_columns(probe: Probe) -> Iterator[Problem]:
    """Require that no table has two columns of the same name."""
    for table in probe.tables:
        names = [normalise_name(column.name) for column in table.columns]
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield table.name, f"two columns have the name {name}"


CHECKS = (
    Check("VOSI-STATUS-1", "error", "capabilities, availability and tables of each service exist",
          "VOSI 1.1 section 2, TAP 1.1 section 2", check_documents_exist),
    Check("XML-WELL-1", "error", "documents are well-formed XML", "XML 1.0 section 2.1", check_well_formed),
    Check("XML-SCHEMA-1", "error", "documents are valid against the IVOA schemas", "the schema of each", check_valid),
    Check("XML-TYPE-1", "warning", "XML is sent as text/xml or application/xml", "VOSI 1.1 section 2",
          check_media_type),
    Check("VOSI-METHOD-1", "error", "VOSI resources allow only GET", "VOSI 1.1 section 2", check_methods),
    Check("VOSI-MODIFIED-1", "warning", "capabilities have Last-Modified", "VOSI 1.1 section 3.1", check_last_modified),
    Check("VOSI-TABLE-1", "error", "each table has a document of its own with the same columns", "VOSI 1.1 section 3.3",
          check_table_documents),
    Check("VOSI-TABLE-2", "error", "an unknown table is 404", "VOSI 1.1 section 3.3", check_unknown_table),
    Check("VOSI-TABLE-3", "error", "no table has two columns of the same name", "VODataService 1.2 section 3.4",
          check_unique_columns),
    Check("VOSI-TABLE-4", "warning", "tables and columns have descriptions", "VODataService 1.2 section 3.4",
          check_descriptions),
    Check("VOSI-AVAIL-1", "error", "availability agrees with whether queries work", "VOSI 1.1 section 3.2",
          check_availability),
    Check("VOSI-AVAIL-2", "error", "timestamps of availability are valid", "VOSI 1.1 section 3.2", check_timestamps),
)  # fmt: skip

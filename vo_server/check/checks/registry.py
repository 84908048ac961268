"""The publishing registry: its verbs, its lists, and records that agree with the services."""

from __future__ import annotations

import io
from collections.abc import Iterator

from lxml import etree
from mocpy import MOC

from vo_server.check.checks.documents import schema_errors
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped, Element, NoResponse, ProbeResponse, parse_xml

OAI_NAMESPACE = "{http://www.openarchives.org/OAI/2.0/}"
RESOURCE = "{http://www.ivoa.net/xml/RegistryInterface/v1.0}Resource"
MAX_PAGES = 200
"""Pages of a list that are followed at most."""


MAX_NAMES = 3
"""Names of records that a finding lists at most."""


def _registry_url(probe: Probe) -> str:
    """Return the URL of the registry.

    Raises CheckSkipped where there is none.
    """
    url = f"{probe.root_url}/oai"
    if probe.get(url, [("verb", "Identify")]).status == 404:
        raise CheckSkipped("there is no registry")
    return url


def _request(probe: Probe, **arguments: str) -> ProbeResponse:
    return probe.get(_registry_url(probe), list(arguments.items()))


def _parse(response: ProbeResponse) -> Element:
    """Parse a response; raise NoResponse for invalid XML."""
    try:
        return parse_xml(response.require_ok().body)
    except etree.XMLSyntaxError as error:
        raise NoResponse(response.url, f"not well-formed: {error}") from None


def _error_codes(root: Element) -> list[str]:
    return [error.get("code", "") for error in root.iter(f"{OAI_NAMESPACE}error")]


def iterate_pages(probe: Probe, verb: str = "ListRecords", **arguments: str) -> Iterator[tuple[ProbeResponse, Element]]:
    """Yield the pages of a list by its resumption tokens.

    Raises NoResponse for a page with an error, and for a list of more than MAX_PAGES pages.
    """
    response = _request(probe, verb=verb, **(arguments or {"metadataPrefix": "ivo_vor"}))
    for _ in range(MAX_PAGES):
        root = _parse(response)
        if _error_codes(root):
            raise NoResponse(response.url, f"{verb} gives {', '.join(_error_codes(root))}")
        yield response, root
        token = root.findtext(f"{OAI_NAMESPACE}{verb}/{OAI_NAMESPACE}resumptionToken")
        if not token:
            return
        response = _request(probe, verb=verb, resumptionToken=token)
    raise NoResponse(response.url, f"the list does not end after {MAX_PAGES} pages")


def _iterate_records(probe: Probe) -> Iterator[tuple[str, Element]]:
    """Yield the identifier in the header, and the record."""
    for _, root in iterate_pages(probe):
        for record in root.iter(f"{OAI_NAMESPACE}record"):
            resource = record.find(f".//{RESOURCE}")
            if resource is not None:
                yield record.findtext(f"{OAI_NAMESPACE}header/{OAI_NAMESPACE}identifier") or "", resource


def check_base_url(probe: Probe) -> Iterator[Problem]:
    """Require that baseURL is the requested URL."""
    response = _request(probe, verb="Identify")
    base_url = (_parse(response).findtext(f"{OAI_NAMESPACE}Identify/{OAI_NAMESPACE}baseURL") or "").strip()
    if base_url != _registry_url(probe):
        yield response.url, f"expected baseURL {_registry_url(probe)}, got {base_url}"


VERBS = ("Identify", "ListMetadataFormats", "ListSets", "ListIdentifiers&metadataPrefix=ivo_vor",
         "ListRecords&metadataPrefix=ivo_vor", "ListRecords&metadataPrefix=oai_dc",
         "ListRecords&metadataPrefix=ivo_vor&set=ivo_managed")  # fmt: skip
INVALID_REQUESTS = {
    "NoSuchVerb": "badVerb",
    "ListRecords": "badArgument",
    "ListRecords&metadataPrefix=marc21": "cannotDisseminateFormat",
    "GetRecord&identifier=ivo://no.such/record&metadataPrefix=ivo_vor": "idDoesNotExist",
    "ListRecords&resumptionToken=junk": "badResumptionToken",
    "ListRecords&metadataPrefix=ivo_vor&until=1990-01-01": "noRecordsMatch",
}


def _request_verb(probe: Probe, query: str) -> ProbeResponse:
    verb, *rest = query.split("&")
    return _request(probe, verb=verb, **dict(pair.split("=", 1) for pair in rest))


def check_verbs(probe: Probe) -> Iterator[Problem]:
    """Require that every verb responds."""
    for query in VERBS:
        response = _request_verb(probe, query)
        if codes := _error_codes(_parse(response)):
            yield response.url, f"the request gives the error {', '.join(codes)}"


def check_errors(probe: Probe) -> Iterator[Problem]:
    """Require that errors are reported by their codes."""
    for query, code in INVALID_REQUESTS.items():
        response = _request_verb(probe, query)
        if code not in (codes := _error_codes(_parse(response))):
            yield response.url, f"expected the error {code}, got {', '.join(codes) or 'no error'}"


def check_lists(probe: Probe) -> Iterator[Problem]:
    """Require that both lists name each record once over all pages, and as many as completeListSize."""
    lists = {}
    for verb in ("ListIdentifiers", "ListRecords"):
        ids: list[str] = []
        sizes: set[str] = set()
        for _, root in iterate_pages(probe, verb):
            ids += [h.findtext(f"{OAI_NAMESPACE}identifier") or "" for h in root.iter(f"{OAI_NAMESPACE}header")]
            sizes |= {t.get("completeListSize", "") for t in root.iter(f"{OAI_NAMESPACE}resumptionToken")} - {""}
        lists[verb] = set(ids)
        if len(set(ids)) != len(ids):
            yield _registry_url(probe), f"{verb} names {len(ids) - len(set(ids))} records twice"
        if sizes - {str(len(ids))}:
            yield (
                _registry_url(probe),
                f"completeListSize is {', '.join(sorted(sizes))}, but {verb} has {len(ids)} records",
            )
    if differing := lists["ListIdentifiers"] ^ lists["ListRecords"]:
        names = ", ".join(sorted(differing)[:MAX_NAMES])
        yield _registry_url(probe), f"ListIdentifiers and ListRecords differ in {len(differing)} records: {names}"


def check_identifiers(probe: Probe) -> Iterator[Problem]:
    """Require that headers and records have the same identifier."""
    for header, resource in _iterate_records(probe):
        identifier = (resource.findtext("identifier") or "").strip()
        if identifier.lower() != header.lower():
            yield header, f"the record has the identifier {identifier}"


def check_relationships(probe: Probe) -> Iterator[Problem]:
    """Require that related records of this authority exist."""
    known = {id.lower() for id, _ in _iterate_records(probe)}
    authorities = {id.partition("ivo://")[2].partition("/")[0] for id in known}
    for id, resource in _iterate_records(probe):
        for named in resource.xpath(".//*[@ivo-id]"):
            other = named.get("ivo-id", "").lower()
            if other.partition("ivo://")[2].partition("/")[0] in authorities and other not in known:
                yield id, f"the related record {named.get('ivo-id')} does not exist in this registry"


def check_valid(probe: Probe) -> Iterator[Problem]:
    """Require that responses and records are valid against their schemas."""
    if probe.schemas is None:
        raise CheckSkipped("there are no XML schemas; --xsd names their folder")
    for prefix in ("ivo_vor", "oai_dc"):
        for response, _ in iterate_pages(probe, metadataPrefix=prefix):
            yield from schema_errors(probe, response)
    for query in ("Identify", "ListSets", "ListMetadataFormats", "NoSuchVerb"):
        yield from schema_errors(probe, _request_verb(probe, query))


def check_urls_respond(probe: Probe) -> Iterator[Problem]:
    """Compare the service URLs of records with the capabilities of the services."""
    known = {offer.base_url for offer in probe.capabilities}  # CAP-URL-4 requests these
    for id, resource in _iterate_records(probe):
        for url in resource.xpath("capability/interface/accessURL/text()"):
            response = probe.get(url.rstrip("?&")) if probe.is_own_url(url) and url.rstrip("?&") not in known else None
            if response is not None and (response.status == 404 or response.status >= 500):
                yield id, f"the accessURL {url} gives status {response.status}"


def check_same_server(probe: Probe) -> Iterator[Problem]:
    """Require that records name this server."""
    for id, resource in _iterate_records(probe):
        for url in resource.xpath("capability/interface/accessURL/text()"):
            if not probe.is_own_url(url):
                yield id, f"the accessURL {url} is not below {probe.root_url}"


def check_tables(probe: Probe) -> Iterator[Problem]:
    """Compare the tables of records with those of the service, column by column."""
    columns = {table.name: [c.name for c in table.columns] for table in probe.tables}
    for id, resource in _iterate_records(probe):
        for table in resource.iter("table"):
            name = (table.findtext("name") or "").strip()
            recorded = [c.findtext("name") or "" for c in table.findall("column")]
            if name not in columns:
                yield id, f"the table {name} is in the record, but not in /tables"
            elif recorded not in (columns[name], []):
                differing = ", ".join(sorted(set(recorded) ^ set(columns[name]))) or "their order"
                yield id, f"the columns of {name} differ from those of /tables: {differing}"


def check_coverages(probe: Probe) -> Iterator[Problem]:
    """Read the MOC of each record, and require that it contains its footprint."""
    for id, resource in _iterate_records(probe):
        for spatial in resource.findall("coverage/spatial"):
            try:
                coverage = MOC.from_string(spatial.text or "")
            except Exception as error:  # noqa: BLE001 - mocpy raises OSError and others
                yield id, f"the spatial coverage is not a MOC: {' '.join(str(error).split())[:100]}"
                continue
            for url in resource.xpath("coverage/footprint/text()"):
                response = probe.get(url) if probe.is_own_url(url) else None
                if response is not None and (problem := _footprint_problem(response, coverage)):
                    yield id, f"the footprint {url} {problem}"


def _footprint_problem(response: ProbeResponse, coverage: MOC) -> str | None:
    """Return how a footprint contradicts the coverage of its record; None where it agrees."""
    if response.status != 200:
        return f"gives status {response.status}"
    try:
        footprint = MOC.from_fits(io.BytesIO(response.body))
    except Exception as error:  # noqa: BLE001 - astropy and mocpy raise many types of errors
        return f"is not a MOC: {error}"
    return None if coverage.intersection(footprint) == footprint else "is not contained in the spatial coverage"


_OAI, _RI = "OAI-PMH 2.0 section", "Registry Interfaces 1.1 section"
CHECKS = (
    Check("OAI-IDENTIFY-1", "error", "baseURL is the requested URL", f"{_OAI} 4.2", check_base_url),
    Check("OAI-VERB-1", "error", "every verb responds", f"{_OAI} 4", check_verbs),
    Check("OAI-ERROR-1", "error", "errors are reported by their codes", f"{_OAI} 3.6", check_errors),
    Check("OAI-LIST-1", "error", "lists are complete over all pages", f"{_OAI} 3.5", check_lists),
    Check("OAI-SCHEMA-1", "error", "responses and records are valid against their schemas", f"{_RI} 3.1", check_valid),
    Check("OAI-ID-1", "error", "headers and records have the same identifier", f"{_RI} 3.1.2", check_identifiers),
    Check("OAI-ID-2", "error", "records refer to existing records", "VOResource 1.2 section 3.1", check_relationships),
    Check("OAI-URL-1", "error", "records name this server", "VOResource 1.2 section 2.2.3", check_same_server),
    Check(
        "OAI-URL-2", "error", "every URL of the records responds", "VOResource 1.2 section 2.2.3", check_urls_respond
    ),
    Check(
        "OAI-MOC-1",
        "error",
        "coverages are MOCs and contain their footprints",
        "VODataService 1.2 section 3.2",
        check_coverages,
    ),
    Check(
        "OAI-TABLE-1", "error", "records describe the tables that exist", "VODataService 1.2 section 3.4", check_tables
    ),
)

"""The publishing registry: OAI-PMH 2.0, as Registry Interfaces 1.1 (section 3.1) requires it.

A resumption token holds the arguments of a list and its last record: nothing is stored between requests. Records are
ordered by date, so that one that changes during a harvest comes again at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import UNREGISTERED, Catalogue
from vo_server.catalogue.datestamps import Datestamp
from vo_server.documents import oai
from vo_server.documents.elements import MEDIA_TYPE, Element, serialise
from vo_server.documents.voresource import OAI_DC, RI, RegistryRecord, compute_digest, write_dublin_core, write_record
from vo_server.errors import ServiceError, UsageError
from vo_server.http import dali
from vo_server.http.access_log import get_request_info
from vo_server.http.errors import error_headers, text_error
from vo_server.http.responses import document_response
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.model.urls import SiteUrls
from vo_server.protocols.registry.arguments import OaiError, parse_arguments, parse_list_request
from vo_server.protocols.registry.records import (
    SERVICE_NAME,
    LoadedTable,
    RegistryConfig,
    build_records,
    describe_harvest,
    find_loaded_tables,
)

MANAGED_SET = "ivo_managed"
"""The set of the records that this registry publishes itself, which are all (section 3.1.4)."""

PREFIXES = {
    "ivo_vor": oai.MetadataFormat("ivo_vor", RI, RI),
    "oai_dc": oai.MetadataFormat("oai_dc", "http://www.openarchives.org/OAI/2.0/oai_dc.xsd", OAI_DC),
}


@dataclass(frozen=True, slots=True)
class DatedRecord:
    """A record with its datestamps; a deleted one has no content."""

    id: str
    stamp: Datestamp
    record: RegistryRecord | None

    @property
    def key(self) -> tuple[datetime, str]:
        """The sort key of the record."""
        return self.stamp.updated, self.id

    @property
    def header(self) -> oai.RecordHeader:
        """The header of the record."""
        return oai.RecordHeader(self.id, self.stamp.updated, (MANAGED_SET,), self.stamp.deleted)


@dataclass(frozen=True, slots=True)
class OaiRequest:
    """A request that is being answered, with its time and all records, the oldest first."""

    config: RegistryConfig
    site: Site
    base: str
    moment: datetime
    arguments: Mapping[str, str]
    records: tuple[DatedRecord, ...]

    def write_record(self, prefix: str, record: DatedRecord) -> Element:
        """Return a record in a metadata format."""
        assert record.record is not None
        if prefix == "oai_dc":
            return write_dublin_core(record.record, record.stamp.updated)
        return write_record(record.record, record.stamp.created, record.stamp.updated, self.config.status)


# ---------------------------------------------------------------- the verbs


def write_identify(oai_request: OaiRequest, parent: Element) -> None:
    """Write the response of Identify, with the registry's own record (section 3.1.5)."""
    own = next(record for record in oai_request.records if record.id == oai_request.config.make_id("registry"))
    assert own.record is not None
    oai.add_identify(
        parent,
        own.record.title,
        oai_request.base,
        oai_request.site.contact or f"nobody@{UNREGISTERED}",
        min(record.stamp.created for record in oai_request.records),
        [oai_request.write_record("ivo_vor", own)],
    )


def write_formats(oai_request: OaiRequest, parent: Element) -> None:
    """Write the metadata formats, in which all records are available."""
    if "identifier" in oai_request.arguments:
        _find_record(oai_request)
    oai.add_formats(parent, PREFIXES.values())


def write_sets(oai_request: OaiRequest, parent: Element) -> None:
    """Write the only set, a list that is never split."""
    if "resumptionToken" in oai_request.arguments:
        raise OaiError(("badResumptionToken", "unknown resumptionToken: the list of sets is never split"))
    oai.add_sets(parent, [(MANAGED_SET, "All records that this registry publishes")])


def write_one_record(oai_request: OaiRequest, parent: Element) -> None:
    """Write one record."""
    prefix = _check_prefix(oai_request.arguments["metadataPrefix"])
    record = _find_record(oai_request)
    oai.add_records(parent, "GetRecord", [(record.header, partial(oai_request.write_record, prefix, record))], None)


def write_identifiers(oai_request: OaiRequest, parent: Element) -> None:
    """Write the headers of the requested records."""
    _, page, token = _select_page(oai_request)
    oai.add_headers(parent, [record.header for record in page], token)


def write_records(oai_request: OaiRequest, parent: Element) -> None:
    """Write the requested records."""
    prefix, page, token = _select_page(oai_request)
    oai.add_records(
        parent,
        "ListRecords",
        [(record.header, partial(oai_request.write_record, prefix, record)) for record in page],
        token,
    )


VERB_WRITERS: dict[str, Callable[[OaiRequest, Element], None]] = {
    "Identify": write_identify,
    "ListMetadataFormats": write_formats,
    "ListSets": write_sets,
    "GetRecord": write_one_record,
    "ListIdentifiers": write_identifiers,
    "ListRecords": write_records,
}


def _find_record(oai_request: OaiRequest) -> DatedRecord:
    """Return the requested record; case makes no difference (IVOA Identifiers 2.0 section 2.1).

    Raises OaiError for an unknown one.
    """
    identifier = oai_request.arguments["identifier"]
    for record in oai_request.records:
        if record.id == identifier.lower():
            return record
    raise OaiError(("idDoesNotExist", f"there is no record {identifier!r}"))


def _check_prefix(name: str) -> str:
    if name not in PREFIXES:
        raise OaiError(("cannotDisseminateFormat", f"unknown format {name!r}; one of {', '.join(PREFIXES)}"))
    return name


def _select_page(oai_request: OaiRequest) -> tuple[str, list[DatedRecord], oai.ResumptionToken | None]:
    """Return the format of a list, the records of this response, and the resumption token."""
    list_request = parse_list_request(oai_request.arguments)
    prefix, (first, last), position = (
        _check_prefix(list_request.prefix),
        list_request.parse_bounds(),
        list_request.parse_position(),
    )
    managed = oai_request.records if list_request.set in ("", MANAGED_SET) else ()
    selected = [record for record in managed if first <= record.stamp.updated <= last]
    begin = sum(position is not None and record.key <= position for record in selected)
    page = selected[begin : begin + oai_request.config.max_records]
    if not page and position is not None:
        raise OaiError(("badResumptionToken", "no records are left in this list: start it again"))
    if not page:
        raise OaiError(("noRecordsMatch", "no record matches the set and the dates"))
    if begin + len(page) < len(selected):
        return prefix, page, oai.ResumptionToken(list_request.make_token(*page[-1].key), len(selected), begin)
    return prefix, page, None if position is None else oai.ResumptionToken("", len(selected), begin)


# ---------------------------------------------------------------- responses


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service."""
    return (SERVICE,)


async def handle_request(request: Request, site: Site) -> Response:
    """Answer a request by GET or by POST; an error of OAI-PMH comes with status 200 (section 3.6)."""
    params = await dali.read_parameters(request)
    urls = site.make_urls(get_base_url(request, site.public_url))
    url, moment = urls.get_url(SERVICE_NAME), datetime.now(UTC).replace(microsecond=0)
    arguments: dict[str, str] = {}
    try:
        arguments = parse_arguments(params.pairs)
        body = await anyio.to_thread.run_sync(_write_document, site, urls, moment, arguments)
    except OaiError as error:
        return _error_response(request, error, _write_errors(url, moment, arguments, error.errors))
    return document_response(request, body, MEDIA_TYPE)


def _write_document(site: Site, urls: SiteUrls, moment: datetime, arguments: Mapping[str, str]) -> bytes:
    config, url = RegistryConfig(site.authority), urls.get_url(SERVICE_NAME)
    document = _start_document(url, moment, arguments)
    request = OaiRequest(config, site, url, moment, arguments, _list_records(config, site, urls))
    VERB_WRITERS[arguments["verb"]](request, document)
    return serialise(document)


def _write_errors(url: str, moment: datetime, arguments: Mapping[str, str], errors: Iterable[tuple[str, str]]) -> bytes:
    document = _start_document(url, moment, arguments)
    oai.add_errors(document, [(code, _NOT_XML.sub("?", message)) for code, message in errors])
    return serialise(document)


def _start_document(url: str, moment: datetime, arguments: Mapping[str, str]) -> Element:
    return oai.make_document(url, moment, {name: _NOT_XML.sub("?", value) for name, value in arguments.items()})


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""


def _list_records(config: RegistryConfig, site: Site, urls: SiteUrls) -> tuple[DatedRecord, ...]:
    """Return all records as they are now, deleted ones included, the oldest first.

    A new record is dated after it has been built, so that no response sent in the meantime has a later date.
    """
    assert site.datestamps is not None
    loaded = find_loaded_tables(site)
    records = _make_records(config, site, loaded, urls)
    digests = _compute_digests(config, site, loaded)
    dated = site.datestamps.update(digests, config.identifier_prefix, datetime.now(UTC).replace(microsecond=0))
    return tuple(
        sorted((DatedRecord(id, d, records.get(id)) for id, d in dated.items()), key=lambda record: record.key)
    )


@lru_cache(maxsize=8)
def _make_records(
    config: RegistryConfig, site: Site, loaded: tuple[LoadedTable, ...], urls: SiteUrls
) -> dict[str, RegistryRecord]:
    return {record.identifier: record for record in build_records(config, site, loaded, urls)}


@lru_cache(maxsize=8)
def _compute_digests(config: RegistryConfig, site: Site, loaded: tuple[LoadedTable, ...]) -> dict[str, str]:
    """Return the digest of each record, which does not depend on the URL of the request."""
    records = _make_records(config, site, loaded, site.make_urls(site.public_url.rstrip("/")))
    return {id: compute_digest(record, config.status) for id, record in records.items()}


def render_error(request: Request, site: Site, error: ServiceError) -> Response:
    """Return a form that cannot be read as badArgument, and an error of the server as HTTP does, in plain text."""
    if not isinstance(error, UsageError):
        return text_error(request, error)
    url = site.make_urls(get_base_url(request, site.public_url)).get_url(SERVICE_NAME)
    moment = datetime.now(UTC).replace(microsecond=0)
    return _error_response(request, error, _write_errors(url, moment, {}, [("badArgument", str(error))]))


def _error_response(request: Request, error: ServiceError, body: bytes) -> Response:
    get_request_info(request).error_code = str(error.code)
    return document_response(request, body, MEDIA_TYPE, error_headers(error))


SERVICE = Service(
    name=SERVICE_NAME,
    path="/oai",
    resources=(Resource("", handle_request, ("GET", "POST")),),
    error_renderer=render_error,
    capabilities=lambda site, base: (describe_harvest(RegistryConfig(site.authority), base),),
)

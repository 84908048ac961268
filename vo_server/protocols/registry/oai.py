"""The publishing registry: OAI-PMH 2.0, as Registry Interfaces 1.1 (section 3.1) has it.

A list goes on where a token says, which holds all that was asked and the last record given: nothing is kept between
requests. Records are in the order of their dates, so one that changes while it is harvested comes again at the end.
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

from vo_server.catalogue.catalogue import UNREGISTERED
from vo_server.catalogue.datestamps import Datestamp, DatestampFile
from vo_server.documents import oai
from vo_server.documents.elements import MEDIA_TYPE, Element, serialise
from vo_server.documents.voresource import OAI_DC, RI, compute_digest, write_dublin_core, write_record
from vo_server.documents.voresource import RegistryRecord as Record
from vo_server.errors import ServiceError, UsageError
from vo_server.http import dali
from vo_server.http.errors import text_error
from vo_server.http.responses import document_response
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.protocols.registry import arguments as harvesting
from vo_server.protocols.registry.arguments import OaiError, parse_arguments
from vo_server.protocols.registry.records import (
    PATH,
    LoadedTable,
    RegistryConfig,
    build_records,
    describe_harvest,
    find_loaded_tables,
)

MANAGED_SET = "ivo_managed"
"""The set of what this registry publishes itself, which is all (section 3.1.4)."""

PREFIXES = {
    "ivo_vor": oai.MetadataFormat("ivo_vor", RI, RI),
    "oai_dc": oai.MetadataFormat("oai_dc", "http://www.openarchives.org/OAI/2.0/oai_dc.xsd", OAI_DC),
}


@dataclass(frozen=True, slots=True)
class DatedRecord:
    """A record with its dates; what is deleted says nothing more."""

    id: str
    stamp: Datestamp
    record: Record | None

    @property
    def key(self) -> tuple[datetime, str]:
        """Its place among all."""
        return self.stamp.updated, self.id

    @property
    def header(self) -> oai.RecordHeader:
        """Its header."""
        return oai.RecordHeader(self.id, self.stamp.updated, (MANAGED_SET,), self.stamp.deleted)


@dataclass(frozen=True, slots=True)
class OaiRequest:
    """A request at work: whom, where, when, with what, and all records, the oldest first."""

    config: RegistryConfig
    site: Site
    base: str
    moment: datetime
    arguments: Mapping[str, str]
    records: tuple[DatedRecord, ...]

    def write_record(self, prefix: str, one: DatedRecord) -> Element:
        """A record in a format."""
        assert one.record is not None
        if prefix == "oai_dc":
            return write_dublin_core(one.record, one.stamp.updated)
        return write_record(one.record, one.stamp.created, one.stamp.updated, self.config.status)


# ---------------------------------------------------------------- the verbs


def write_identify(asked: OaiRequest, made: Element) -> None:
    """Who this is, with the registry's own record (section 3.1.5)."""
    own = next(one for one in asked.records if one.id == asked.config.make_id("registry"))
    assert own.record is not None
    oai.add_identify(
        made,
        own.record.title,
        asked.base,
        asked.site.contact or f"nobody@{UNREGISTERED}",
        min(one.stamp.created for one in asked.records),
        [asked.write_record("ivo_vor", own)],
    )


def write_formats(asked: OaiRequest, made: Element) -> None:
    """All records are there in all formats."""
    if "identifier" in asked.arguments:
        _find_record(asked)
    oai.add_formats(made, PREFIXES.values())


def write_sets(asked: OaiRequest, made: Element) -> None:
    """There is one set, and its list is never cut."""
    if "resumptionToken" in asked.arguments:
        raise OaiError(("badResumptionToken", "this token is none of this service: its list of sets comes at once"))
    oai.add_sets(made, [(MANAGED_SET, "All records that this registry publishes")])


def write_one_record(asked: OaiRequest, made: Element) -> None:
    """One record."""
    prefix = _check_prefix(asked.arguments["metadataPrefix"])
    one = _find_record(asked)
    oai.add_records(made, "GetRecord", [(one.header, partial(asked.write_record, prefix, one))], None)


def write_identifiers(asked: OaiRequest, made: Element) -> None:
    """The headers of the records that are asked for."""
    _, page, token = _select_page(asked)
    oai.add_headers(made, [one.header for one in page], token)


def write_records(asked: OaiRequest, made: Element) -> None:
    """The records that are asked for."""
    prefix, page, token = _select_page(asked)
    oai.add_records(
        made, "ListRecords", [(one.header, partial(asked.write_record, prefix, one)) for one in page], token
    )


VERB_WRITERS: dict[str, Callable[[OaiRequest, Element], None]] = {
    "Identify": write_identify,
    "ListMetadataFormats": write_formats,
    "ListSets": write_sets,
    "GetRecord": write_one_record,
    "ListIdentifiers": write_identifiers,
    "ListRecords": write_records,
}


def _find_record(asked: OaiRequest) -> DatedRecord:
    """The record that the request names; case makes no difference (IVOA Identifiers 2.0 section 2.1)."""
    wanted = asked.arguments["identifier"]
    for one in asked.records:
        if one.id == wanted.lower():
            return one
    raise OaiError(("idDoesNotExist", f"there is no record {wanted!r} here"))


def _check_prefix(name: str) -> str:
    if name not in PREFIXES:
        raise OaiError(("cannotDisseminateFormat", f"no format {name!r}; there are {', '.join(PREFIXES)}"))
    return name


def _select_page(asked: OaiRequest) -> tuple[str, list[DatedRecord], oai.ResumptionToken | None]:
    """The format of a list, the records that come now, and where it goes on."""
    wanted = harvesting.parse_list_request(asked.arguments)
    prefix, (first, last), place = _check_prefix(wanted.prefix), wanted.parse_bounds(), wanted.parse_position()
    managed = asked.records if wanted.set in ("", MANAGED_SET) else ()
    whole = [one for one in managed if first <= one.stamp.updated <= last]
    begin = sum(place is not None and one.key <= place for one in whole)
    page = whole[begin : begin + asked.config.max_records]
    if not page and place is not None:
        raise OaiError(("badResumptionToken", "nothing is left of this list: begin anew"))
    if not page:
        raise OaiError(("noRecordsMatch", "no record is of this set and of these dates"))
    if begin + len(page) < len(whole):
        return prefix, page, oai.ResumptionToken(wanted.make_token(*page[-1].key), len(whole), begin)
    return prefix, page, None if place is None else oai.ResumptionToken("", len(whole), begin)


# --------------------------------------------------------------- the answer


async def handle_request(office: RegistryConfig, stamps: DatestampFile, request: Request, site: Site) -> Response:
    """Any request, by GET or by POST; what OAI-PMH calls an error comes with status 200 (section 3.6)."""
    given = await dali.read_parameters(request)
    base = get_base_url(request, site.public_url)
    body = await anyio.to_thread.run_sync(_write_answer, office, stamps, site, base, given.pairs)
    return document_response(request, body, MEDIA_TYPE)


def _write_answer(
    office: RegistryConfig, stamps: DatestampFile, site: Site, base: str, pairs: Iterable[tuple[str, str]]
) -> bytes:
    moment = datetime.now(UTC).replace(microsecond=0)
    said: dict[str, str] = {}
    try:
        said = parse_arguments(pairs)
        made = _start_document(base, moment, said)
        asked = OaiRequest(office, site, base + PATH, moment, said, _list_records(office, stamps, site, base))
        VERB_WRITERS[said["verb"]](asked, made)
    except OaiError as refused:
        return _write_errors(base, moment, said, refused.errors)
    return serialise(made)


def _write_errors(base: str, moment: datetime, said: Mapping[str, str], errors: Iterable[tuple[str, str]]) -> bytes:
    made = _start_document(base, moment, said)
    oai.add_errors(made, [(code, _NOT_XML.sub("?", message)) for code, message in errors])
    return serialise(made)


def _start_document(base: str, moment: datetime, said: Mapping[str, str]) -> Element:
    return oai.make_document(base + PATH, moment, {name: _NOT_XML.sub("?", value) for name, value in said.items()})


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot say."""


def _list_records(office: RegistryConfig, stamps: DatestampFile, site: Site, base: str) -> tuple[DatedRecord, ...]:
    """All records as they are now, the oldest first, those that are gone among them.

    What is new is dated after it has been worked out, so no answer that was given in the meantime has a later date.
    """
    loaded = find_loaded_tables(site)
    made = _make_records(office, site, loaded, base)
    digests = _compute_digests(office, site, loaded)
    dated = stamps.update(digests, office.identifier_prefix, datetime.now(UTC).replace(microsecond=0))
    return tuple(sorted((DatedRecord(id, stamp, made.get(id)) for id, stamp in dated.items()), key=lambda one: one.key))


@lru_cache(maxsize=8)
def _make_records(office: RegistryConfig, site: Site, loaded: tuple[LoadedTable, ...], base: str) -> dict[str, Record]:
    return {record.identifier: record for record in build_records(office, site, loaded, base)}


@lru_cache(maxsize=8)
def _compute_digests(office: RegistryConfig, site: Site, loaded: tuple[LoadedTable, ...]) -> dict[str, str]:
    """Of what the records say, by whatever URL they are asked."""
    made = _make_records(office, site, loaded, site.public_url.rstrip("/"))
    return {id: compute_digest(record, office.status) for id, record in made.items()}


def render_error(request: Request, site: Site, fault: ServiceError) -> Response:
    """A form that cannot be read is a bad argument; what is not the client's fault is told as HTTP does it."""
    if not isinstance(fault, UsageError):
        return text_error(request, fault)
    moment = datetime.now(UTC).replace(microsecond=0)
    body = _write_errors(get_base_url(request, site.public_url), moment, {}, [("badArgument", str(fault))])
    return document_response(request, body, MEDIA_TYPE)


def service(office: RegistryConfig, stamps: DatestampFile) -> Service:
    """The registry as a service of its own."""
    return Service(
        name="oai",
        path=PATH,
        resources=(Resource("", partial(handle_request, office, stamps), ("GET", "POST")),),
        error_renderer=render_error,
        capabilities=lambda site, base: (describe_harvest(office, base),),
    )

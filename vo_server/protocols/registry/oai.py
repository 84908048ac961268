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
from vo_server.catalogue.stamps import Stamp, Stamps
from vo_server.documents import oai
from vo_server.documents.elements import MEDIA_TYPE, Element, serialised
from vo_server.documents.voresource import OAI_DC, RI, digest, dublin_core, element
from vo_server.documents.voresource import Resource as Record
from vo_server.errors import ServiceError, UsageError
from vo_server.http import dali
from vo_server.http.errors import text_error
from vo_server.http.responses import document
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import base_url
from vo_server.protocols.registry import arguments as harvesting
from vo_server.protocols.registry.arguments import Refused, arguments
from vo_server.protocols.registry.records import (
    PATH,
    Held,
    Office,
    harvest,
    held,
    records,
)

MANAGED = "ivo_managed"
"""The set of what this registry publishes itself, which is all (section 3.1.4)."""

PREFIXES = {
    "ivo_vor": oai.Prefix("ivo_vor", RI, RI),
    "oai_dc": oai.Prefix("oai_dc", "http://www.openarchives.org/OAI/2.0/oai_dc.xsd", OAI_DC),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A record with its dates; what is deleted says nothing more."""

    id: str
    stamp: Stamp
    record: Record | None

    @property
    def key(self) -> tuple[datetime, str]:
        """Its place among all."""
        return self.stamp.updated, self.id

    @property
    def header(self) -> oai.Header:
        """Its header."""
        return oai.Header(self.id, self.stamp.updated, (MANAGED,), self.stamp.deleted)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request at work: whom, where, when, with what, and all records, the oldest first."""

    office: Office
    site: Site
    base: str
    moment: datetime
    given: Mapping[str, str]
    listed: tuple[Listed, ...]

    def body(self, prefix: str, one: Listed) -> Element:
        """A record in a format."""
        assert one.record is not None
        if prefix == "oai_dc":
            return dublin_core(one.record, one.stamp.updated)
        return element(one.record, one.stamp.created, one.stamp.updated, self.office.status)


# ---------------------------------------------------------------- the verbs


def identify(asked: Asked, made: Element) -> None:
    """Who this is, with the registry's own record (section 3.1.5)."""
    own = next(one for one in asked.listed if one.id == asked.office.id("registry"))
    assert own.record is not None
    oai.add_identify(
        made,
        own.record.title,
        asked.base,
        asked.site.contact or f"nobody@{UNREGISTERED}",
        min(one.stamp.created for one in asked.listed),
        [asked.body("ivo_vor", own)],
    )


def list_formats(asked: Asked, made: Element) -> None:
    """All records are there in all formats."""
    if "identifier" in asked.given:
        _found(asked)
    oai.add_formats(made, PREFIXES.values())


def list_sets(asked: Asked, made: Element) -> None:
    """There is one set, and its list is never cut."""
    if "resumptionToken" in asked.given:
        raise Refused(("badResumptionToken", "this token is none of this service: its list of sets comes at once"))
    oai.add_sets(made, [(MANAGED, "All records that this registry publishes")])


def get_record(asked: Asked, made: Element) -> None:
    """One record."""
    prefix = _prefix(asked.given["metadataPrefix"])
    one = _found(asked)
    oai.add_records(made, "GetRecord", [(one.header, partial(asked.body, prefix, one))], None)


def list_identifiers(asked: Asked, made: Element) -> None:
    """The headers of the records that are asked for."""
    _, page, token = _page(asked)
    oai.add_headers(made, [one.header for one in page], token)


def list_records(asked: Asked, made: Element) -> None:
    """The records that are asked for."""
    prefix, page, token = _page(asked)
    oai.add_records(made, "ListRecords", [(one.header, partial(asked.body, prefix, one)) for one in page], token)


ANSWERS: dict[str, Callable[[Asked, Element], None]] = {
    "Identify": identify,
    "ListMetadataFormats": list_formats,
    "ListSets": list_sets,
    "GetRecord": get_record,
    "ListIdentifiers": list_identifiers,
    "ListRecords": list_records,
}


def _found(asked: Asked) -> Listed:
    """The record that the request names; case makes no difference (IVOA Identifiers 2.0 section 2.1)."""
    wanted = asked.given["identifier"]
    for one in asked.listed:
        if one.id == wanted.lower():
            return one
    raise Refused(("idDoesNotExist", f"there is no record {wanted!r} here"))


def _prefix(name: str) -> str:
    if name not in PREFIXES:
        raise Refused(("cannotDisseminateFormat", f"no format {name!r}; there are {', '.join(PREFIXES)}"))
    return name


def _page(asked: Asked) -> tuple[str, list[Listed], oai.Token | None]:
    """The format of a list, the records that come now, and where it goes on."""
    wanted = harvesting.wanted(asked.given)
    prefix, (first, last), place = _prefix(wanted.prefix), wanted.bounds(), wanted.place()
    managed = asked.listed if wanted.set in ("", MANAGED) else ()
    whole = [one for one in managed if first <= one.stamp.updated <= last]
    begin = sum(place is not None and one.key <= place for one in whole)
    page = whole[begin : begin + asked.office.most]
    if not page and place is not None:
        raise Refused(("badResumptionToken", "nothing is left of this list: begin anew"))
    if not page:
        raise Refused(("noRecordsMatch", "no record is of this set and of these dates"))
    if begin + len(page) < len(whole):
        return prefix, page, oai.Token(wanted.token(*page[-1].key), len(whole), begin)
    return prefix, page, None if place is None else oai.Token("", len(whole), begin)


# --------------------------------------------------------------- the answer


async def answer(office: Office, stamps: Stamps, request: Request, site: Site) -> Response:
    """Any request, by GET or by POST; what OAI-PMH calls an error comes with status 200 (section 3.6)."""
    given = await dali.parameters(request)
    base = base_url(request, site.public_url)
    body = await anyio.to_thread.run_sync(_answered, office, stamps, site, base, given.given)
    return document(request, body, MEDIA_TYPE)


def _answered(office: Office, stamps: Stamps, site: Site, base: str, pairs: Iterable[tuple[str, str]]) -> bytes:
    moment = datetime.now(UTC).replace(microsecond=0)
    said: dict[str, str] = {}
    try:
        said = arguments(pairs)
        made = _begun(base, moment, said)
        asked = Asked(office, site, base + PATH, moment, said, _listed(office, stamps, site, base))
        ANSWERS[said["verb"]](asked, made)
    except Refused as refused:
        return _errors(base, moment, said, refused.errors)
    return serialised(made)


def _errors(base: str, moment: datetime, said: Mapping[str, str], errors: Iterable[tuple[str, str]]) -> bytes:
    made = _begun(base, moment, said)
    oai.add_errors(made, [(code, _UNWRITABLE.sub("?", message)) for code, message in errors])
    return serialised(made)


def _begun(base: str, moment: datetime, said: Mapping[str, str]) -> Element:
    return oai.answer(base + PATH, moment, {name: _UNWRITABLE.sub("?", value) for name, value in said.items()})


_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot say."""


def _listed(office: Office, stamps: Stamps, site: Site, base: str) -> tuple[Listed, ...]:
    """All records as they are now, the oldest first, those that are gone among them.

    What is new is dated after it has been worked out, so no answer that was given in the meantime has a later date.
    """
    loaded = held(site)
    made = _records(office, site, loaded, base)
    digests = _digests(office, site, loaded)
    dated = stamps.settle(digests, office.begin, datetime.now(UTC).replace(microsecond=0))
    return tuple(sorted((Listed(id, stamp, made.get(id)) for id, stamp in dated.items()), key=lambda one: one.key))


@lru_cache(maxsize=8)
def _records(office: Office, site: Site, loaded: tuple[Held, ...], base: str) -> dict[str, Record]:
    return {record.identifier: record for record in records(office, site, loaded, base)}


@lru_cache(maxsize=8)
def _digests(office: Office, site: Site, loaded: tuple[Held, ...]) -> dict[str, str]:
    """Of what the records say, by whatever URL they are asked."""
    made = _records(office, site, loaded, site.public_url.rstrip("/"))
    return {id: digest(record, office.status) for id, record in made.items()}


def refuse(request: Request, site: Site, fault: ServiceError) -> Response:
    """A form that cannot be read is a bad argument; what is not the client's fault is told as HTTP does it."""
    if not isinstance(fault, UsageError):
        return text_error(request, fault)
    moment = datetime.now(UTC).replace(microsecond=0)
    body = _errors(base_url(request, site.public_url), moment, {}, [("badArgument", str(fault))])
    return document(request, body, MEDIA_TYPE)


def service(office: Office, stamps: Stamps) -> Service:
    """The registry as a service of its own."""
    return Service(
        name="oai",
        path=PATH,
        resources=(Resource("", partial(answer, office, stamps), ("GET", "POST")),),
        refuse=refuse,
        capabilities=lambda site, base: (harvest(office, base),),
    )

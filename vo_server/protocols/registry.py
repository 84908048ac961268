"""The publishing registry: OAI-PMH 2.0, as Registry Interfaces 1.1 (section 3.1) has it.

A list goes on where a token says, which holds all that was asked and the last record given: nothing is kept between
requests. Records are in the order of their dates, so one that changes while it is harvested comes again at the end.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.stamps import Stamp, Stamps
from vo_server.documents import oai
from vo_server.documents.elements import MEDIA_TYPE, Element, serialised
from vo_server.documents.voresource import OAI_DC, RI, digest, dublin_core, element
from vo_server.documents.voresource import Resource as Record
from vo_server.errors import Fault, UsageFault
from vo_server.protocols import dali
from vo_server.protocols.records import PATH, UNREGISTERED, Held, Office, harvest, held, records
from vo_server.protocols.refuse import as_text
from vo_server.protocols.respond import document
from vo_server.protocols.service import Resource, Service, Site
from vo_server.protocols.urls import base_url

MANAGED = "ivo_managed"
"""The set of what this registry publishes itself, which is all (section 3.1.4)."""

PREFIXES = {
    "ivo_vor": oai.Prefix("ivo_vor", RI, RI),
    "oai_dc": oai.Prefix("oai_dc", "http://www.openarchives.org/OAI/2.0/oai_dc.xsd", OAI_DC),
}


class Refused(UsageFault):
    """A request that OAI-PMH has words for: (code, message) of each thing wrong (section 3.6)."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(message for _, message in errors))
        self.errors = errors


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
    _, page, token = _page(asked, "ListIdentifiers")
    oai.add_headers(made, [one.header for one in page], token)


def list_records(asked: Asked, made: Element) -> None:
    """The records that are asked for."""
    prefix, page, token = _page(asked, "ListRecords")
    oai.add_records(made, "ListRecords", [(one.header, partial(asked.body, prefix, one)) for one in page], token)


@dataclass(frozen=True, slots=True)
class Verb:
    """What a request may ask, and with which arguments (section 4). `alone` is one that stands for all others."""

    answer: Callable[[Asked, Element], None]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    alone: str = ""


VERBS = {
    "Identify": Verb(identify),
    "ListMetadataFormats": Verb(list_formats, optional=("identifier",)),
    "ListSets": Verb(list_sets, alone="resumptionToken"),
    "GetRecord": Verb(get_record, required=("identifier", "metadataPrefix")),
    "ListIdentifiers": Verb(list_identifiers, ("metadataPrefix",), ("from", "until", "set"), "resumptionToken"),
    "ListRecords": Verb(list_records, ("metadataPrefix",), ("from", "until", "set"), "resumptionToken"),
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


# ------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for, and behind which record it goes on. Instants, and texts as they came."""

    verb: str
    prefix: str
    set: str = ""
    since: str = ""
    until: str = ""
    after: tuple[str, str] | None = None

    def matches(self, one: Listed) -> bool:
        """Is this record asked for?"""
        begin, end = _instants(self.since), _instants(self.until)
        when = one.stamp.updated
        return (begin is None or begin[0] <= when) and (end is None or when <= end[1]) and self.set in ("", MANAGED)


def _page(asked: Asked, verb: str) -> tuple[str, list[Listed], oai.Token | None]:
    """The format of a list, the records that come now, and where it goes on."""
    text = asked.given.get("resumptionToken")
    wanted = _wanted(asked.given, verb) if text is None else _resumed(text, verb)
    whole = [one for one in asked.listed if wanted.matches(one)]
    begin = 0
    if wanted.after is not None:
        place = datetime.fromisoformat(wanted.after[0]), wanted.after[1]
        begin = sum(one.key <= place for one in whole)
    page = whole[begin : begin + asked.office.most]
    if not page:
        if text is not None:
            raise Refused(("badResumptionToken", "nothing is left of this list: begin anew"))
        raise Refused(("noRecordsMatch", "no record is of this set and of these dates"))
    more = begin + len(page) < len(whole)
    if text is None and not more:
        return wanted.prefix, page, None
    following = _token(wanted, page[-1]) if more else ""
    return wanted.prefix, page, oai.Token(following, len(whole), begin)


def _wanted(given: Mapping[str, str], verb: str) -> Wanted:
    since, until = given.get("from", ""), given.get("until", "")
    prefix = _prefix(given["metadataPrefix"])
    return Wanted(verb, prefix, given.get("set", ""), since, until)


def _token(wanted: Wanted, last: Listed) -> str:
    """All of a list that goes on behind a record; with a sum, so that what is garbled is known for that."""
    said = [wanted.verb, wanted.prefix, wanted.set, wanted.since, wanted.until, last.key[0].isoformat(), last.id]
    body = json.dumps(said, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_sum(body) + body).decode().rstrip("=")


def _resumed(text: str, verb: str) -> Wanted:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        packed = b""
    if not packed or packed[:8] != _sum(packed[8:]):
        raise Refused(("badResumptionToken", "this token is none of this service"))
    said, prefix, set, since, until, updated, id = json.loads(packed[8:])
    if said != verb:
        raise Refused(("badResumptionToken", f"this token goes on with {said} and not with {verb}"))
    return Wanted(verb, prefix, set, since, until, (updated, id))


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(b"vo_server resumption token" + body).digest()[:8]


# ------------------------------------------------------------- the request


_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9\-_.!~*'()]+")
_SET = re.compile(r"[A-Za-z0-9\-_.!~*'()]+(:[A-Za-z0-9\-_.!~*'()]+)*")
_URI = re.compile(r"[A-Za-z0-9\-_.!~*'()+=:/?#\[\]@$&,;%]+")
_SHAPES = {"metadataPrefix": _PREFIX, "set": _SET, "identifier": _URI}
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _instants(text: str) -> tuple[datetime, datetime] | None:
    """The first and the last second that a date means; None for no date.

    Raises ValueError for what is none (section 3.3.1).
    """
    if not text:
        return None
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    begin = datetime.fromisoformat(text.rstrip("Z")).replace(tzinfo=UTC)
    return begin, begin if match[1] else begin + timedelta(days=1, seconds=-1)


def _arguments(pairs: Iterable[tuple[str, str]]) -> tuple[Verb, dict[str, str]]:
    """The verb of a request, and its arguments, that one among them.

    Raises Refused with all that is wrong.
    """
    given = list(pairs)
    verbs = [value for name, value in given if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in VERBS:
        said = f"{verbs[0]!r} is no verb" if len(verbs) == 1 else f"verb comes {len(verbs)} times"
        raise Refused(("badVerb", f"{said}; once one of {', '.join(VERBS)}"))
    verb = VERBS[verbs[0]]
    wrong = list(_wrong(verbs[0], verb, [(name, value) for name, value in given if name != "verb"]))
    if wrong:
        raise Refused(*(("badArgument", message) for message in wrong))
    return verb, dict(given)


def _wrong(name: str, verb: Verb, rest: list[tuple[str, str]]) -> Iterable[str]:
    names = [n for n, _ in rest]
    known = {*verb.required, *verb.optional, verb.alone} - {""}
    for each in dict.fromkeys(names):
        if each not in known:
            yield f"{name} has no argument {each!r}" + (f"; it has {', '.join(sorted(known))}" if known else "")
        elif names.count(each) > 1:
            yield f"{each} comes {names.count(each)} times"
    if verb.alone and verb.alone in names:
        if len(set(names)) > 1:
            yield f"{verb.alone} stands alone"
        return
    yield from (f"{each} is missing" for each in verb.required if each not in names)
    given = dict(rest)
    for each, shape in _SHAPES.items():
        if each in given and not shape.fullmatch(given[each]):
            yield f"{each} is {given[each]!r}, which cannot be one"
    yield from _wrong_dates({each: given[each] for each in ("from", "until") if each in given})


def _wrong_dates(given: Mapping[str, str]) -> Iterable[str]:
    found = {}
    for name, text in given.items():
        try:
            found[name] = _instants(text)
        except (ValueError, OverflowError):
            found[name] = None
        if found[name] is None:
            yield f"{name} is {text!r}, where a date such as 2001-02-15 or 2001-02-15T00:00:00Z is needed"
    since, until = found.get("from"), found.get("until")
    if since is not None and until is not None:
        if len(given["from"]) != len(given["until"]):
            yield "from and until are of different granularity"
        elif since > until:
            yield "from is later than until"


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
        verb, said = _arguments(pairs)
        listed = _listed(office, stamps, site, base, moment)
        asked = Asked(office, site, base + PATH, moment, said, listed)
        made = oai.answer(asked.base, moment, said)
        verb.answer(asked, made)
    except Refused as refused:
        return _errors(base, moment, said, refused.errors)
    return serialised(made)


def _errors(base: str, moment: datetime, said: Mapping[str, str], errors: Iterable[tuple[str, str]]) -> bytes:
    made = oai.answer(base + PATH, moment, {name: _UNWRITABLE.sub("?", value) for name, value in said.items()})
    oai.add_errors(made, [(code, _UNWRITABLE.sub("?", message)) for code, message in errors])
    return serialised(made)


def _listed(office: Office, stamps: Stamps, site: Site, base: str, moment: datetime) -> tuple[Listed, ...]:
    """All records as they are now, the oldest first, those that are gone among them."""
    loaded = held(site)
    made = _records(office, site, loaded, base)
    dated = stamps.settle(_digests(office, site, loaded), office.begin, moment)
    return tuple(sorted((Listed(id, stamp, made.get(id)) for id, stamp in dated.items()), key=lambda one: one.key))


@lru_cache(maxsize=8)
def _records(office: Office, site: Site, loaded: tuple[Held, ...], base: str) -> dict[str, Record]:
    return {record.identifier: record for record in records(office, site, loaded, base)}


@lru_cache(maxsize=8)
def _digests(office: Office, site: Site, loaded: tuple[Held, ...]) -> dict[str, str]:
    """Of what the records say, by whatever URL they are asked."""
    made = _records(office, site, loaded, site.public_url.rstrip("/"))
    return {id: digest(record, office.status) for id, record in made.items()}


def refuse(request: Request, site: Site, fault: Fault) -> Response:
    """A form that cannot be read is a bad argument; what is not the client's fault is told as HTTP does it."""
    if not isinstance(fault, UsageFault):
        return as_text(request, fault)
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

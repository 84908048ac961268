"""The documents of OAI-PMH 2.0 (Open Archives Initiative, protocol version of 2002-06-14, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from vo_server.documents.elements import XSI, Element, add, make_root

OAI = "http://www.openarchives.org/OAI/2.0/"
SCHEMA_URL = "http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd"
GRANULARITY = "YYYY-MM-DDThh:mm:ssZ"


@dataclass(frozen=True, slots=True)
class MetadataFormat:
    """A metadata format: its name, its schema and its namespace."""

    name: str
    schema: str
    namespace: str


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """The header of a record."""

    identifier: str
    datestamp: datetime
    sets: tuple[str, ...]
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class ResumptionToken:
    """The point at which a list continues; an empty text ends a list that was split."""

    text: str
    size: int
    cursor: int


def make_document(base: str, moment: datetime, arguments: Mapping[str, str]) -> Element:
    """Return a response without its content. The arguments are those of the request, none if they are invalid."""
    document = make_root("oai", OAI, "OAI-PMH")
    document.set(f"{{{XSI}}}schemaLocation", f"{OAI} {SCHEMA_URL}")
    _add(document, "responseDate", moment)
    _add(document, "request", base, **arguments)
    return document


def add_errors(document: Element, errors: Iterable[tuple[str, str]]) -> None:
    """Add the errors of a request as (code, message)."""
    for code, message in errors:
        _add(document, "error", message, code=code)


def add_identify(
    document: Element, name: str, base: str, email: str, earliest: datetime, descriptions: Iterable[Element]
) -> None:
    """Add the description of the repository (section 4.2); Registry Interfaces 1.1 puts the registry's own record into
    it."""
    entry = _add(document, "Identify")
    for word, value in (
        ("repositoryName", name),
        ("baseURL", base),
        ("protocolVersion", "2.0"),
        ("adminEmail", email),
        ("earliestDatestamp", earliest),
        ("deletedRecord", "persistent"),
        ("granularity", GRANULARITY),
    ):
        _add(entry, word, value)
    _add(entry, "compression", "gzip")
    for description in descriptions:
        _add(entry, "description").append(description)


def add_formats(document: Element, prefixes: Iterable[MetadataFormat]) -> None:
    """Add the formats of the records (section 4.4)."""
    entry = _add(document, "ListMetadataFormats")
    for prefix in prefixes:
        element = _add(entry, "metadataFormat")
        _add(element, "metadataPrefix", prefix.name)
        _add(element, "schema", prefix.schema)
        _add(element, "metadataNamespace", prefix.namespace)


def add_sets(document: Element, sets: Iterable[tuple[str, str]]) -> None:
    """Add the sets as (name in requests, title) (section 4.6)."""
    entry = _add(document, "ListSets")
    for spec, name in sets:
        element = _add(entry, "set")
        _add(element, "setSpec", spec)
        _add(element, "setName", name)


def add_headers(document: Element, headers: Iterable[RecordHeader], token: ResumptionToken | None) -> None:
    """Add a list of headers (section 4.3)."""
    entry = _add(document, "ListIdentifiers")
    for header in headers:
        _add_header(entry, header)
    _add_token(entry, token)


WriteRecord = Callable[[], Element]


def add_records(
    document: Element, verb: str, records: Iterable[tuple[RecordHeader, WriteRecord]], token: ResumptionToken | None
) -> None:
    """Add records (sections 4.1 and 4.5); a deleted one has only its header."""
    entry = _add(document, verb)
    for header, body in records:
        element = _add(entry, "record")
        _add_header(element, header)
        if not header.deleted:
            _add(element, "metadata").append(body())
    _add_token(entry, token)


def _add_header(parent: Element, header: RecordHeader) -> None:
    entry = _add(parent, "header", status="deleted" if header.deleted else None)
    _add(entry, "identifier", header.identifier)
    _add(entry, "datestamp", header.datestamp)
    for spec in header.sets:
        _add(entry, "setSpec", spec)


def _add_token(parent: Element, token: ResumptionToken | None) -> None:
    if token is not None:
        _add(parent, "resumptionToken", token.text, completeListSize=token.size, cursor=token.cursor)


def _add(parent: Element, name: str, value: str | datetime | None = None, **attributes: str | int | None) -> Element:
    return add(parent, f"{{{OAI}}}{name}", value, None, **attributes)

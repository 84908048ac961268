"""Registry records: VOResource 1.2, VODataService 1.2, VORegistry 1.1.

A record has content that all records share and a kind with the rest. Its dates are not part of it: they follow from
changes of its digest (`compute_digest`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from lxml import etree
from typing_extensions import override

from vo_server.catalogue.catalogue import Catalogue
from vo_server.documents.capability import Capability, Details, add_capability
from vo_server.documents.elements import NAMESPACES, XSI, Element, add, add_known, format_value, make_root
from vo_server.documents.tables import add_schemas

RI = "http://www.ivoa.net/xml/RegistryInterface/v1.0"
Status = Literal["active", "inactive"]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ResourceName:
    """A name, and the IVOA identifier of the named resource if it is in the registry."""

    text: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Relationship:
    """A relationship to other resources: a word of the vocabulary of relationship types, and the others."""

    kind: str
    resources: tuple[ResourceName, ...]


@dataclass(frozen=True, slots=True)
class Curation:
    """The creators, the publisher and the contact of a resource."""

    publisher: ResourceName
    contact: str
    email: str | None = None
    creators: tuple[str, ...] = ()
    contributors: tuple[str, ...] = ()
    dates: tuple[tuple[str, str], ...] = ()
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The subject matter of a resource; `source` is a bibcode, `types` are words of the vocabulary of content types."""

    subjects: tuple[str, ...]
    description: str
    reference_url: str
    source: str | None = None
    types: tuple[str, ...] = ()
    level: str = "Research"
    relationships: tuple[Relationship, ...] = ()


class RecordKind(Protocol):
    """The properties of a kind of record, which follow those of all records."""

    xsi_type: ClassVar[str]

    def write(self, resource: Element) -> None:
        """Write the children, in the order of the schema."""


@dataclass(frozen=True, slots=True)
class RegistryRecord:
    """A registry record. `other_identifiers` are identifiers such as a DOI."""

    identifier: str
    title: str
    short_name: str | None
    curation: Curation
    content: Content
    kind: RecordKind
    other_identifiers: tuple[str, ...] = ()


# ------------------------------------------------------------------ kinds


@dataclass(frozen=True, slots=True)
class Organisation(RecordKind):
    """The organisation that runs the services."""

    xsi_type: ClassVar[str] = "vr:Organisation"

    @override
    def write(self, resource: Element) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Authority(RecordKind):
    """A naming authority (VORegistry 1.1 section 3.2)."""

    xsi_type: ClassVar[str] = "vg:Authority"

    managing: ResourceName

    @override
    def write(self, resource: Element) -> None:
        _add_name(resource, "managingOrg", self.managing)


@dataclass(frozen=True, slots=True)
class Registry(RecordKind):
    """A publishing registry (VORegistry 1.1 section 3.1)."""

    xsi_type: ClassVar[str] = "vg:Registry"

    capabilities: tuple[Capability, ...]
    authorities: tuple[str, ...]

    @override
    def write(self, resource: Element) -> None:
        for capability in self.capabilities:
            add_capability(resource, capability)
        add(resource, "full", False)
        for authority in self.authorities:
            add(resource, "managedAuthority", authority)


@dataclass(frozen=True, slots=True)
class Harvest(Details):
    """The capability of a registry that is harvested (VORegistry 1.1 section 3.1.2), with the records of a response."""

    xsi_type: ClassVar[str] = "vg:Harvest"

    max_records: int

    @override
    def write(self, capability: Element) -> None:
        add(capability, "maxRecords", self.max_records)


JOULE_UM = 1.98644586e-19
"""The energy in J of a photon of 1 um: h c."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The coverage in space, time and wavelength (VODataService 1.2 section 3.2).

    `spatial` is a MOC in ASCII, `times` are in MJD, `wavelengths` in um; `footprint` is the URL of the full map.
    Overlapping intervals are merged.
    """

    spatial: str | None = None
    times: tuple[Interval, ...] = ()
    wavelengths: tuple[Interval, ...] = ()
    footprint: str | None = None
    wavebands: tuple[str, ...] = ()

    def write(self, resource: Element) -> None:
        """Write the element, unless it is empty."""
        entry = etree.Element("coverage")
        add_known(entry, spatial=self.spatial)
        for low, high in _merge_intervals(self.times):
            add(entry, "temporal", f"{low:.10g} {high:.10g}")
        for low, high in _merge_intervals([(JOULE_UM / high, JOULE_UM / low) for low, high in self.wavelengths]):
            add(entry, "spectral", f"{low:.4g} {high:.4g}")
        if self.footprint is not None:
            add(entry, "footprint", self.footprint, ivo_id="ivo://ivoa.net/std/moc")
        for word in self.wavebands:
            add(entry, "waveband", word)
        if len(entry):
            resource.append(entry)


def _merge_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union of intervals, in order and disjoint."""
    merged: list[Interval] = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1]:
            low, high = merged[-1][0], max(merged.pop()[1], high)
        merged.append((low, high))
    return merged


@dataclass(frozen=True, slots=True)
class CatalogResource(RecordKind):
    """Tables; as a CatalogService, a service that queries them (VODataService 1.2 section 3.1)."""

    xsi_type: ClassVar[str] = "vs:CatalogResource"

    capabilities: tuple[Capability, ...]
    tables: Catalogue
    rights: tuple[tuple[str, str | None], ...] = ()
    facilities: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    coverage: Coverage = Coverage()

    @override
    def write(self, resource: Element) -> None:
        for text, url in self.rights:
            add(resource, "rights", _normalise_space(text), rightsURI=url)
        for capability in self.capabilities:
            add_capability(resource, capability)
        for facility in self.facilities:
            add(resource, "facility", facility)
        for instrument in self.instruments:
            add(resource, "instrument", instrument)
        self.coverage.write(resource)
        if self.tables.tables:
            add_schemas(add(resource, "tableset"), self.tables)


@dataclass(frozen=True, slots=True)
class CatalogService(CatalogResource):
    """A service that queries tables."""

    xsi_type: ClassVar[str] = "vs:CatalogService"


# --------------------------------------------------------------- the record


SCHEMA_LOCATIONS = " ".join(f"{uri} {uri}" for uri in (RI, *(u for prefix, u in NAMESPACES.items() if prefix != "xsi")))
"""The schemas are at the URLs of their namespaces (TAPRegExt 1.0 section 2.1)."""


def write_record(resource: RegistryRecord, created: datetime, updated: datetime, status: Status) -> Element:
    """Return the record as `ri:Resource`, in the prefixes that harvesters know and without a default namespace
    (Registry Interfaces 1.1 section 3.1.2)."""
    document = make_root("ri", RI, "Resource", created=created, updated=updated, status=status, version="1.2")
    document.set(f"{{{XSI}}}type", resource.kind.xsi_type)
    document.set(f"{{{XSI}}}schemaLocation", SCHEMA_LOCATIONS)
    add_known(
        document, title=_normalise_space(resource.title), shortName=resource.short_name, identifier=resource.identifier
    )
    for other in resource.other_identifiers:
        add(document, "altIdentifier", other)
    _write_curation(add(document, "curation"), resource.curation)
    _write_content(add(document, "content"), resource.content)
    resource.kind.write(document)
    return document


def compute_digest(resource: RegistryRecord, status: Status) -> str:
    """Return a digest of the record's content, which does not depend on its dates."""
    never = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
    return hashlib.sha256(etree.tostring(write_record(resource, never, never, status), method="c14n")).hexdigest()


def _write_curation(entry: Element, curation: Curation) -> None:
    _add_name(entry, "publisher", curation.publisher)
    for creator in curation.creators:
        add(add(entry, "creator"), "name", creator)
    for contributor in curation.contributors:
        add(entry, "contributor", contributor)
    for role, day in curation.dates:
        add(entry, "date", day, role=role)
    add_known(entry, version=curation.version)
    add_known(add(entry, "contact"), name=curation.contact, email=curation.email)


def _write_content(entry: Element, content: Content) -> None:
    for subject in content.subjects:
        add(entry, "subject", subject)
    add(entry, "description", content.description)
    if content.source is not None:
        add(entry, "source", content.source, format="bibcode")
    add(entry, "referenceURL", content.reference_url)
    for word in content.types:
        add(entry, "type", word)
    add(entry, "contentLevel", content.level)
    for relationship in content.relationships:
        related = add(entry, "relationship")
        add(related, "relationshipType", relationship.kind)
        for other in relationship.resources:
            _add_name(related, "relatedResource", other)


def _add_name(parent: Element, name: str, value: ResourceName) -> None:
    add(parent, name, _normalise_space(value.text), ivo_id=value.id)


def _normalise_space(text: str) -> str:
    return " ".join(text.split())


# -------------------------------------------------------------- Dublin Core


OAI_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
DC = "http://purl.org/dc/elements/1.1/"


def write_dublin_core(resource: RegistryRecord, updated: datetime) -> Element:
    """Return the record in the fifteen terms of Dublin Core, as VOResource 1.2 maps them."""
    document = etree.Element(f"{{{OAI_DC}}}dc", nsmap={"oai_dc": OAI_DC, "dc": DC, "xsi": XSI})
    document.set(f"{{{XSI}}}schemaLocation", f"{OAI_DC} http://www.openarchives.org/OAI/2.0/oai_dc.xsd")
    for name, values in _list_terms(resource, updated):
        for value in values:
            add(document, f"{{{DC}}}{name}", value)
    return document


def _list_terms(resource: RegistryRecord, updated: datetime) -> Iterable[tuple[str, tuple[str, ...]]]:
    curation, content, kind = resource.curation, resource.content, resource.kind
    yield "title", (_normalise_space(resource.title),)
    yield "creator", curation.creators
    yield "subject", content.subjects
    yield "description", (content.description,)
    yield "publisher", (_normalise_space(curation.publisher.text),)
    yield "contributor", curation.contributors
    yield "date", tuple(day for _, day in curation.dates) or (format_value(updated),)
    yield "type", content.types
    yield "identifier", (resource.identifier, *resource.other_identifiers, content.reference_url)
    yield "source", (content.source,) if content.source else ()
    yield "relation", tuple(other.id for r in content.relationships for other in r.resources if other.id)
    if isinstance(kind, CatalogResource):
        yield "rights", tuple(part for text, url in kind.rights for part in (_normalise_space(text), url) if part)

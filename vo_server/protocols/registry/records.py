"""What this server tells the registry of: its authority, who runs it, the registry itself, the collections that are
loaded, and their services. All of it is made from the catalogue files, the settings and the services' own records.

A collection says that it is served by its services and by TAP, for which it has an auxiliary capability (the note
Discovering Data Collections Within Services); the services say for which collections they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from vo_server.catalogue.catalogue import UNREGISTERED, Catalogue, Collection, Origin
from vo_server.catalogue.load import SHORT_NAME
from vo_server.documents.capability import Capability, Interface
from vo_server.documents.voresource import (
    Authority,
    CatalogResource,
    CatalogService,
    Content,
    Coverage,
    Curation,
    Harvest,
    Name,
    Organisation,
    Registry,
    Relationship,
    Resource,
    Status,
)
from vo_server.engines.engine import Facts
from vo_server.http.origin import collection
from vo_server.http.service import Service, Site
from vo_server.protocols.vosi import coverage, vosi
from vo_server.sky import footprint

PATH = "/oai"
HARVEST_ID = "ivo://ivoa.net/std/Registry"
AUXILIARY = {
    "ivo://ivoa.net/std/TAP": "ivo://ivoa.net/std/TAP#aux",
    "ivo://ivoa.net/std/SIA#query-2.0": "ivo://ivoa.net/std/SIA#query-aux-2.0",
}
"""The ids by which a collection names services for many collections."""

MOC_LENGTH = 24_000
"""Characters of the map in a record: a few dozen kB are the most (VODataService 1.2 section 3.2)."""

SUBJECT = "astronomy-databases"
"""Of the UAT, as all subjects: for what has no other, and for what is about all."""


@dataclass(frozen=True, slots=True)
class Office:
    """What the records are made from beside the site: the services, and the authority, which may be empty.

    `most` records are in an answer.
    """

    services: tuple[Service, ...]
    authority: str = ""
    most: int = 20

    @property
    def begin(self) -> str:
        """How all identifiers begin."""
        return f"ivo://{self.authority or UNREGISTERED}"

    def id(self, key: str) -> str:
        """The identifier of this server's own record of this key."""
        return f"{self.begin}/{key}".lower()

    def collection(self, publication: Collection) -> str:
        """The identifier of a publication."""
        return collection(self.authority or UNREGISTERED, publication)

    @property
    def status(self) -> Status:
        """Of all records."""
        return "active" if self.authority else "inactive"


@dataclass(frozen=True, slots=True)
class Held:
    """What is loaded of a publication: how many rows, and what is known of them."""

    id: str
    rows: int
    facts: Facts


def held(site: Site) -> tuple[Held, ...]:
    """What is loaded now; asks the database."""
    tables = ((p.id, p.table) for p in site.catalogue.collections)
    counted = ((id, table, site.engine.rows(table)) for id, table in tables)
    return tuple(
        Held(id, rows, replace(site.engine.facts(table) or Facts(), loaded_at=None))
        for id, table, rows in counted
        if rows is not None
    )


def harvest(office: Office, base: str) -> Capability:
    """What the registry itself can do."""
    interface = Interface(base, use="base", type="vg:OAIHTTP", role="std", version="1.0")
    return Capability(HARVEST_ID, (interface,), Harvest(office.most))


def records(office: Office, site: Site, loaded: tuple[Held, ...], base: str) -> tuple[Resource, ...]:
    """All records, the registry's own first; `base` is the server's URL."""
    return tuple(_Maker(office, site, loaded, base).all())


@dataclass(frozen=True, slots=True)
class _Maker:
    office: Office
    site: Site
    loaded: tuple[Held, ...]
    base: str

    def all(self) -> Iterator[Resource]:
        """Every record."""
        yield from (self._registry(), self._authority(), self._organisation())
        collections = [(self.site.catalogue.collection(h.id), h) for h in self.loaded]
        for service in self._told():
            served = [(p, h) for p, h in collections if service.serves(p)]
            if not service.collection and (served or not service.of_images):
                yield self._service(service, served)
        for publication, found in collections:
            yield self._collection(publication, found)
            for service in self._told():
                if service.collection == publication.id:
                    yield self._service_of(service, publication, found)

    # ---------------------------------------------------- the server itself

    def _registry(self) -> Resource:
        base = self.base + PATH
        return Resource(
            self.office.id("registry"),
            f"{self.site.title}: publishing registry",
            "Registry",
            self._curation(),
            Content(
                (SUBJECT,),
                f"The registry by which {self._publisher} publishes its resources in the Virtual Observatory.",
                f"{base}?verb=Identify",
                types=("Registry",),
            ),
            Registry(
                (harvest(self.office, base), *vosi.own(base, tables=False)), (self.office.begin.removeprefix("ivo://"),)
            ),
        )

    def _authority(self) -> Resource:
        return Resource(
            self.office.begin,
            f"Authority of {self._publisher}",
            None,
            self._curation(),
            Content((SUBJECT,), f"The authority under which {self._publisher} names resources.", f"{self.base}/"),
            Authority(self._name),
        )

    def _organisation(self) -> Resource:
        return Resource(
            self.office.id("org"),
            self._publisher,
            None,
            self._curation(),
            Content((SUBJECT,), f"{self._publisher} runs {self.site.title}.", f"{self.base}/", types=("Organisation",)),
            Organisation(),
        )

    @property
    def _publisher(self) -> str:
        return self.site.publisher or f"the operator of {self.site.title}"

    @property
    def _name(self) -> Name:
        return Name(self._publisher, self.office.id("org"))

    def _curation(self, origin: Origin | None = None) -> Curation:
        """Of the server's own, or of a data set that it takes from where it comes from."""
        plain = Curation(self._name, self._publisher, self.site.contact or None, (self._publisher,))
        if origin is None:
            return plain
        return replace(
            plain,
            creators=origin.creators,
            contributors=() if origin.publisher == self._publisher else (origin.publisher,),
            dates=(("Issued", origin.release_date),) if origin.release_date and _day(origin.release_date) else (),
            version=origin.version,
        )

    # ------------------------------------------------------------- services

    def _told(self) -> list[Service]:
        return [s for s in self.office.services if s.label]

    def _serving(self, publication: Collection) -> list[Service]:
        """Those for a collection, first the ones that are for others, too."""
        return sorted((s for s in self._told() if s.serves(publication)), key=lambda s: bool(s.collection))

    def _capabilities(self, service: Service) -> tuple[Capability, ...]:
        return vosi.announced(service, self.site, self.base + service.path)

    def _service(self, service: Service, collections: list[tuple[Collection, Held]]) -> Resource:
        """A service for several collections: what it covers is what they do together."""
        publications = [p for p, _ in collections]
        subjects = dict.fromkeys(s for p in publications for s in p.subjects)
        return Resource(
            self._id(service),
            f"{self.site.title}: {service.label}",
            _short(self.site.title, service),
            self._curation(),
            Content(
                tuple(subjects) or (SUBJECT,),
                f"{service.label} for: {'; '.join(p.origin.title for p in publications) or 'nothing yet'}.",
                f"{self.base}/",
                types=tuple(dict.fromkeys(_type(p) for p in publications)) or ("Catalog",),
                relationships=self._for([Name(p.origin.title, self.office.collection(p)) for p in publications]),
            ),
            CatalogService(
                self._capabilities(service),
                self._asked(service),
                rights=tuple(dict.fromkeys(r for p in publications for r in _rights(p.origin))),
                facilities=tuple(dict.fromkeys(f for p in publications for f in p.origin.facilities)),
                instruments=tuple(dict.fromkeys(i for p in publications for i in p.origin.instruments)),
                coverage=_together(collections),
            ),
        )

    def _service_of(self, service: Service, publication: Collection, found: Held) -> Resource:
        """A service for one collection, of which it takes what is not its own."""
        whole = self._collection(publication, found)
        assert isinstance(whole.kind, CatalogResource)
        return replace(
            whole,
            identifier=self._id(service),
            title=f"{whole.title}: {service.label}",
            short_name=_short(whole.short_name or "", service),
            content=replace(
                whole.content,
                description=f"{service.label}: {whole.content.description}",
                relationships=self._for([Name(whole.title, whole.identifier)]),
            ),
            kind=CatalogService(
                self._capabilities(service),
                self._asked(service),
                rights=whole.kind.rights,
                facilities=whole.kind.facilities,
                instruments=whole.kind.instruments,
                coverage=whole.kind.coverage,
            ),
            alternates=(),
        )

    def _id(self, service: Service) -> str:
        return self.office.id(service.path.strip("/"))

    def _for(self, collections: list[Name]) -> tuple[Relationship, ...]:
        return (Relationship("IsServiceFor", tuple(collections)),) if collections else ()

    # ---------------------------------------------------------- collections

    def _collection(self, publication: Collection, found: Held) -> Resource:
        origin = publication.origin
        description = publication.description or publication.table.description or origin.title
        services = self._serving(publication)
        served = tuple(Name(f"{self.site.title}: {s.label}", self._id(s)) for s in services)
        url = origin.reference_url or ""
        return Resource(
            self.office.collection(publication),
            origin.title,
            origin.short_name or publication.id.upper()[:SHORT_NAME],
            self._curation(origin),
            Content(
                publication.subjects or (SUBJECT,),
                description.strip(),
                url if url.startswith(("http://", "https://")) else f"{self.base}/",
                source=origin.bibcode,
                types=(_type(publication),),
                relationships=(Relationship("IsServedBy", served),) if served else (),
            ),
            CatalogResource(
                tuple(c for s in services for c in self._auxiliary(s)),
                vosi.counted(self.site, self.site.catalogue.part(publication.tables)),
                rights=_rights(origin),
                facilities=origin.facilities,
                instruments=origin.instruments,
                coverage=replace(
                    _coverage(publication, found),
                    footprint=coverage.url(self.base, publication.id) if found.facts.coverage else None,
                ),
            ),
            alternates=(f"doi:{origin.doi}",) if origin.doi else (),
        )

    def _auxiliary(self, service: Service) -> Iterator[Capability]:
        """The capabilities of a service for all, as a collection refers to them."""
        for capability in self._capabilities(service):
            if capability.standard_id in AUXILIARY:
                yield Capability(AUXILIARY[capability.standard_id], capability.interfaces)

    def _asked(self, service: Service) -> Catalogue:
        """The tables of a service."""
        served = service.catalogue(self.site) if service.catalogue is not None else Catalogue((), ())
        return vosi.counted(self.site, served)


def _type(publication: Collection) -> str:
    """The word of the vocabulary of content types for it."""
    return "Catalog" if publication.images is None else "Archive"


def _coverage(publication: Collection, found: Held) -> Coverage:
    """As the rows say it; as the catalogue file does where they do not."""
    bounds, facts = publication.bounds, found.facts
    return Coverage(
        footprint.shortened(facts.coverage, MOC_LENGTH) if facts.coverage else None,
        facts.times or tuple((_mjd(first), _mjd(last) + 1) for first, last in bounds.times),
        _wavelengths(publication, facts) or bounds.wavelengths,
        wavebands=bounds.wavebands,
    )


def _wavelengths(publication: Collection, facts: Facts) -> tuple[tuple[float, float], ...]:
    """Those of the bands in which there are images, in um."""
    images = publication.images
    if images is None:
        return ()
    there = images.bands if images.band is None else [b for name in facts.bands for b in images.bands_of(name)]
    return tuple((band.low * 1e6, band.high * 1e6) for band in there)


_MJD_0 = date(1858, 11, 17)


def _mjd(day: date) -> int:
    """The modified Julian date of the beginning of a day."""
    return (day - _MJD_0).days


def _together(collections: list[tuple[Collection, Held]]) -> Coverage:
    """What several collections cover."""
    each = [_coverage(p, found) for p, found in collections]
    maps = [found.facts.coverage for _, found in collections if found.facts.coverage]
    return Coverage(
        footprint.shortened(footprint.joined(maps), MOC_LENGTH) if maps else None,
        tuple(span for c in each for span in c.times),
        tuple(span for c in each for span in c.wavelengths),
        wavebands=tuple(dict.fromkeys(word for c in each for word in c.wavebands)),
    )


def _short(title: str, service: Service) -> str:
    """A short name: as many of the last words of a title as there is room for, for they tell it from others, and the
    service's."""
    name = service.name.partition("-")[0].upper()
    words = title.split()
    while words and len(" ".join(words)) > SHORT_NAME - 1 - len(name):
        words.pop(0)
    return " ".join((*words, name))


def _rights(origin: Origin) -> tuple[tuple[str, str | None], ...]:
    text = origin.rights or origin.rights_url
    return ((text, origin.rights_url),) if text else ()


def _day(text: str) -> bool:
    """Is it a day as XML Schema writes it?"""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

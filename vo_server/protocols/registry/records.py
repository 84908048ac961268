"""The registry records of this server: its naming authority, its operator, the registry, the loaded collections and
their services, from the catalogue files, the settings and the services.

A collection is served by its own services and by those for all collections, such as TAP, for which it has an auxiliary
capability (IVOA note Discovering Data Collections Within Services). The services list the collections that they serve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from vo_server.catalogue.catalogue import UNREGISTERED, Catalogue, Collection, Origin
from vo_server.catalogue.load import MAX_SHORT_NAME_LENGTH
from vo_server.documents.capability import Capability, Interface
from vo_server.documents.voresource import (
    Authority,
    CatalogResource,
    CatalogService,
    Content,
    Coverage,
    Curation,
    Harvest,
    Organisation,
    Registry,
    RegistryRecord,
    Relationship,
    ResourceName,
    Status,
)
from vo_server.engines.engine import TableFacts
from vo_server.http.origin import make_collection_ivoid
from vo_server.http.service import Service, Site
from vo_server.model.mjd import day_to_mjd
from vo_server.model.urls import SiteUrls
from vo_server.protocols.vosi import coverage, vosi
from vo_server.sky import footprint

SERVICE_NAME = "oai"
HARVEST_ID = "ivo://ivoa.net/std/Registry"
AUXILIARY_IDS = {
    "ivo://ivoa.net/std/TAP": "ivo://ivoa.net/std/TAP#aux",
    "ivo://ivoa.net/std/SIA#query-2.0": "ivo://ivoa.net/std/SIA#query-aux-2.0",
}
"""The standard ids under which a collection refers to services for many collections."""

MAX_MOC_CHARACTERS = 24_000
"""Characters of the coverage map in a record: VODataService 1.2 section 3.2 advises a few dozen kB at most."""

MAX_RECORDS = 20
"""Records of a response, at most."""

DEFAULT_SUBJECT = "astronomy-databases"
"""A subject of the UAT, as all subjects: for records without another one."""


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """The configuration of the registry: the naming authority, which may be empty, and the records of a response."""

    authority: str = ""
    max_records: int = MAX_RECORDS

    @property
    def identifier_prefix(self) -> str:
        """The beginning of all identifiers."""
        return f"ivo://{self.authority or UNREGISTERED}"

    def make_id(self, key: str) -> str:
        """Return the identifier of one of this server's own records."""
        return f"{self.identifier_prefix}/{key}".lower()

    def make_collection_id(self, collection: Collection) -> str:
        """Return the identifier of a collection."""
        return make_collection_ivoid(self.authority or UNREGISTERED, collection)

    @property
    def status(self) -> Status:
        """The status of all records."""
        return "active" if self.authority else "inactive"


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """The rows of a loaded collection: their number, and the facts that were computed from them."""

    id: str
    rows: int
    facts: TableFacts


def find_loaded_tables(site: Site) -> tuple[LoadedTable, ...]:
    """Return the collections that are loaded now, by a query of the database."""
    tables = ((p.id, p.table) for p in site.catalogue.collections)
    counted = ((id, table, site.engine.count_rows(table)) for id, table in tables)
    return tuple(
        LoadedTable(id, rows, replace(site.engine.get_facts(table) or TableFacts(), loaded_at=None))
        for id, table, rows in counted
        if rows is not None
    )


def describe_harvest(registry_config: RegistryConfig, base: str) -> Capability:
    """Return the capability of the registry itself."""
    interface = Interface(base, use="base", type="vg:OAIHTTP", role="std", version="1.0")
    return Capability(HARVEST_ID, (interface,), Harvest(registry_config.max_records))


def build_records(
    registry_config: RegistryConfig, site: Site, loaded: tuple[LoadedTable, ...], urls: SiteUrls
) -> tuple[RegistryRecord, ...]:
    """Return all records, the registry's own first."""
    return tuple(_RecordBuilder(registry_config, site, loaded, urls).build_all())


@dataclass(frozen=True, slots=True)
class _RecordBuilder:
    """The builder of the records of a site."""

    config: RegistryConfig
    site: Site
    loaded: tuple[LoadedTable, ...]
    urls: SiteUrls

    def build_all(self) -> Iterator[RegistryRecord]:
        """Yield every record."""
        yield from (self._build_registry(), self._build_authority(), self._build_organisation())
        collections = [(self.site.catalogue.get_collection(rows.id), rows) for rows in self.loaded]
        for service in self._registered_services():
            served = [pair for pair in collections if service.is_for(pair[0])]
            if not service.collection and (served or not service.of_images):
                yield self._build_service(service, served)
        for collection, loaded in collections:
            yield self._build_collection(collection, loaded)
            for service in self._registered_services():
                if service.collection == collection.id:
                    yield self._build_collection_service(service, collection, loaded)

    # ---------------------------------------------------- the server itself

    def _build_registry(self) -> RegistryRecord:
        base = self.urls.get_url(SERVICE_NAME)
        return RegistryRecord(
            self.config.make_id("registry"),
            f"{self.site.title}: publishing registry",
            "Registry",
            self._build_curation(),
            Content(
                (DEFAULT_SUBJECT,),
                f"The registry by which {self._publisher} publishes its resources in the Virtual Observatory.",
                f"{base}?verb=Identify",
                types=("Registry",),
            ),
            Registry(
                (describe_harvest(self.config, base), *vosi.list_vosi_capabilities(base, tables=False)),
                (self.config.identifier_prefix.removeprefix("ivo://"),),
            ),
        )

    def _build_authority(self) -> RegistryRecord:
        return RegistryRecord(
            self.config.identifier_prefix,
            f"Authority of {self._publisher}",
            None,
            self._build_curation(),
            Content(
                (DEFAULT_SUBJECT,),
                f"The authority under which {self._publisher} names resources.",
                f"{self.urls.base}/",
            ),
            Authority(self._name),
        )

    def _build_organisation(self) -> RegistryRecord:
        return RegistryRecord(
            self.config.make_id("org"),
            self._publisher,
            None,
            self._build_curation(),
            Content(
                (DEFAULT_SUBJECT,),
                f"{self._publisher} runs {self.site.title}.",
                f"{self.urls.base}/",
                types=("Organisation",),
            ),
            Organisation(),
        )

    @property
    def _publisher(self) -> str:
        return self.site.publisher or f"the operator of {self.site.title}"

    @property
    def _name(self) -> ResourceName:
        return ResourceName(self._publisher, self.config.make_id("org"))

    def _build_curation(self, origin: Origin | None = None) -> Curation:
        """Return the curation of this server's own records, or of a data set from elsewhere."""
        plain = Curation(self._name, self._publisher, self.site.contact or None, (self._publisher,))
        if origin is None:
            return plain
        return replace(
            plain,
            creators=origin.creators,
            contributors=() if origin.publisher == self._publisher else (origin.publisher,),
            dates=(("Issued", origin.release_date),)
            if origin.release_date and _is_xsd_date(origin.release_date)
            else (),
            version=origin.version,
        )

    # ------------------------------------------------------------- services

    def _registered_services(self) -> list[Service]:
        return [s for s in self.site.services if s.label]

    def _find_services(self, collection: Collection) -> list[Service]:
        """Return the services of a collection, first those that serve others, too."""
        return sorted(
            (s for s in self._registered_services() if s.is_for(collection)), key=lambda s: bool(s.collection)
        )

    def _list_capabilities(self, service: Service) -> tuple[Capability, ...]:
        return vosi.list_capabilities(service, self.site, self.urls.get_url(service.name))

    def _build_service(self, service: Service, collections: list[tuple[Collection, LoadedTable]]) -> RegistryRecord:
        """Return the record of a service for several collections, with the coverage of all of them."""
        served = [p for p, _ in collections]
        subjects = dict.fromkeys(s for p in served for s in p.subjects)
        return RegistryRecord(
            self._make_id(service),
            f"{self.site.title}: {service.label}",
            _make_short_name(self.site.title, service),
            self._build_curation(),
            Content(
                tuple(subjects) or (DEFAULT_SUBJECT,),
                f"{service.label} for: {'; '.join(p.origin.title for p in served) or 'nothing yet'}.",
                f"{self.urls.base}/",
                types=tuple(dict.fromkeys(_content_type(p) for p in served)) or ("Catalog",),
                relationships=self._relate_to(
                    [ResourceName(p.origin.title, self.config.make_collection_id(p)) for p in served]
                ),
            ),
            CatalogService(
                self._list_capabilities(service),
                self._list_tables(service),
                rights=tuple(dict.fromkeys(r for p in served for r in _list_rights(p.origin))),
                facilities=tuple(dict.fromkeys(f for p in served for f in p.origin.facilities)),
                instruments=tuple(dict.fromkeys(i for p in served for i in p.origin.instruments)),
                coverage=_merge_coverage(collections),
            ),
        )

    def _build_collection_service(
        self, service: Service, collection: Collection, loaded: LoadedTable
    ) -> RegistryRecord:
        """Return the record of a service for one collection, whose record supplies the rest."""
        record = self._build_collection(collection, loaded)
        assert isinstance(record.kind, CatalogResource)
        return replace(
            record,
            identifier=self._make_id(service),
            title=f"{record.title}: {service.label}",
            short_name=_make_short_name(record.short_name or "", service),
            content=replace(
                record.content,
                description=f"{service.label}: {record.content.description}",
                relationships=self._relate_to([ResourceName(record.title, record.identifier)]),
            ),
            kind=CatalogService(
                self._list_capabilities(service),
                self._list_tables(service),
                rights=record.kind.rights,
                facilities=record.kind.facilities,
                instruments=record.kind.instruments,
                coverage=record.kind.coverage,
            ),
            other_identifiers=(),
        )

    def _make_id(self, service: Service) -> str:
        return self.config.make_id(service.path.strip("/"))

    def _relate_to(self, collections: list[ResourceName]) -> tuple[Relationship, ...]:
        return (Relationship("IsServiceFor", tuple(collections)),) if collections else ()

    # ---------------------------------------------------------- collections

    def _build_collection(self, collection: Collection, loaded: LoadedTable) -> RegistryRecord:
        origin = collection.origin
        description = collection.description or collection.table.description or origin.title
        services = self._find_services(collection)
        served = tuple(ResourceName(f"{self.site.title}: {s.label}", self._make_id(s)) for s in services)
        url = origin.reference_url or ""
        return RegistryRecord(
            self.config.make_collection_id(collection),
            origin.title,
            origin.short_name or collection.id.upper()[:MAX_SHORT_NAME_LENGTH],
            self._build_curation(origin),
            Content(
                collection.subjects or (DEFAULT_SUBJECT,),
                description.strip(),
                url if url.startswith(("http://", "https://")) else f"{self.urls.base}/",
                source=origin.bibcode,
                types=(_content_type(collection),),
                relationships=(Relationship("IsServedBy", served),) if served else (),
            ),
            CatalogResource(
                tuple(c for s in services for c in self._list_auxiliary(s)),
                vosi.count_rows(self.site, self.site.catalogue.restrict_to(collection.tables)),
                rights=_list_rights(origin),
                facilities=origin.facilities,
                instruments=origin.instruments,
                coverage=replace(
                    _build_coverage(collection, loaded),
                    footprint=coverage.get_fits_url(self.urls, collection.id) if loaded.facts.coverage else None,
                ),
            ),
            other_identifiers=(f"doi:{origin.doi}",) if origin.doi else (),
        )

    def _list_auxiliary(self, service: Service) -> Iterator[Capability]:
        """Yield the capabilities of a service for all collections, as a collection refers to them."""
        for capability in self._list_capabilities(service):
            if capability.standard_id in AUXILIARY_IDS:
                yield Capability(AUXILIARY_IDS[capability.standard_id], capability.interfaces)

    def _list_tables(self, service: Service) -> Catalogue:
        """Return the tables of a service."""
        served = service.catalogue(self.site) if service.catalogue is not None else Catalogue((), ())
        return vosi.count_rows(self.site, served)


def _content_type(collection: Collection) -> str:
    """Return the word of the vocabulary of content types for a collection."""
    return "Catalog" if collection.images is None else "Archive"


def _build_coverage(collection: Collection, loaded: LoadedTable) -> Coverage:
    """Return the coverage of the rows, and that of the catalogue file where the rows have none."""
    bounds, facts = collection.coverage, loaded.facts
    return Coverage(
        footprint.shorten(facts.coverage, MAX_MOC_CHARACTERS) if facts.coverage else None,
        facts.times or tuple((day_to_mjd(first), day_to_mjd(last) + 1) for first, last in bounds.times),
        _find_wavelengths(collection, facts) or bounds.wavelengths,
        wavebands=bounds.wavebands,
    )


def _find_wavelengths(collection: Collection, facts: TableFacts) -> tuple[tuple[float, float], ...]:
    """Return the wavelengths in um of the bands that have images."""
    images = collection.images
    if images is None:
        return ()
    bands = images.bands if images.band is None else [b for name in facts.bands for b in images.select_bands(name)]
    return tuple((band.low * 1e6, band.high * 1e6) for band in bands)


def _merge_coverage(collections: list[tuple[Collection, LoadedTable]]) -> Coverage:
    """Return the union of the coverages of several collections."""
    coverages = [_build_coverage(collection, loaded) for collection, loaded in collections]
    maps = [loaded.facts.coverage for _, loaded in collections if loaded.facts.coverage]
    return Coverage(
        footprint.shorten(footprint.merge_maps(maps), MAX_MOC_CHARACTERS) if maps else None,
        tuple(span for coverage_of_one in coverages for span in coverage_of_one.times),
        tuple(span for coverage_of_one in coverages for span in coverage_of_one.wavelengths),
        wavebands=tuple(dict.fromkeys(word for coverage_of_one in coverages for word in coverage_of_one.wavebands)),
    )


def _make_short_name(title: str, service: Service) -> str:
    """Return a short name: the last words of a title that fit, which distinguish it best, and the service's name."""
    name = service.name.partition("-")[0].upper()
    words = title.split()
    while words and len(" ".join(words)) > MAX_SHORT_NAME_LENGTH - 1 - len(name):
        words.pop(0)
    return " ".join((*words, name))


def _list_rights(origin: Origin) -> tuple[tuple[str, str | None], ...]:
    text = origin.rights or origin.rights_url
    return ((text, origin.rights_url),) if text else ()


def _is_xsd_date(text: str) -> bool:
    """Return whether a text is a date of XML Schema."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

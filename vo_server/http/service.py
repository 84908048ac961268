"""The interface between protocols and the server: services with their resources, and the site that they work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.datestamps import DatestampFile
from vo_server.catalogue.obscore import get_image_collections, load_obscore
from vo_server.documents.capability import Capability
from vo_server.engines.engine import Engine
from vo_server.errors import ServiceError
from vo_server.http.admission import QueryAdmission
from vo_server.http.health import Health
from vo_server.jobs.service import JobService
from vo_server.jobs.task import Task
from vo_server.metrics import Metrics
from vo_server.model.column import Table
from vo_server.model.job import Job
from vo_server.model.urls import SiteUrls


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """The site that endpoints work with: catalogue, engine, jobs, limits and operator. No two are equal, so that a site
    can be a cache key.

    `maxrec` and `maxrec_hard` are in rows, `timeout` in seconds. `public_url` is the fixed base URL, empty for none.
    `strict` rejects extensions to ADQL 2.1.

    `authority` is the naming authority of the registry in lower case, empty without one; `ivoid` is the service's
    identifier in another registry. `datestamps` has the dates of registry records.

    `upload_limit` is the bytes of a query's uploads, 0 for none; `upload_hosts` are the hosts from which they may be
    fetched. `admission` limits concurrent queries. `metrics_readers` is all, private or none.

    `roots` are the folders or URLs of the image files, by the ids of their collections. `services` are those of all
    protocols.
    """

    catalogue: Catalogue
    engine: Engine
    jobs: JobService
    health: Health
    started: datetime
    maxrec: int
    maxrec_hard: int
    timeout: float
    title: str
    publisher: str = ""
    contact: str = ""
    ivoid: str = ""
    authority: str = ""
    public_url: str = ""
    software: str = "vo_server"
    strict: bool = False
    upload_limit: int = 0
    upload_hosts: tuple[str, ...] = ()
    admission: QueryAdmission = field(default_factory=partial(QueryAdmission, 2))
    metrics: Metrics = field(default_factory=Metrics)
    roots: Mapping[str, str] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    datestamps: DatestampFile | None = None
    metrics_readers: str = "all"

    def make_urls(self, base: str) -> SiteUrls:
        """Return the URLs of the services below a base URL without a trailing slash."""
        return make_urls(base, self.services)

    def count_rows(self, table: Table) -> int | None:
        """Return the number of rows of a table, of ivoa.obscore that of all inventories; None if none is loaded."""
        if table != load_obscore()[1]:
            return self.engine.count_rows(table)
        counts = [self.engine.count_rows(collection.table) for collection in get_image_collections(self.catalogue)]
        loaded = [count for count in counts if count is not None]
        return sum(loaded) if loaded else None


Endpoint = Callable[[Request, Site], Awaitable[Response]]
ErrorRenderer = Callable[[Request, Site, ServiceError], Response]


@dataclass(frozen=True, slots=True)
class Resource:
    """A URL of a service, as a path below the service's, with its methods. `error_renderer` replaces that of the
    service."""

    path: str
    endpoint: Endpoint
    methods: tuple[str, ...] = ("GET",)
    error_renderer: ErrorRenderer | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a protocol.

    `path` is its path below the server's URL. `error_renderer` returns an error in the form of the protocol.
    `capabilities` returns those besides VOSI's for a base URL of the service; None if it is not a service of the VO.
    `catalogue` returns the tables that it serves, None for none. `create_task` returns the task of a job of the
    service.

    `label` is its title in the registry, empty if it has no record. `collection` is the id of the only collection that
    it serves; empty for all collections or, with `of_images`, for all image collections.
    """

    name: str
    path: str
    resources: tuple[Resource, ...]
    error_renderer: ErrorRenderer
    capabilities: Callable[[Site, str], tuple[Capability, ...]] | None = None
    catalogue: Callable[[Site], Catalogue] | None = None
    label: str = ""
    collection: str = ""
    of_images: bool = False
    create_task: Callable[[Site, Job], Task] | None = None

    def is_for(self, collection: Collection) -> bool:
        """Return whether the service serves a collection, alone or among others."""
        if self.collection:
            return self.collection == collection.id
        return collection.images is not None or not self.of_images


def make_urls(base: str, services: Iterable[Service]) -> SiteUrls:
    """Return the URLs of services below a base URL without a trailing slash."""
    return SiteUrls(base, {service.name: service.path for service in services})

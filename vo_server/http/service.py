"""What every protocol is to the server: a record of its endpoints, and what they are handed to work with."""

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
    """What the endpoints work with: the catalogue, the engine, the limits and who runs the service. No two are equal,
    so that one can be the key of a cache.

    `maxrec` and `maxrec_hard` in rows, `timeout` in seconds. `public_url` is the fixed base URL, empty for none.

    `strict` takes the standard's ADQL alone.

    `jobs` is where jobs are taken in, `health` what availability tells. `authority` is that of the registry, in lower
    case, empty without one; `ivoid` is what another registry calls the service.

    `upload_limit` is the bytes that the uploads of a query may have, 0 for none; `upload_hosts` are the hosts that they
    may be fetched from. `lanes` say which queries run and which wait, `metrics` count.

    `roots` are the folders or URLs below which the files of the image collections lie, by the ids of these.
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
        """How many rows a table has, ivoa.obscore those of all inventories; None where none is loaded."""
        if table != load_obscore()[1]:
            return self.engine.count_rows(table)
        counts = [self.engine.count_rows(p.table) for p in get_image_collections(self.catalogue)]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None


Endpoint = Callable[[Request, Site], Awaitable[Response]]
ErrorRenderer = Callable[[Request, Site, ServiceError], Response]


@dataclass(frozen=True, slots=True)
class Resource:
    """A URL of a service, below the service's own, and the methods that it knows. `refuse` if it says faults otherwise
    than its service."""

    path: str
    endpoint: Endpoint
    methods: tuple[str, ...] = ("GET",)
    error_renderer: ErrorRenderer | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A protocol at a place.

    `path` is its base URL below the server's. `refuse` says a fault in the protocol's own form. `capabilities` are
    those beside VOSI's, for the base URL that they are handed; None for what is no service of the VO. `catalogue` is
    what it serves, None for one without tables.

    `label` is what people call it, in the registry; one without is not told of there. `publication` is the id of the
    one that it is for, empty for several: all of them or, with `of_images`, the image collections.
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
        """Is it for this publication, alone or among others?"""
        if self.collection:
            return self.collection == collection.id
        return collection.images is not None or not self.of_images


def make_urls(base: str, services: Iterable[Service]) -> SiteUrls:
    """Return the URLs of services below a base URL without a trailing slash."""
    return SiteUrls(base, {service.name: service.path for service in services})

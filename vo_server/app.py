"""The application: routes, the fault handler, the lifespan. The one module that knows all rooms."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import anyio.to_thread
import pyarrow as pa
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from vo_server import __version__
from vo_server.adql.syntax.parse import parse
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.datestamps import DatestampFile
from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.catalogue.obscore import add_obscore, get_image_collections
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.catalogue.tap_schema import add_tap_schema, build_rows
from vo_server.engines import EngineOptions, kind_of, open_engine
from vo_server.engines.data_directory import catalogue_folder
from vo_server.engines.engine import Engine, EngineLimits
from vo_server.errors import EngineError, MethodNotAllowedError, NotFoundError, ServiceError
from vo_server.http import dali, metrics
from vo_server.http.access_log import AccessLogMiddleware, get_request_info, mask_job_ids
from vo_server.http.admission import QueryAdmission
from vo_server.http.errors import error_response, text_error
from vo_server.http.health import Health
from vo_server.http.service import ErrorRenderer, Resource, Service, Site
from vo_server.http.urls import get_base_url, get_request_url
from vo_server.jobs.cleanup import StorageQuota
from vo_server.jobs.files import JobFiles
from vo_server.jobs.service import DurationLimits, JobService
from vo_server.jobs.store import JobStore
from vo_server.jobs.task import TaskFactory
from vo_server.jobs.waiting import PhaseWatcher
from vo_server.jobs.worker import Worker
from vo_server.model.column import Table
from vo_server.model.statistics import Statistic
from vo_server.model.statistics import for_view as statistics_of
from vo_server.protocols import cone, documentation
from vo_server.protocols.images import (
    datalink,
    files,
    gallery,
    preview,
    sia1,
    sia1_cutout,
    sia2,
    soda,
)
from vo_server.protocols.registry import oai
from vo_server.protocols.registry.records import RegistryConfig
from vo_server.protocols.tap import examples, tap
from vo_server.protocols.vosi import coverage, vosi
from vo_server.settings import Settings, find_image_root
from vo_server.storage.jobs import JobStorage, open_storage
from vo_server.web import pages, tables

log = logging.getLogger(__name__)

SOFTWARE = f"vo_server/{__version__}"
JOBS = (tap.JOBS, soda.JOBS)
"""The kinds of jobs."""

DATES = "registry.json"
"""Where the dates of the registry's records are kept, beside the data."""

THREADS = 64
"""Threads of a process for what is asked of it: queries, parsing, uploads, the making of answers."""


def catalogue_of(settings: Settings, shipped: bool = True) -> Catalogue:
    """What is published: the `shipped` catalogue files, those of the operator's folders, and those beside the data."""
    further = [Path(folder) for folder in settings.schemas.split(":") if folder]
    own = catalogue_folder(settings.data)
    beside = [own] if own.is_dir() and own.resolve() not in {folder.resolve() for folder in further} else []
    before = [find_builtin_schemas() / "catalogues"] if shipped else []
    return add_obscore(load_catalogue([*before, *further, *beside]))


def engine_of(settings: Settings, catalogue: Catalogue) -> Engine:
    """The engine that the settings name, with TAP_SCHEMA."""
    return open_engine(engine_options(settings, catalogue))


def engine_options(settings: Settings, catalogue: Catalogue) -> EngineOptions:
    """Return the options of the engine, with the rows of TAP_SCHEMA."""
    static = {f"tap_schema.{name}": rows for name, rows in build_rows(catalogue).items()}
    limits = EngineLimits(settings.memory, _spill(settings), settings.threads or None)
    return EngineOptions(settings.engine, settings.data, limits, catalogue, static)


def desk_of(settings: Settings) -> JobService:
    """Where jobs are kept; its tables are made when they are needed."""
    kept = _results(settings)
    store = JobStore(settings.jobs, _beside(settings))
    execution = DurationLimits(min(settings.execution, settings.execution_hard), settings.execution_hard)
    retention = DurationLimits(min(settings.retention, settings.retention_hard), settings.retention_hard)
    return JobService(
        store, JobFiles(kept), PhaseWatcher(store), execution, retention, settings.job_queue, settings.results_limit
    )


def _served(settings: Settings) -> tuple[Catalogue, Engine]:
    """What is served, and from where: without the catalogues that came with the server where none of these is loaded,
    but another one is."""
    catalogue = add_tap_schema(catalogue_of(settings))
    engine = engine_of(settings, catalogue)
    shipped = {p.id for p in load_catalogue([find_builtin_schemas() / "catalogues"]).collections}
    try:
        loaded = {p.id for p in catalogue.collections if engine.count_rows(p.table) is not None}
        own = None if loaded & shipped or not loaded else add_tap_schema(catalogue_of(settings, shipped=False))
    except ServiceError:  # another one refers to a table of theirs; or all will be told when asked
        own = None
    if own is None:
        return catalogue, engine
    engine.close()
    return own, engine_of(settings, own)


def site_of(settings: Settings) -> Site:
    """What the endpoints and the jobs work with."""
    catalogue, engine = _served(settings)
    desk = desk_of(settings)
    health = Health(engine, catalogue.collections, desk.store, settings.data, _written(settings))
    return Site(
        catalogue=catalogue,
        engine=engine,
        jobs=desk,
        health=health,
        started=health.started,
        maxrec=settings.maxrec,
        maxrec_hard=settings.maxrec_hard,
        timeout=settings.timeout,
        title=settings.title,
        publisher=settings.publisher,
        contact=settings.contact,
        ivoid=settings.ivoid,
        authority=settings.authority.lower(),
        public_url=settings.public_url,
        software=SOFTWARE,
        strict=settings.strict,
        roots={p.id: find_image_root(settings, p.id) for p in get_image_collections(catalogue)},
        upload_limit=settings.upload_limit,
        upload_hosts=tuple(settings.upload_hosts.lower().split()),
        admission=QueryAdmission(
            kind_of(settings.engine).short_queries, settings.queries, settings.queue, settings.timeout
        ),
    )


@contextmanager
def worker_of(settings: Settings, name: str) -> Iterator[Worker]:
    """What runs the jobs of all services in a process of its own."""
    site = site_of(settings)
    _warm(site)
    wrong = site.engine.check_ready()
    if wrong:
        log.error("%s", wrong)
    _settle()
    site.jobs.store.prepare()
    room = StorageQuota(settings.results_limit, settings.results_limit)
    work: dict[str, TaskFactory] = {place.service: partial(place.task, site) for place in JOBS}
    try:
        yield Worker(name, site.jobs.store, site.jobs.files, work, quota=room)
    finally:
        site.engine.close()
        site.jobs.store.close()


def create_app(settings: Settings, stamps: Path | None = None) -> Starlette:
    """The server as an ASGI application; nothing is read at import, so that tests make as many as they like.

    `stamps` is where the dates of the registry's records are kept, if not beside the data.
    """
    site = site_of(settings)
    asked = (tap.SERVICE, *cone.services(site.catalogue), *_of_images(site.catalogue))
    registered = oai.service(RegistryConfig(asked, site.authority), DatestampFile(stamps or settings.data / DATES))
    services = (*asked, registered, coverage.SERVICE, documentation.SERVICE)
    app = Starlette(
        routes=[
            *_routes(services, site),
            Route("/", _page(site)),
            Route("/tap", _page(site)),
            Route("/table/{name}", _table(site)),
            Route("/metrics", partial(metrics.send_metrics, site=site, readers=settings.metrics)),
        ],
        middleware=[
            Middleware(AccessLogMiddleware, metrics=site.metrics),
            Middleware(
                CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["*"]
            ),
        ],
        exception_handlers={HTTPException: _no_such_page(site)},
        lifespan=_lifespan(site),
    )
    app.router.redirect_slashes = False  # its redirects do not know the URL that the client sees
    return app


def _of_images(catalogue: Catalogue) -> tuple[Service, ...]:
    protocols = (sia1, sia1_cutout, sia2, datalink, soda, preview, gallery, files)
    return tuple(service for protocol in protocols for service in protocol.services(catalogue))


def _spill(settings: Settings) -> Path:
    return Path(settings.spill) if settings.spill else settings.data / "spill"


def _results(settings: Settings) -> JobStorage:
    return open_storage(settings.job_results or str(settings.data / "jobs"))


def _beside(settings: Settings) -> Path:
    """The folder of this machine where jobs are kept: that of their results, unless these are elsewhere."""
    root = _results(settings).root
    return settings.data / "jobs" if "://" in root else Path(root)


def _written(settings: Settings) -> dict[str, Path]:
    """Where there must be room while the server runs."""
    spill = {"what does not fit into memory": _spill(settings)} if kind_of(settings.engine).has_spill else {}
    return {"the results of jobs": _beside(settings), **spill}


def _lifespan(site: Site) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        await anyio.to_thread.run_sync(_warm, site)
        found = await site.health.check()  # opens the files; a database that hangs is not waited for
        if not found.available:
            log.error("%s", "; ".join(found.notes[:1]))
        _settle()
        with _told_at_the_signal(site.jobs.watcher.stop):
            async with anyio.create_task_group() as group:
                group.start_soon(metrics.sample_regularly, site)
                yield
                group.cancel_scope.cancel()
        site.engine.close()
        site.jobs.store.close()

    return lifespan


@contextmanager
def _told_at_the_signal(stops: Callable[[], None]) -> Iterator[None]:
    """Uvicorn ends an application after the last of its answers: who only waits for something is told before, at the
    signal itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def hear(number: int, frame: FrameType | None) -> None:
        stops()
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _warm(site: Site) -> None:
    """Build what takes long before the first client comes."""
    try:
        site.jobs.store.prepare()
    except ServiceError as fault:
        log.error("%s", fault)
    parse("SELECT TOP 1 * FROM tap_schema.tables")


def _settle() -> None:
    pa.set_memory_pool(pa.system_memory_pool())  # one allocator for all: what rows leave others take; 10 to 25 MB less
    gc.collect()
    gc.freeze()  # what is there by now stays: collections need not look at it again


def _routes(services: tuple[Service, ...], site: Site) -> list[Route]:
    return [
        Route(
            service.path + resource.path,
            _endpoint(service, resource, resource.error_renderer or refuse, site),
            methods=list(resource.methods),
        )
        for service in services
        for resources, refuse in (
            (service.resources, service.error_renderer),
            (vosi.make_resources(service), error_response),
        )
        for resource in resources
    ]


def _endpoint(
    service: Service, resource: Resource, refuse: ErrorRenderer, site: Site
) -> Callable[[Request], Awaitable[Response]]:
    """The one place where what goes wrong with a request becomes an answer in the protocol's own form."""

    async def endpoint(request: Request) -> Response:
        kept = get_request_info(request)
        kept.service, kept.resource = service.name, resource.path
        try:
            return await resource.endpoint(request, site)
        except ServiceError as error:
            kept.error_code = str(error.code)
            return refuse(request, site, error)
        except Exception:  # the request's border: nothing beyond it may see a stack trace
            log.exception("%s %s", request.method, mask_job_ids(request.url.path))
            internal = EngineError("internal error; the operator finds the reason in the log")
            kept.error_code = str(internal.code)
            return refuse(request, site, internal)
        finally:
            await dali.close_form(request)

    return endpoint


def _page(site: Site) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        get_request_info(request).service = "page"
        tables = [p.table for p in site.catalogue.collections]
        rows = await anyio.to_thread.run_sync(lambda: {t.qualified_name: site.engine.count_rows(t) for t in tables})
        shown = bool(await anyio.to_thread.run_sync(examples.find_examples, site))
        mapped = await anyio.to_thread.run_sync(
            lambda: frozenset(
                t.qualified_name for t in tables if (f := site.engine.get_facts(t)) and f.coverage is not None
            )
        )
        base = get_base_url(request, site.public_url)
        return HTMLResponse(pages.render_front_page(base, site.title, site.catalogue, rows, shown, mapped))

    return page


def _table(site: Site) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        get_request_info(request).service = "page"
        name = request.path_params["name"]
        published = [t for p in site.catalogue.collections for t in p.tables]
        table = next((t for t in published if t.qualified_name.lower() == name.lower()), None)
        if table is None:
            return text_error(
                request, NotFoundError(f"there is no table {name} here", hint=suggest_similar(name, _names(published)))
            )
        base = get_base_url(request, site.public_url)
        made = await anyio.to_thread.run_sync(
            lambda: tables.render_table(base, table, site.engine.count_rows(table), _statistics(site, table))
        )
        return HTMLResponse(made)

    return page


def _statistics(site: Site, table: Table) -> dict[str, Statistic]:
    facts = site.engine.get_facts(table)
    return {} if facts is None else statistics_of(table, facts.statistics)


def _names(published: list[Table]) -> list[str]:
    return [table.qualified_name for table in published]


def _no_such_page(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            answer = text_error(
                request, MethodNotAllowedError(f"{request.method} is not for this URL", hint=f"it knows {allowed}")
            )
            answer.headers["Allow"] = allowed
            return answer
        url, mark, query = get_request_url(request, site.public_url).partition("?")
        if request.url.path != "/" and url.endswith("/"):
            return RedirectResponse(url.rstrip("/") + mark + query)
        return text_error(request, NotFoundError(f"there is nothing at {request.url.path}"))

    return refuse

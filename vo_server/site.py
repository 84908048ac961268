"""The site that the settings describe, with its job service, and the worker process of its jobs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from vo_server.assembly import SOFTWARE, get_spill_folder, load_site_catalogue, open_site_engine
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.datestamps import DatestampFile
from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.catalogue.obscore import get_image_collections
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.engines import find_engine_kind
from vo_server.engines.engine import Engine
from vo_server.errors import ServiceError
from vo_server.http.admission import QueryAdmission
from vo_server.http.health import Health
from vo_server.http.service import Site
from vo_server.jobs.cleanup import StorageQuota
from vo_server.jobs.files import JobFiles
from vo_server.jobs.service import DurationLimits, JobService
from vo_server.jobs.store import JobStore
from vo_server.jobs.waiting import PhaseWatcher
from vo_server.jobs.worker import Worker
from vo_server.lifespan import freeze_heap, warm_up
from vo_server.protocols import list_services
from vo_server.settings import Settings, find_image_root
from vo_server.storage.jobs import open_storage

log = logging.getLogger(__name__)

DATESTAMP_FILE = "registry.json"
"""The file in the data folder with the datestamps of registry records."""


def open_job_service(settings: Settings) -> JobService:
    """Return the job service; the tables of its store are created on first use."""
    storage = open_storage(settings.job_results or str(settings.data / "jobs"))
    store = JobStore(settings.jobs, _get_jobs_folder(settings, storage.root))
    execution = DurationLimits(min(settings.execution, settings.execution_hard), settings.execution_hard)
    retention = DurationLimits(min(settings.retention, settings.retention_hard), settings.retention_hard)
    files = JobFiles(storage)
    return JobService(
        store, files, PhaseWatcher(store), execution, retention, settings.job_queue, settings.results_limit
    )


def open_site(settings: Settings, datestamps: Path | None = None) -> Site:
    """Return the site that endpoints and jobs work with.

    `datestamps` is the file of the registry's datestamps, DATESTAMP_FILE in the data folder if None.
    """
    catalogue, engine = _open_loaded_catalogue(settings)
    jobs = open_job_service(settings)
    health = Health(
        engine, catalogue.collections, jobs.store, settings.data, _list_written_folders(settings, jobs.files.root)
    )
    short_queries = find_engine_kind(settings.engine).short_queries
    return Site(
        catalogue=catalogue,
        engine=engine,
        jobs=jobs,
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
        roots={
            collection.id: find_image_root(settings, collection.id) for collection in get_image_collections(catalogue)
        },
        upload_limit=settings.upload_limit,
        upload_hosts=tuple(settings.upload_hosts.lower().split()),
        admission=QueryAdmission(short_queries, settings.queries, settings.queue, settings.timeout),
        services=list_services(catalogue),
        datestamps=DatestampFile(datestamps or settings.data / DATESTAMP_FILE),
        metrics_readers=settings.metrics,
    )


@contextmanager
def open_worker(settings: Settings, name: str) -> Iterator[Worker]:
    """Open the worker process of the jobs of all services, and close its engine and store afterwards."""
    site = open_site(settings)
    warm_up(site)
    error = site.engine.check_ready()
    if error:
        log.error("%s", error)
    freeze_heap()
    site.jobs.store.prepare()
    quota = StorageQuota(settings.results_limit, settings.results_limit)
    factories = {s.name: partial(s.create_task, site) for s in site.services if s.create_task is not None}
    try:
        yield Worker(name, site.jobs.store, site.jobs.files, factories, quota=quota)
    finally:
        site.engine.close()
        site.jobs.store.close()


def _open_loaded_catalogue(settings: Settings) -> tuple[Catalogue, Engine]:
    """Return the served catalogue with its engine: without the shipped catalogue files if none of their tables is
    loaded and a table of the operator is."""
    catalogue = add_tap_schema(load_site_catalogue(settings))
    engine = open_site_engine(settings, catalogue)
    shipped = {collection.id for collection in load_catalogue([find_builtin_schemas() / "catalogues"]).collections}
    try:
        loaded = {
            collection.id for collection in catalogue.collections if engine.count_rows(collection.table) is not None
        }
        if loaded & shipped or not loaded:
            return catalogue, engine
        operator_catalogue = add_tap_schema(load_site_catalogue(settings, shipped=False))
    except ServiceError:  # an operator's table refers to a shipped one, or the database is down, which VOSI reports
        return catalogue, engine
    engine.close()
    return operator_catalogue, open_site_engine(settings, operator_catalogue)


def _get_jobs_folder(settings: Settings, results_root: str) -> Path:
    """Return the local folder of jobs: that of their results, unless these are at a URL."""
    return settings.data / "jobs" if "://" in results_root else Path(results_root)


def _list_written_folders(settings: Settings, results_root: str) -> dict[str, Path]:
    """Return the folders that need free space while the server runs, by what is written there."""
    spill = {"what does not fit into memory": get_spill_folder(settings)}
    return {"the results of jobs": _get_jobs_folder(settings, results_root)} | (
        spill if find_engine_kind(settings.engine).has_spill else {}
    )

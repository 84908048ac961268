"""TAP 1.1: queries in ADQL, synchronous and as jobs.

Its VOSI resources (tables, capabilities, availability) are in protocols/vosi.
"""

from __future__ import annotations

import re

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics.functions import FUNCTIONS
from vo_server.adql.semantics.query import scanned_tables
from vo_server.adql.semantics.resolve import ResolvedQuery
from vo_server.adql.semantics.udfs import UDF_FORMS
from vo_server.answer import QueryExecution, compile_query, expand_obscore
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.obscore import DATA_MODEL, get_image_collections
from vo_server.documents.capability import (
    UPLOAD_HTTP,
    UPLOAD_HTTPS,
    UPLOAD_INLINE,
    Capability,
    Feature,
    Interface,
    LimitPair,
    OutputFormat,
    TableAccess,
    describe_adql,
)
from vo_server.errors import Code, ServiceError, UsageError
from vo_server.explain import WRITERS, ExplainRequest
from vo_server.explain import explain as explain_query
from vo_server.formats import BINARY2, HTML, JSON, FormatChoice, format_names, select_format
from vo_server.http import dali, origin
from vo_server.http.access_log import get_request_info
from vo_server.http.errors import formatted_error
from vo_server.http.origin import make_image_urls
from vo_server.http.responses import document_response, stream
from vo_server.http.service import Resource, Service, Site
from vo_server.http.uploads import Uploads, read_uploads
from vo_server.http.urls import get_base_url
from vo_server.jobs.task import QueryTask
from vo_server.model.job import Job
from vo_server.model.result import Info
from vo_server.obscore.query import ImageUrls
from vo_server.protocols import uws
from vo_server.protocols.images import descriptors
from vo_server.protocols.tap import examples

STANDARD_ID = "ivo://ivoa.net/std/TAP"
LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service."""
    return (SERVICE,)


async def run_sync(request: Request, site: Site) -> Response:
    """Return the result of a query (TAP 1.1 section 2.1)."""
    parameters = await dali.read_parameters(request, site.upload_limit)
    choice = dali.choose_format(request, parameters, BINARY2)
    get_request_info(request).query, get_request_info(request).runid = parameters.get("QUERY"), parameters.get("RUNID")
    uploads = await read_uploads(request, parameters, site)
    request_infos = origin.describe_request(request, site)
    image_urls = make_image_urls(site, get_base_url(request, site.public_url))
    execution = await anyio.to_thread.run_sync(
        _prepare_query, site, parameters, uploads, choice, request_infos, image_urls
    )
    execution.timeout, execution.timeout_hint = (
        site.timeout,
        _make_timeout_hint(get_base_url(request, site.public_url) + SERVICE.path),
    )
    return await stream(request, site, execution, choice.content_type, f"result.{choice.format.extension}")


def prepare_job(site: Site, job: Job) -> QueryTask:
    """Return the task of a job: the same query as a synchronous one, with the time limit of jobs.

    Raises the error of its parameters, which are validated when the job runs (TAP 1.1 section 2.7).
    """
    parameters = dali.Parameters(job.parameters)
    choice = select_format(parameters.responseformat or job.format, None, BINARY2)
    kept = site.jobs.files.read_uploads(job.id)
    uploads = Uploads.from_tables((k.name, k.columns, k.rows) for k in kept)
    image_urls = make_image_urls(site, JOBS.split_base_url(job, site))
    execution = _prepare_query(site, parameters, uploads, choice, (Info("request", job.url),), image_urls)
    return QueryTask(execution, choice.content_type, f"{_make_file_name(job)}.{choice.format.extension}")


def _make_file_name(job: Job) -> str:
    """Return the file name of a result: the client's name for the job, if it can be a file name."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", job.run_id or "").strip("._-")[:64]
    return name or f"result_{job.created:%Y%m%dT%H%M%S}"


def _prepare_query(
    site: Site,
    parameters: dali.Parameters,
    uploads: Uploads,
    choice: FormatChoice,
    request_infos: tuple[Info, ...],
    image_urls: ImageUrls,
) -> QueryExecution:
    """Return the execution of a query, synchronous or of a job; `request_infos` are the INFOs on its request."""
    maxrec = parameters.get_maxrec(site.maxrec, site.maxrec_hard)
    text = _read_query(parameters)
    resolved = _compile(text, uploads, site, image_urls)
    described = {"query": text} | {"upload": "; ".join(parameters.get_all("UPLOAD"))}
    infos = (
        *origin.describe_response(site, STANDARD_ID, request_infos, scanned_tables(resolved.query), described),
        *(Info("warning", warning) for warning in resolved.warnings),
    )
    return QueryExecution(
        resolved.query,
        site.engine,
        choice.format,
        maxrec,
        title="result",
        infos=infos,
        descriptors=descriptors.describe_links(resolved.query.columns, image_urls),
        uploads=uploads.rows,
    )


def _compile(text: str, uploads: Uploads, site: Site, image_urls: ImageUrls) -> ResolvedQuery:
    resolved = compile_query(text, uploads.add_to(site.catalogue), site.engine.unsupported_functions(), site.strict)
    return expand_obscore(resolved, site.catalogue, site.engine, image_urls)


async def explain(request: Request, site: Site) -> Response:
    """Return what a query would do, without running it: the parameters of /sync, as JSON, text or a page.

    This resource is not part of the standard, and so not among the capabilities.
    """
    request.state.choice = FormatChoice(JSON, JSON.media_type)
    parameters = await dali.read_parameters(request, site.upload_limit)
    choice = _choose_format(request, parameters)
    maxrec = parameters.get_maxrec(site.maxrec, site.maxrec_hard)
    text = _read_query(parameters)
    get_request_info(request).query, get_request_info(request).runid = text, parameters.get("RUNID")
    uploads = await read_uploads(request, parameters, site)
    image_urls = make_image_urls(site, get_base_url(request, site.public_url))

    def write_explanation() -> bytes:
        resolved = _compile(text, uploads, site, image_urls)
        explain_request = ExplainRequest(text, resolved, site.engine, maxrec, site.timeout, uploads.rows)
        return WRITERS[choice.format](explain_query(explain_request))

    body = await anyio.to_thread.run_sync(write_explanation)
    return document_response(
        request, body, choice.content_type, {"Vary": "Accept-Encoding, Accept, Origin, Sec-Fetch-Mode"}
    )


def _choose_format(request: Request, parameters: dali.Parameters) -> FormatChoice:
    """Return the format of an explanation. The form of the front page sends a format for rows, which its button Explain
    cannot change: a person gets a page then."""
    requested = parameters.get("RESPONSEFORMAT")
    if requested is not None and dali.is_navigation(request) and select_format(requested).format not in WRITERS:
        request.state.choice = FormatChoice(HTML, HTML.media_type)
        return FormatChoice(HTML, HTML.media_type)
    return dali.choose_format(request, parameters, JSON, tuple(WRITERS))


def _read_query(parameters: dali.Parameters) -> str:
    language = parameters.get("LANG")
    if language is not None and language.upper() not in LANGUAGES:
        hint = f"one of {', '.join(LANGUAGES)}"
        raise UsageError(f"unsupported LANG {language!r}", hint=hint, code=Code.REQUEST_BAD_PARAMETER)
    text = parameters.get("QUERY")
    if text is None or not text.strip():
        hint = "give it an ADQL query, such as SELECT TOP 10 * FROM TAP_SCHEMA.tables"
        raise UsageError("QUERY is missing", hint=hint, code=Code.REQUEST_MISSING_PARAMETER)
    parameters.get("REQUEST")
    parameters.get("RUNID")
    return text


def _make_timeout_hint(base: str) -> str:
    """Return the hint for a query that exceeds the time limit: a job, and the explanation of what the query reads."""
    return f"as an asynchronous job it may take longer: {base}/async; {base}/explain shows what a query reads"


def render_error(request: Request, site: Site, error: ServiceError) -> Response:
    """Return an error in the requested format (TAP 1.1 section 3.3)."""
    return formatted_error(request, error, BINARY2)


def list_capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """Return the capabilities of TAP and of its examples, from the records by which queries run."""
    kinds = ("adqlgeo", "string", "conditional", "unit")
    offered = [f for f in (*FUNCTIONS.values(), *UDF_FORMS) if f.name not in site.engine.unsupported_functions()]
    features = {kind: tuple(Feature(f.name) for f in offered if f.feature == kind) for kind in kinds}
    features["udf"] = tuple(Feature(f.form, f.doc) for f in offered if f.form is not None)
    features["adqlgeo"] += (Feature("COORDSYS"),)
    features["string"] += (Feature("ILIKE"),)
    features |= {
        "common-table": (Feature("WITH"),),
        "sets": (Feature("UNION"), Feature("EXCEPT"), Feature("INTERSECT")),
        "type": (Feature("CAST"),),
        "offset": (Feature("OFFSET"),),
    }
    models = (("ObsCore-1.1", DATA_MODEL),) if get_image_collections(site.catalogue) else ()
    details = TableAccess(
        languages=(describe_adql(features),),
        formats=tuple(OutputFormat(f.media_type, names, f.ivoa_id) for f, names in format_names(BINARY2)),
        models=models,
        retention=LimitPair(default=site.jobs.retention.default, hard=site.jobs.retention.maximum),
        duration=LimitPair(default=site.jobs.execution.default, hard=site.jobs.execution.maximum),
        upload_methods=_list_upload_methods(site),
        upload_limit=LimitPair(default=site.upload_limit, hard=site.upload_limit) if site.upload_limit else None,
        output_limit=LimitPair(default=min(site.maxrec, site.maxrec_hard), hard=site.maxrec_hard),
    )
    interface = Interface(base, use="base", role="std", version="1.1")
    return (
        Capability(STANDARD_ID, (interface,), details, _describe_limits(site)),
        *examples.list_capabilities(site, base),
    )


def _describe_limits(site: Site) -> str:
    """Return the limits in words: TAPRegExt 1.0 cannot express to which mode they apply, nor what they count."""
    jobs, rows = site.jobs, min(site.maxrec, site.maxrec_hard)
    text = (
        f"A synchronous query may keep the database busy for {site.timeout:g} s. An asynchronous query may run for"
        f" {jobs.execution.default:,} s by default and for {jobs.execution.maximum:,} s at most (EXECUTIONDURATION);"
        f" it is kept with its result for {jobs.retention.default:,} s by default and for"
        f" {jobs.retention.maximum:,} s at most (DESTRUCTION). Both return {rows:,} rows by default and"
        f" {site.maxrec_hard:,} at most (MAXREC)."
    )
    if jobs.max_result_bytes:
        text += f" All results of jobs together may have {jobs.max_result_bytes:,} bytes: the oldest are deleted."
    if site.upload_limit:
        text += f" The uploads of a query may have {site.upload_limit:,} bytes together, compressed and decompressed."
    return text


def _list_upload_methods(site: Site) -> tuple[str, ...]:
    """Return the upload methods: inline; by URL from this server always (the result of a query for the next), from
    others if allowed."""
    if not site.upload_limit:
        return ()
    secure = bool(site.upload_hosts) or site.public_url.startswith("https:")
    return (UPLOAD_INLINE, UPLOAD_HTTP, *((UPLOAD_HTTPS,) if secure else ()))


JOBS = uws.JobList(
    service="tap",
    write_error=lambda error: (BINARY2.error_document(error, ()), BINARY2.error_media_type),
    uploads=True,
)

SERVICE = Service(
    name="tap",
    path="/tap",
    resources=(
        Resource("/sync", run_sync, ("GET", "POST")),
        Resource("/explain", explain, ("GET", "POST")),
        *uws.make_resources(JOBS),
        examples.RESOURCE,
    ),
    error_renderer=render_error,
    capabilities=list_capabilities,
    catalogue=lambda site: site.catalogue,
    label="Table Access Protocol",
    create_task=prepare_job,
)

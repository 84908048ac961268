"""SIA 2.0: the images of all collections by their ObsCore metadata.

A search is a query to ivoa.obscore, built here by hand, and runs like one in ADQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.answer import QueryExecution
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.images import PRODUCTS
from vo_server.catalogue.obscore import get_image_collections, load_obscore
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import Code, ServiceError, UsageError
from vo_server.formats import TABLEDATA
from vo_server.http import dali, origin
from vo_server.http.errors import formatted_error
from vo_server.http.responses import stream
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.obscore.query import (
    DATALINK,
    PICTURES,
    Branch,
    ImageUrls,
    InventoryRow,
    loaded_collections,
    union_query,
)
from vo_server.obscore.templates import to_text
from vo_server.protocols.images import descriptors, parameters

STANDARD_ID = "ivo://ivoa.net/std/SIA#query-2.0"
OBSCORE_ALIAS = "images"
"""The name of ivoa.obscore in the query."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service, where there are image collections."""
    if not get_image_collections(catalogue):
        return ()
    searched = catalogue.restrict_to([load_obscore()[1]])
    return (replace(SERVICE, catalogue=lambda _: searched),)


async def search(request: Request, site: Site) -> Response:
    """Return the images that match every parameter, each by one of its values (section 2.1)."""
    params = await dali.read_parameters(request)
    choice = dali.choose_format(request, params.drop("FORMAT"), TABLEDATA)
    host = origin.make_image_urls(site, get_base_url(request, site.public_url))

    def create_execution() -> QueryExecution:
        built = build_query(params, loaded_collections(site.catalogue, site.engine.count_rows), host)
        return QueryExecution(
            built,
            site.engine,
            choice.format,
            params.get_maxrec(site.maxrec, site.maxrec_hard),
            site.timeout,
            title="Images",
            description=load_obscore()[1].description,
            infos=origin.describe_response(
                site, STANDARD_ID, origin.describe_request(request, site), q.scanned_tables(built), {}
            ),
            descriptors=descriptors.describe_links(built.columns, host),
        )

    execution = await anyio.to_thread.run_sync(create_execution)
    return await stream(request, site, execution, choice.content_type, f"images.{choice.format.extension}")


def build_query(params: dali.Parameters, collections: Sequence[Collection], host: ImageUrls) -> q.Query:
    """Return the query of the parameters to these collections.

    Raises UsageError for an invalid value.
    """
    conditions = [
        parameters.any_of([condition(name, value) for value in values])
        for name, condition in CONDITIONS.items()
        if (values := _list_values(params, name))
    ]
    requested = _list_values(params, "COLLECTION")
    _check_collections(requested, collections)
    if requested:
        conditions.append(parameters.equals_any(get_column("obs_collection"), requested))
    branches = _select_branches(collections, _list_values(params, "ID"), _list_values(params, "FORMAT"), host)
    _, table = load_obscore()
    outputs = tuple(q.OutputColumn(c.name, q.ColumnRef(OBSCORE_ALIAS, c.name, c)) for c in table.columns)
    where = q.Conjunction(tuple(conditions)) if conditions else None
    top = None if branches else 0
    return q.SelectQuery(
        outputs,
        q.Subquery(OBSCORE_ALIAS, union_query(branches or [Branch(collections[0])], host, OBSCORE_ALIAS)),
        where,
        top=top,
    )


def get_column(name: str) -> q.ColumnRef:
    """Return a column of ObsCore in the query."""
    return q.ColumnRef(OBSCORE_ALIAS, name, load_obscore()[1].get_column(name))


def _list_values(params: dali.Parameters, name: str) -> list[str]:
    return [value.strip() for value in params.get_all(name) if value.strip()]


def _check_collections(requested: Sequence[str], collections: Sequence[Collection]) -> None:
    names = [p.images.collection for p in collections if p.images is not None]
    for name in requested:
        if name not in names:
            hint = suggest_similar(name, names)
            message = f"unknown collection {name!r}; there are {', '.join(names)}"
            raise UsageError(message, hint=hint, code=Code.REQUEST_BAD_PARAMETER)


def _select_branches(
    collections: Sequence[Collection], ids: Sequence[str], formats: Sequence[str], host: ImageUrls
) -> list[Branch]:
    """Return the branches of the collections that can match: by identifier, those with its prefix; by media type, those
    whose files, links or pictures have it.

    access_url of a branch leads to the files or the pictures where their media type is requested, else to the links.
    """
    branches = []
    for collection in collections:
        assert collection.images is not None
        where = _match_ids(collection, ids, host) if ids else None
        if ids and where is None:
            continue
        if not formats or DATALINK in formats:
            branches.append(Branch(collection, where))
        for kind in (collection.images.media_type, *PICTURES):
            if kind in formats:
                branches.append(Branch(collection, where, kind))
    return branches


def _match_ids(
    collection: Collection, ids: Sequence[str], host: ImageUrls
) -> Callable[[InventoryRow], q.Condition] | None:
    names = [name for id in ids if (name := host.image_name(collection, id)) is not None]
    return (lambda row: parameters.equals_any(row.name, names)) if names else None


# --------------------------------------------------------------- parameters

Condition = Callable[[str, str], q.Condition]


def _match_region(name: str, value: str) -> q.Condition:
    return parameters.overlaps_shapes(get_column("s_region"), parameters.parse_region(name, value))


def _match_interval(low: str, high: str, unit: str) -> Condition:
    return lambda name, value: parameters.overlaps_interval(
        get_column(low), get_column(high), parameters.parse_interval(name, value, unit)
    )


def _match_text(column_name: str) -> Condition:
    return lambda _, value: parameters.equals_any(get_column(column_name), [value])


def _match_product(name: str, value: str) -> q.Condition:
    if value not in PRODUCTS:
        message = f"{name} must be one of {', '.join(PRODUCTS)}, not {value!r}"
        raise UsageError(message, code=Code.REQUEST_BAD_PARAMETER)
    return parameters.equals_any(get_column("dataproduct_type"), [value])


def _match_level(name: str, value: str) -> q.Condition:
    if value not in ("0", "1", "2", "3", "4"):
        message = f"{name} must be an integer from 0 to 4, not {value!r}"
        raise UsageError(message, code=Code.REQUEST_BAD_PARAMETER)
    level = get_column("calib_level")
    return q.Comparison("=", level, q.Constant(int(value), level.column))


def _match_polarisation(name: str, value: str) -> q.Condition:
    if value not in parameters.POLARISATIONS:
        message = f"{name} must be one of {', '.join(parameters.POLARISATIONS)}, not {value!r}"
        raise UsageError(message, code=Code.REQUEST_BAD_PARAMETER)
    return q.LikeTest(get_column("pol_states"), to_text(f"%/{value}/%"))


CONDITIONS: dict[str, Condition] = {
    "POS": _match_region,
    "BAND": _match_interval("em_min", "em_max", " in m"),
    "TIME": _match_interval("t_min", "t_max", " as MJD"),
    "POL": _match_polarisation,
    "FOV": _match_interval("s_fov", "s_fov", " in degrees"),
    "SPATRES": _match_interval("s_resolution", "s_resolution", " in arcsec"),
    "SPECRP": _match_interval("em_res_power", "em_res_power", ""),
    "EXPTIME": _match_interval("t_exptime", "t_exptime", " in s"),
    "TIMERES": _match_interval("t_resolution", "t_resolution", " in s"),
    "FACILITY": _match_text("facility_name"),
    "INSTRUMENT": _match_text("instrument_name"),
    "DPTYPE": _match_product,
    "CALIB": _match_level,
    "TARGET": _match_text("target_name"),
}
"""For each parameter, a function from its name and one value to the condition. COLLECTION, ID and FORMAT also select
the inventories."""


def render_error(request: Request, site: Site, error: ServiceError) -> Response:
    """Return an error in the requested format (section 3.2)."""
    return formatted_error(request, error, TABLEDATA)


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """Return the capability of the search (section 2.3), without parameters and POST, of which pyvo warns."""
    interface = Interface(
        f"{base}/query",
        use="base",
        role="std",
        version="2.0",
        query_types=("GET",),
        result_type="application/x-votable+xml",
    )
    return (Capability(STANDARD_ID, (interface,)),)


SERVICE = Service(
    name="sia2",
    path="/sia2",
    resources=(Resource("/query", search, ("GET", "POST")),),
    error_renderer=render_error,
    capabilities=capabilities,
    label="Simple Image Access 2",
    of_images=True,
)

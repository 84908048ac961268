"""Simple Cone Search 1.03 with its errata, and the parts of DALI that its draft 1.1 adopts (MAXREC, RESPONSEFORMAT).

A cone search is a typed query, built here, that runs as any other query does.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import CIRCLE, CONTAINS, DISTANCE, POINT
from vo_server.adql.semantics.values import to_constant
from vo_server.answer import QueryExecution, fetch_rows
from vo_server.catalogue.catalogue import Catalogue, Collection, Cone
from vo_server.documents.capability import Capability, ConeSearch, Interface, Param, SampleCone
from vo_server.errors import Code, ServiceError, UsageError
from vo_server.formats import TABLEDATA
from vo_server.http import dali, origin
from vo_server.http.errors import votable_error
from vo_server.http.responses import stream
from vo_server.http.service import Resource, Service, Site
from vo_server.model import types
from vo_server.model.column import Column, Table
from vo_server.model.result import Info
from vo_server.model.unique_names import UniqueNames

STANDARD_ID = "ivo://ivoa.net/std/ConeSearch"
MEDIA_TYPE = "text/xml"
_IDENTIFIER_UCD = "ID_MAIN"


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return a cone search for each collection that describes one."""
    return tuple(
        _make_service(collection, collection.cone, catalogue)
        for collection in catalogue.collections
        if collection.cone is not None
    )


def get_path(collection: Collection) -> str:
    """Return the path of the cone search of a collection below the server's URL."""
    return f"/cone/{collection.id}"


def _make_service(collection: Collection, cone: Cone, catalogue: Catalogue) -> Service:
    searched = catalogue.restrict_to([collection.table])
    return Service(
        name=f"cone-{collection.id}",
        path=get_path(collection),
        resources=(Resource("", partial(search, collection, cone), ("GET", "POST")),),
        error_renderer=render_error,
        capabilities=partial(list_capabilities, collection, cone),
        catalogue=lambda _: searched,
        label="Cone search",
        collection=collection.id,
    )


async def search(collection: Collection, cone: Cone, request: Request, site: Site) -> Response:
    """Return the rows of a table within a radius of a position, the nearest first (SCS 1.03 section 2)."""
    parameters = await dali.read_parameters(request)
    choice = dali.choose_format(request, parameters, TABLEDATA)
    requested = parameters.get("RESPONSEFORMAT") or parameters.get("FORMAT")
    media_type = choice.content_type if requested or choice.format is not TABLEDATA else MEDIA_TYPE
    ra = parameters.get_number("RA", 0, 360, "degrees") % 360
    dec = parameters.get_number("DEC", -90, 90, "degrees")
    radius = parameters.get_number("SR", 0, cone.max_sr, "degrees")
    query = build_cone_query(
        collection.table, _select_columns(collection.table, cone, _parse_verb(parameters)), ra, dec, radius
    )
    execution = QueryExecution(
        query,
        site.engine,
        choice.format,
        parameters.get_maxrec(site.maxrec, site.maxrec_hard),
        site.timeout,
        title=collection.origin.title,
        description=collection.table.description,
        infos=origin.describe_response(
            site, STANDARD_ID, origin.describe_request(request, site), (collection.table,), {}
        ),
    )
    return await stream(request, site, execution, media_type, f"{collection.id}.{choice.format.extension}")


def _parse_verb(parameters: dali.Parameters) -> int:
    text = parameters.get("VERB") or "2"
    if text not in ("1", "2", "3"):
        raise UsageError(f"VERB must be 1, 2 or 3, not {text!r}", code=Code.REQUEST_BAD_PARAMETER)
    return int(text)


def _select_columns(table: Table, cone: Cone, verb: int) -> tuple[Column, ...]:
    """Return the columns of a verbosity; position and identifier are in each."""
    if verb == 3:
        return table.columns
    names = {*(cone.verb1 if verb == 1 else cone.verb2), *_find_main_columns(table)}
    return tuple(c for c in table.columns if c.name in names)


def _find_main_columns(table: Table) -> dict[str, str]:
    """Return the UCDs of the three columns that each response must have, by column name (section 2.2)."""
    assert table.position is not None  # the catalogue does not load a cone search without one
    ucds = {table.position.ra: "POS_EQ_RA_MAIN", table.position.dec: "POS_EQ_DEC_MAIN"}
    return ucds | ({table.identifier: _IDENTIFIER_UCD} if table.identifier else {})


def build_cone_query(table: Table, columns: tuple[Column, ...], ra: float, dec: float, radius: float) -> q.SelectQuery:
    """Return the query for the rows within a radius of a position, all in degrees, with the distance as the last
    column.

    A radius of 0 returns the columns without rows.
    """
    assert table.position is not None
    outputs = _build_outputs(table, columns)
    position = POINT.call(*(q.ColumnRef("t", n, table.get_column(n)) for n in (table.position.ra, table.position.dec)))
    centre = POINT.call(to_constant(ra), to_constant(dec))
    distance = q.FunctionCall(DISTANCE, (position, centre), _DISTANCE_COLUMN)
    label = UniqueNames(o.label for o in outputs).assign(_DISTANCE_COLUMN.name)
    is_inside = q.PredicateTest(
        CONTAINS.call(position, CIRCLE.call(to_constant(ra), to_constant(dec), to_constant(radius)))
    )
    return q.SelectQuery(
        (*outputs, q.OutputColumn(label, distance)),
        q.TableScan("t", table),
        is_inside,
        order_by=(q.SortKey(label),),
        top=0 if radius == 0 else None,
    )


@lru_cache(maxsize=64)
def _build_outputs(table: Table, columns: tuple[Column, ...]) -> tuple[q.OutputColumn, ...]:
    ucds = _find_main_columns(table)
    described = (c.replace(ucd=ucds.get(c.name, _strip_meta_main(c.ucd))) for c in columns)
    return tuple(q.OutputColumn(c.name, _to_value(c)) for c in described)


def _to_value(column: Column) -> q.Value:
    """Return a column of the table; the identifier must be a text (section 2.2), so that a number is cast to one."""
    field = q.ColumnRef("t", column.name, column)
    if column.ucd != _IDENTIFIER_UCD or column.type.family == "text":
        return field
    return q.TypeCast(field, column.replace(type=types.VARCHAR, length=None))


_DISTANCE_COLUMN = Column(
    "dist", types.DOUBLE, unit="deg", ucd="pos.angDistance", description="Distance from the centre of the cone"
)


def _strip_meta_main(ucd: str | None) -> str | None:
    """Return a UCD without ;meta.main, which only the three main columns may carry in their own form."""
    return ucd.replace(";meta.main", "") if ucd else ucd


def render_error(request: Request, site: Site, error: ServiceError) -> Response:
    """Return an error as an INFO named Error in a VOTable of status 200 (section 2.3 and erratum 1)."""
    return votable_error(request, error, (Info("Error", str(error)),))


_PARAMS = (
    Param("RA", "real", "Right ascension of the centre, ICRS", "deg", "pos.eq.ra;meta.main", "required"),
    Param("DEC", "real", "Declination of the centre, ICRS", "deg", "pos.eq.dec;meta.main", "required"),
    Param("SR", "real", "Radius; 0 for the columns without rows", "deg", "phys.angSize", "required"),
    Param("VERB", "integer", "1, 2 or 3: some, the main or all columns"),
    Param("MAXREC", "integer", "Maximum number of rows"),
    Param("RESPONSEFORMAT", "string", "Format of the response"),
)


def list_capabilities(collection: Collection, cone: Cone, site: Site, base: str) -> tuple[Capability, ...]:
    """Return the cone search capability (SimpleDALRegExt 1.1 section 3.1)."""
    sample = SampleCone(*_find_sample(site, collection.id, site.count_rows(collection.table)))
    details = ConeSearch(True, cone.max_sr, site.maxrec_hard or None, sample)
    interface = Interface(
        f"{base}?", use="base", role="std", query_types=("GET",), result_type=MEDIA_TYPE, params=_PARAMS
    )
    return (Capability(STANDARD_ID, (interface,), details),)


@lru_cache(maxsize=256)
def _find_sample(site: Site, id: str, rows: int | None) -> tuple[float, float, float]:
    """Return a cone (ra, dec, sr) that finds rows of a table with `rows` rows: the one of the catalogue file, or one
    about the first row."""
    collection = site.catalogue.get_collection(id)
    cone, table = collection.cone, collection.table
    assert cone is not None
    assert table.position is not None
    position_columns = tuple(table.get_column(name) for name in (table.position.ra, table.position.dec))
    if not rows or _fetch_first(site, build_cone_query(table, position_columns, *cone.test)):
        return cone.test
    first = _fetch_first(site, q.SelectQuery(_build_outputs(table, position_columns), q.TableScan("t", table)))
    return (float(first[0]), float(first[1]), cone.test[2] or 0.1)


def _fetch_first(site: Site, query: q.SelectQuery) -> tuple[Any, ...]:
    """Return the first row of a query, empty where there is none."""
    return next(fetch_rows(query, site.engine, 1, site.timeout), ())

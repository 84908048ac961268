"""SIA 1.0: the images of one collection by region, and by the parameters of IRSA's services of 2MASS.

A search is a query to the inventory, built here by hand, and runs like one in ADQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import CONTAINS, DISTANCE, INTERSECTS, POINT, Function
from vo_server.adql.semantics.internal_functions import UNNEST
from vo_server.adql.semantics.values import to_constant
from vo_server.answer import QueryExecution
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.obscore import get_image_collections
from vo_server.documents.capability import Capability, ImageAccess, Interface, Param
from vo_server.errors import Code, ServiceError, UsageError
from vo_server.formats import TABLEDATA
from vo_server.http import dali, origin
from vo_server.http.errors import votable_error
from vo_server.http.responses import document_response, stream
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.result import Result, ServiceParameter
from vo_server.obscore.query import PICTURES, ImageUrls, InventoryRow
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import fetch_images
from vo_server.protocols.images.filters import ImageFilters
from vo_server.protocols.images.sia1_columns import image_row, load_table, picture_row
from vo_server.sky import regions, shapes
from vo_server.sky.shapes import Shape

STANDARD_ID = "ivo://ivoa.net/std/SIA"
MEDIA_TYPE = "text/xml"
MODES = ("COVERS", "ENCLOSED", "CENTER", "OVERLAPS")
MAX_SIDE_DEGREES = 179.0
"""The longest side of a region, which must lie in a hemisphere."""

MIN_SIDE_DEGREES = 1e-7
"""The shortest side of a box, far below any pixel."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return a search service for each image collection."""
    return tuple(_build_service(p, catalogue) for p in get_image_collections(catalogue))


def _build_service(collection: Collection, catalogue: Catalogue) -> Service:
    searched = catalogue.restrict_to([collection.table])
    return Service(
        name=f"sia1-{collection.id}",
        path=f"/sia1/{collection.id}",
        resources=(Resource("", partial(search, collection), ("GET", "POST")),),
        error_renderer=render_error,
        capabilities=partial(capabilities, collection),
        catalogue=lambda _: searched,
        label="Simple Image Access",
        collection=collection.id,
    )


async def search(collection: Collection, request: Request, site: Site) -> Response:
    """Return the images of a collection that match a region as INTERSECT says, the nearest first (section 4.1)."""
    params = await dali.read_parameters(request)
    choice = dali.choose_format(request, params.drop("FORMAT"), TABLEDATA)
    requested = params.get("RESPONSEFORMAT")
    media_type = choice.content_type if requested or choice.format is not TABLEDATA else MEDIA_TYPE
    host = origin.make_image_urls(site, get_base_url(request, site.public_url))
    title = collection.table.title or collection.table.name
    infos = origin.describe_response(site, STANDARD_ID, origin.describe_request(request, site), (collection.table,), {})
    formats = parse_formats(params)
    if "METADATA" in formats:
        columns = tuple(o.column for o in _build_outputs(collection, params, host))
        result = Result(columns, iter(()), title, collection.table.description, infos, describe_inputs(collection))
        return document_response(request, b"".join(choice.format.write(result)), media_type)
    execution = QueryExecution(
        build_query(collection, params, host, formats),
        site.engine,
        choice.format,
        params.get_maxrec(site.maxrec, site.maxrec_hard),
        site.timeout,
        title=title,
        description=collection.table.description,
        infos=infos,
    )
    return await stream(request, site, execution, media_type, f"{collection.id}.{choice.format.extension}")


def build_query(
    collection: Collection, params: dali.Parameters, host: ImageUrls, formats: Sequence[str]
) -> q.SelectQuery:
    """Return the query of the parameters, with a row for each image and each requested format that it has.

    Raises UsageError for invalid parameters.
    """
    row = InventoryRow(collection, INVENTORY_ALIAS)
    filters = ImageFilters(collection)
    conditions = list(filters.build_conditions(params, row))
    centre_and_region = parse_pos_size(params, required=not conditions)
    distance: q.Value = to_constant(0.0)
    if centre_and_region is not None:
        centre, region = centre_and_region
        conditions.append(build_region_condition(params, row, centre, region))
        distance = build_distance(row, centre)
    media_types = [kind for kind in list_formats(collection) if {"ALL", kind} & set(formats)]
    is_empty = not media_types or not filters.has_dataset(params)
    selects = [
        q.SelectQuery(_build_outputs(collection, params, host, kind), row.scan, q.Conjunction(tuple(conditions)))
        for kind in media_types or list_formats(collection)[:1]
    ]
    if len(selects) == 1:
        order = (q.SortKey(distance),) if centre_and_region is not None else ()
        return replace(selects[0], order_by=order, top=0 if is_empty else None)
    return replace(_combine_formats(selects, distance), top=0 if is_empty else None)


def _combine_formats(selects: Sequence[q.SelectQuery], distance: q.Value) -> q.SelectQuery:
    """Return a query with the rows of all formats, the nearest image first, those of an image in the order of formats.

    The inventory is read once, and each of its rows is then repeated for each format.
    """
    kind = q.ColumnRef(FOUND_ALIAS, _FORMAT_LABEL, _INTEGER)
    numbers = tuple(q.Constant(n, _INTEGER) for n in range(len(selects)))
    inner_outputs, outputs = [q.OutputColumn(_DISTANCE_LABEL, distance)], list[q.OutputColumn]()
    for column_outputs in zip(*(s.outputs for s in selects), strict=True):
        label, column = column_outputs[0].label, column_outputs[0].value.column
        if all(each.value == column_outputs[0].value for each in column_outputs):
            inner_outputs.append(column_outputs[0])
            outputs.append(q.OutputColumn(label, q.ColumnRef(FOUND_ALIAS, label, column)))
        else:
            inner_outputs += [
                q.OutputColumn(f"{label} {n.value}", each.value)
                for n, each in zip(numbers, column_outputs, strict=True)
            ]
            cases = (
                (q.Comparison("=", kind, n), q.ColumnRef(FOUND_ALIAS, f"{label} {n.value}", column)) for n in numbers
            )
            outputs.append(q.OutputColumn(label, q.CaseExpression(tuple(cases), None, column)))
    inner = q.Subquery(FOUND_ALIAS, replace(selects[0], outputs=tuple(inner_outputs)))
    each = q.Unnest(FOUND_ALIAS, inner, q.FunctionCall(UNNEST, numbers, _INTEGER), _FORMAT_LABEL)
    name = next(o.value for o in outputs if o.label == "name")
    return q.SelectQuery(
        tuple(outputs),
        each,
        order_by=tuple(map(q.SortKey, (q.ColumnRef(FOUND_ALIAS, _DISTANCE_LABEL, distance.column), name, kind))),
    )


_DISTANCE_LABEL, _FORMAT_LABEL = "_far", "_kind"
_INTEGER = Column("", types.INTEGER)
FOUND_ALIAS = "found"
"""The name, in the query, of the images that are repeated for several formats."""

INVENTORY_ALIAS = "images"
"""The name of the inventory in the query."""

# ----------------------------------------------------------------- regions


def parse_pos_size(params: dali.Parameters, required: bool) -> tuple[tuple[float, float], Shape] | None:
    """Return the centre and the region of POS and SIZE; None without POS, unless it is `required`.

    Raises UsageError for a missing or invalid parameter.
    """
    if params.get("POS") is None and not required:
        return None
    ra, dec = _parse_pair(params, "POS", "266.4,-29.0, right ascension and declination in degrees", allow_single=False)
    if not -90 <= dec <= 90 or not 0 <= ra <= 360:
        message = f"POS must be within 0 to 360, -90 to 90 degrees, not {params.get('POS')}"
        raise UsageError(message, code=Code.REQUEST_BAD_REGION)
    width, height = _parse_pair(params, "SIZE", "0.1 or 0.1,0.2, width and height in degrees", allow_single=True)
    if not (0 <= width <= MAX_SIDE_DEGREES and 0 <= height <= MAX_SIDE_DEGREES):
        message = f"SIZE must be within 0 to {MAX_SIDE_DEGREES:g} degrees, not {params.get('SIZE')}"
        raise UsageError(message, code=Code.REQUEST_BAD_REGION)
    if width == height == 0:
        return (ra, dec), ("point", (ra, dec))
    box = shapes.box_vertices(ra, dec, max(width, MIN_SIDE_DEGREES), max(height, MIN_SIDE_DEGREES))
    return (ra, dec), ("polygon", box)


def _parse_pair(params: dali.Parameters, name: str, example: str, allow_single: bool) -> tuple[float, float]:
    value = params.get(name)
    if value is None:
        hint = f"such as {name}={example}"
        raise UsageError(f"{name} is missing", hint=hint, code=Code.REQUEST_MISSING_PARAMETER)
    numbers = [parameters.parse_number(name, word.strip()) for word in value.split(",")]
    if len(numbers) == 1 and allow_single:
        numbers *= 2
    if len(numbers) != 2:
        message = f"{name} must be {'one or ' if allow_single else ''}two numbers, not {value!r}"
        raise UsageError(message, hint=example, code=Code.REQUEST_BAD_REGION)
    return numbers[0], numbers[1]


def build_region_condition(
    params: dali.Parameters, row: InventoryRow, centre: tuple[float, float], region: Shape
) -> q.Condition:
    """Return the condition of INTERSECT between an image and the region.

    Raises UsageError for an unknown INTERSECT.
    """
    mode = (params.get("INTERSECT") or "OVERLAPS").upper()
    image, middle = row.footprint, build_point(to_constant(centre[0]), to_constant(centre[1]))
    target = middle if region[0] == "point" else q.Constant(regions.format_shapes([region]), Column("", types.REGION))
    pairs: dict[str, tuple[Function, q.Value, q.Value]] = {
        "COVERS": (CONTAINS, target, image),
        "ENCLOSED": (CONTAINS, image, target),
        "CENTER": (CONTAINS, middle, image),
        "OVERLAPS": (INTERSECTS, image, target),
    }
    if mode not in pairs:
        message = f"INTERSECT must be one of {', '.join(MODES)}, not {mode!r}"
        raise UsageError(message, code=Code.REQUEST_BAD_PARAMETER)
    function, *arguments = pairs[mode]
    return q.PredicateTest(function.call(*arguments))


def build_point(lon: q.Value, lat: q.Value) -> q.Value:
    """Return a position as a value of a query."""
    return POINT.call(lon, lat)


def build_distance(row: InventoryRow, centre: tuple[float, float]) -> q.Value:
    """Return the distance between the centre of an image and a position, in degrees."""
    pair = build_point(*row.position), build_point(to_constant(centre[0]), to_constant(centre[1]))
    return DISTANCE.call(*pair)


# ----------------------------------------------------------------- formats


def list_formats(collection: Collection) -> tuple[str, ...]:
    """Return the media types of the images: that of their files, and those of pictures."""
    assert collection.images is not None
    return (collection.images.media_type, *PICTURES)


def parse_formats(params: dali.Parameters) -> list[str]:
    """Return the requested media types, with ALL and METADATA among them (section 4.1.3).

    GRAPHIC is a picture of any kind, GRAPHIC-ALL of all kinds, and GRAPHIC-png,jpeg the first of these that is
    offered. Raises UsageError for anything else.
    """
    media_types: list[str] = []
    preferred: list[str] | None = None
    for word in (params.get("FORMAT") or "ALL").split(","):
        name = word.strip()
        first, dash, kind = name.upper().partition("-")
        if first == "GRAPHIC":
            preferred = [kind.lower()] if dash and kind != "ALL" else None
            media_types += PICTURES if kind == "ALL" else () if dash else PICTURES[:1]
        elif name.upper() in ("ALL", "METADATA"):
            media_types.append(name.upper())
        elif "/" in name:
            media_types.append(name.lower())
        elif preferred is not None:
            preferred.append(name.lower())
        else:
            raise UsageError(
                f"FORMAT: unknown format {name!r}",
                hint="ALL, GRAPHIC, METADATA or media types, as in image/fits",
                code=Code.REQUEST_UNSUPPORTED_FORMAT,
            )
    kinds = (f"image/{kind}" for kind in preferred or ())
    return [*media_types, *[kind for kind in kinds if kind in PICTURES][:1]]


# ----------------------------------------------------------------- columns


def _build_outputs(
    collection: Collection, params: dali.Parameters, host: ImageUrls, kind: str | None = None
) -> tuple[q.OutputColumn, ...]:
    """Return the columns of VERB, of the files or of pictures of a kind.

    They are the required columns of the standard, then all of them, then also the main or all columns of the inventory.
    Raises UsageError for an invalid VERB.
    """
    text = params.get("VERB") or "2"
    if text not in ("0", "1", "2", "3"):
        raise UsageError(f"VERB must be 0, 1, 2 or 3, not {text!r}", code=Code.REQUEST_BAD_PARAMETER)
    verb = int(text)
    row = InventoryRow(collection, INVENTORY_ALIAS)
    row_values = image_row(row, host) if kind not in PICTURES else picture_row(row, host, kind)
    standard = [c for c in load_table().columns if verb > 0 or c.principal]
    outputs = [q.OutputColumn(c.name, row_values[c.name]) for c in standard]
    standard_names = {c.name.lower() for c in load_table().columns}
    inventory_columns = [
        c for c in collection.table.columns if c.name.lower() not in standard_names and (verb == 3 or c.principal)
    ]
    return (*outputs, *(q.OutputColumn(c.name, row.column(c.name)) for c in inventory_columns if verb > 1))


# -------------------------------------------------------------- description


def describe_inputs(collection: Collection) -> tuple[ServiceParameter, ...]:
    """Return the parameters for FORMAT=METADATA (section 7.1)."""
    assert collection.images is not None
    formats = ("ALL", "GRAPHIC", "GRAPHIC-ALL", "METADATA", *list_formats(collection))
    return (
        ServiceParameter("INPUT:POS", "Right ascension and declination of the centre, ICRS", unit="deg", ucd="pos.eq"),
        ServiceParameter("INPUT:SIZE", "Width and, after a comma, height of the region", value="0.1", unit="deg"),
        ServiceParameter("INPUT:FORMAT", "Media types of the images", value="ALL", options=formats),
        ServiceParameter("INPUT:INTERSECT", "Relation between image and region", value="OVERLAPS", options=MODES),
        ServiceParameter("INPUT:VERB", "How many columns", value="2", options=("0", "1", "2", "3")),
        *(ServiceParameter(f"INPUT:{name.upper()}", text) for name, text in ImageFilters(collection).describe()),
    )


def capabilities(collection: Collection, site: Site, base: str) -> tuple[Capability, ...]:
    """Return the image access capability (SimpleDALRegExt 1.1 section 3.2)."""
    params = (
        Param("POS", "string", "Centre, ICRS: 266.4,-29.0", "deg", "pos.eq", "required"),
        Param("SIZE", "string", "Width and height of the region: 0.1 or 0.1,0.2", "deg", "phys.angSize", "required"),
        Param("FORMAT", "string", "ALL, GRAPHIC, METADATA or media types"),
        Param("INTERSECT", "string", "COVERS, ENCLOSED, CENTER or OVERLAPS"),
        Param("VERB", "integer", "0 to 3: the required, the standard, the main or all columns"),
        Param("MAXREC", "integer", "Maximum number of rows"),
        Param("RESPONSEFORMAT", "string", "Format of the response"),
        *(Param(name.upper(), "string", value, std=False) for name, value in ImageFilters(collection).describe()),
    )
    details = ImageAccess(
        "Atlas", (MAX_SIDE_DEGREES, MAX_SIDE_DEGREES), site.maxrec_hard or None, find_sample_position(collection, site)
    )
    interface = Interface(
        f"{base}?", use="base", role="std", query_types=("GET",), result_type=MEDIA_TYPE, params=params
    )
    return (Capability(STANDARD_ID, (interface,), details),)


def find_sample_position(collection: Collection, site: Site) -> tuple[float, float] | None:
    """Return a position that an image covers, always the same: the registry dates its records by their content."""
    if not site.engine.count_rows(collection.table):
        return None
    row = InventoryRow(collection, INVENTORY_ALIAS)
    positions = fetch_images(site, row, row.position, None, max_rows=1, order=(q.SortKey(row.identifier),))
    return (float(positions[0][0]), float(positions[0][1])) if positions else None


def render_error(request: Request, site: Site, error: ServiceError) -> Response:
    """Return an error as QUERY_STATUS in a VOTable of status 200 (section 4.3)."""
    return votable_error(request, error)

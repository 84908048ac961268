"""SIA 1.0: the images of one collection about a place, and by what the services of 2MASS at IRSA are asked.

A search is a query to the inventory, built here by hand, and walks the same road as one in ADQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import (
    CONTAINS,
    DISTANCE,
    EACH,
    INTERSECTS,
    POINT,
    Function,
)
from vo_server.adql.semantics.values import constant
from vo_server.answer import Question
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.obscore import image_collections
from vo_server.documents.capability import Capability, ImageAccess, Interface, Param
from vo_server.errors import ServiceError, UsageError
from vo_server.formats import HTML, TABLEDATA, Choice
from vo_server.http import dali, origin
from vo_server.http.access_log import identified
from vo_server.http.errors import error_headers, formatted_error
from vo_server.http.responses import document, stream
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import base_url
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.result import Info, Input, Result
from vo_server.obscore.query import PICTURES, Host, Row
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import looked_up
from vo_server.protocols.images.filters import Filters
from vo_server.protocols.images.sia1_columns import pictured, table, values
from vo_server.sky import regions, shapes
from vo_server.sky.shapes import Shape

STANDARD_ID = "ivo://ivoa.net/std/SIA"
MEDIA_TYPE = "text/xml"
MODES = ("COVERS", "ENCLOSED", "CENTER", "OVERLAPS")
LARGEST = 179.0
"""Degrees that a side of the region may have: it must lie in a hemisphere."""

LEAST = 1e-7
"""Degrees, far below any pixel, that the shorter side of a region has at least."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """A search for each image collection."""
    return tuple(_service(p, catalogue) for p in image_collections(catalogue))


def _service(publication: Collection, catalogue: Catalogue) -> Service:
    searched = catalogue.part([publication.table])
    return Service(
        name=f"sia1-{publication.id}",
        path=f"/sia1/{publication.id}",
        resources=(Resource("", partial(search, publication), ("GET", "POST")),),
        refuse=refuse,
        capabilities=partial(capabilities, publication),
        catalogue=lambda _: searched,
        label="Simple Image Access",
        collection=publication.id,
    )


async def search(publication: Collection, request: Request, site: Site) -> Response:
    """The images of a collection that go with a place as INTERSECT says, those nearest to it first (section 4.1)."""
    given = await dali.parameters(request)
    choice = dali.format_for(request, given.without("FORMAT"), TABLEDATA)
    named = given.one("RESPONSEFORMAT")
    media_type = choice.content_type if named or choice.format is not TABLEDATA else MEDIA_TYPE
    host = origin.host_of(site, base_url(request, site.public_url))
    title = publication.table.title or publication.table.name
    infos = origin.infos(site, STANDARD_ID, origin.asked(request, site), (publication.table,), {})
    formats = formats_of(given)
    if "METADATA" in formats:
        columns = tuple(o.column for o in _outputs(publication, given, host))
        told = Result(columns, iter(()), title, publication.table.description, infos, inputs(publication))
        return document(request, b"".join(choice.format.write(told)), media_type)
    question = Question(
        image_query(publication, given, host, formats),
        site.engine,
        choice.format,
        given.maxrec(site.maxrec, site.maxrec_hard),
        site.timeout,
        title=title,
        description=publication.table.description,
        infos=infos,
    )
    return await stream(request, site, question, media_type, f"{publication.id}.{choice.format.extension}")


def image_query(publication: Collection, given: dali.Parameters, host: Host, formats: Sequence[str]) -> q.Select:
    """The images that the parameters ask for, a row for each format in which they are wanted and had.

    Raises UsageError where they ask for nothing that can be answered.
    """
    row = Row(publication, SOURCE)
    filters = Filters(publication)
    conditions = list(filters.conditions(given, row))
    place = placed(given, needed=not conditions)
    far: q.Value = constant(0.0)
    if place is not None:
        centre, region = place
        conditions.append(met(given, row, centre, region))
        far = distance(row, centre)
    wanted = [kind for kind in offered(publication) if {"ALL", kind} & set(formats)]
    none = not wanted or not filters.has_dataset(given)
    selects = [
        q.Select(_outputs(publication, given, host, kind), row.scan, q.And(tuple(conditions)))
        for kind in wanted or offered(publication)[:1]
    ]
    if len(selects) == 1:
        order = (q.Order(far),) if place is not None else ()
        return replace(selects[0], order_by=order, top=0 if none else None)
    return replace(_together(selects, far), top=0 if none else None)


def _together(selects: Sequence[q.Select], far: q.Value) -> q.Select:
    """The rows of all of them, the nearest image first, and those of an image in their order. The inventory is asked
    once, and each image then stands once for each of them."""
    kind = q.Field(FOUND, _KIND, _INTEGER)
    numbers = tuple(q.Constant(n, _INTEGER) for n in range(len(selects)))
    asked, told = [q.Output(_FAR, far)], list[q.Output]()
    for alike in zip(*(s.outputs for s in selects), strict=True):
        label, column = alike[0].label, alike[0].value.column
        if all(each.value == alike[0].value for each in alike):
            asked.append(alike[0])
            told.append(q.Output(label, q.Field(FOUND, label, column)))
        else:
            asked += [q.Output(f"{label} {n.value}", each.value) for n, each in zip(numbers, alike, strict=True)]
            cases = ((q.Compare("=", kind, n), q.Field(FOUND, f"{label} {n.value}", column)) for n in numbers)
            told.append(q.Output(label, q.Case(tuple(cases), None, column)))
    found = q.Derived(FOUND, replace(selects[0], outputs=tuple(asked)))
    each = q.Spread(FOUND, found, q.Apply(EACH, numbers, _INTEGER), _KIND)
    name = next(o.value for o in told if o.label == "name")
    return q.Select(tuple(told), each, order_by=tuple(map(q.Order, (q.Field(FOUND, _FAR, far.column), name, kind))))


_FAR, _KIND = "_far", "_kind"
_INTEGER = Column("", types.INTEGER)
FOUND = "found"
"""The name, in the query, of what was found in several formats."""

SOURCE = "images"
"""The name of the inventory in the query."""

# ------------------------------------------------------------------ places


def placed(given: dali.Parameters, needed: bool) -> tuple[tuple[float, float], Shape] | None:
    """The centre and the region that POS and SIZE describe; None where neither is there and `needed` does not hold.

    Raises UsageError.
    """
    if given.one("POS") is None and not needed:
        return None
    ra, dec = _pair(given, "POS", "266.4,-29.0, right ascension and declination in degrees", alone=False)
    if not -90 <= dec <= 90 or not 0 <= ra <= 360:
        raise UsageError(f"POS is {given.one('POS')}, which is not on the sky: 0 to 360, -90 to 90 degrees")
    width, height = _pair(given, "SIZE", "0.1 or 0.1,0.2, width and height in degrees", alone=True)
    if not (0 <= width <= LARGEST and 0 <= height <= LARGEST):
        raise UsageError(f"SIZE is {given.one('SIZE')}, which is not within 0 to {LARGEST:g} degrees")
    if width == height == 0:
        return (ra, dec), ("point", (ra, dec))
    box = shapes.box(ra, dec, max(width, LEAST), max(height, LEAST))
    return (ra, dec), ("polygon", box)


def _pair(given: dali.Parameters, name: str, such: str, alone: bool) -> tuple[float, float]:
    said = given.one(name)
    if said is None:
        raise UsageError(f"{name} is missing", hint=f"such as {name}={such}")
    numbers = [parameters.number(name, word.strip()) for word in said.split(",")]
    if len(numbers) == 1 and alone:
        numbers *= 2
    if len(numbers) != 2:
        raise UsageError(f"{name} is {said!r}, which is not {'one or ' if alone else ''}two numbers", hint=such)
    return numbers[0], numbers[1]


def met(given: dali.Parameters, row: Row, centre: tuple[float, float], region: Shape) -> q.Condition:
    """How an image goes with the region.

    Raises UsageError for an INTERSECT that is none.
    """
    mode = (given.one("INTERSECT") or "OVERLAPS").upper()
    image, middle = row.footprint, point(constant(centre[0]), constant(centre[1]))
    there = middle if region[0] == "point" else q.Constant(regions.worded_all([region]), Column("", types.REGION))
    pairs: dict[str, tuple[Function, q.Value, q.Value]] = {
        "COVERS": (CONTAINS, there, image),
        "ENCLOSED": (CONTAINS, image, there),
        "CENTER": (CONTAINS, middle, image),
        "OVERLAPS": (INTERSECTS, image, there),
    }
    if mode not in pairs:
        raise UsageError(f"INTERSECT is {mode!r}, which is none of {', '.join(MODES)}")
    function, *arguments = pairs[mode]
    return q.Holds(q.Apply(function, tuple(arguments), function.result(())))


def point(lon: q.Value, lat: q.Value) -> q.Value:
    """A position as a value."""
    return q.Apply(POINT, (lon, lat), POINT.result((lon, lat)))


def distance(row: Row, centre: tuple[float, float]) -> q.Value:
    """How far the centre of an image is, in degrees."""
    pair = point(*row.position), point(constant(centre[0]), constant(centre[1]))
    return q.Apply(DISTANCE, pair, DISTANCE.result(pair))


# ----------------------------------------------------------------- formats


def offered(publication: Collection) -> tuple[str, ...]:
    """The formats in which images are had: their files, and pictures of them."""
    assert publication.images is not None
    return (publication.images.media_type, *PICTURES)


def formats_of(given: dali.Parameters) -> list[str]:
    """The media types of images that are asked for, ALL and METADATA among them (section 4.1.3). GRAPHIC is a picture
    of any kind, GRAPHIC-ALL of all kinds, and GRAPHIC-png,jpeg the first of these that there is.

    Raises UsageError for what is none of this.
    """
    found: list[str] = []
    preferred: list[str] | None = None
    for word in (given.one("FORMAT") or "ALL").split(","):
        name = word.strip()
        first, dash, kind = name.upper().partition("-")
        if first == "GRAPHIC":
            preferred = [kind.lower()] if dash and kind != "ALL" else None
            found += PICTURES if kind == "ALL" else () if dash else PICTURES[:1]
        elif name.upper() in ("ALL", "METADATA"):
            found.append(name.upper())
        elif "/" in name:
            found.append(name.lower())
        elif preferred is not None:
            preferred.append(name.lower())
        else:
            raise UsageError(f"FORMAT has {name!r}", hint="ALL, GRAPHIC, METADATA or media types, as in image/fits")
    kinds = (f"image/{kind}" for kind in preferred or ())
    return [*found, *[kind for kind in kinds if kind in PICTURES][:1]]


# ----------------------------------------------------------------- columns


def _outputs(
    publication: Collection, given: dali.Parameters, host: Host, kind: str | None = None
) -> tuple[q.Output, ...]:
    """The columns of a verbosity, of the files or of pictures of a kind: those of the standard that must be there, all
    of them, and with these the main or all columns of the inventory."""
    text = given.one("VERB") or "2"
    if text not in ("0", "1", "2", "3"):
        raise UsageError(f"VERB is {text!r}, which is not 0, 1, 2 or 3")
    verb = int(text)
    row = Row(publication, SOURCE)
    made = values(row, host) if kind not in PICTURES else pictured(row, host, kind)
    standard = [c for c in table().columns if verb > 0 or c.principal]
    outputs = [q.Output(c.name, made[c.name]) for c in standard]
    taken = {c.name.lower() for c in table().columns}
    own = [c for c in publication.table.columns if c.name.lower() not in taken and (verb == 3 or c.principal)]
    return (*outputs, *(q.Output(c.name, row.field(c.name)) for c in own if verb > 1))


# -------------------------------------------------------------- description


def inputs(publication: Collection) -> tuple[Input, ...]:
    """The parameters, as FORMAT=METADATA tells them (section 7.1)."""
    assert publication.images is not None
    formats = ("ALL", "GRAPHIC", "GRAPHIC-ALL", "METADATA", *offered(publication))
    return (
        Input("INPUT:POS", "Right ascension and declination of the centre, ICRS", unit="deg", ucd="pos.eq"),
        Input("INPUT:SIZE", "Width and, after a comma, height of the region", value="0.1", unit="deg"),
        Input("INPUT:FORMAT", "Media types of the images", value="ALL", options=formats),
        Input("INPUT:INTERSECT", "How images go with the region", value="OVERLAPS", options=MODES),
        Input("INPUT:VERB", "How many columns", value="2", options=("0", "1", "2", "3")),
        *(Input(f"INPUT:{name.upper()}", said) for name, said in Filters(publication).described()),
    )


def capabilities(publication: Collection, site: Site, base: str) -> tuple[Capability, ...]:
    """The image access capability (SimpleDALRegExt 1.1 section 3.2)."""
    params = (
        Param("POS", "string", "Centre, ICRS: 266.4,-29.0", "deg", "pos.eq", "required"),
        Param("SIZE", "string", "Width and height of the region: 0.1 or 0.1,0.2", "deg", "phys.angSize", "required"),
        Param("FORMAT", "string", "ALL, GRAPHIC, METADATA or media types"),
        Param("INTERSECT", "string", "COVERS, ENCLOSED, CENTER or OVERLAPS"),
        Param("VERB", "integer", "0 to 3: how many columns"),
        Param("MAXREC", "integer", "Rows at the most"),
        Param("RESPONSEFORMAT", "string", "Format of the answer"),
        *(Param(name.upper(), "string", said, std=False) for name, said in Filters(publication).described()),
    )
    details = ImageAccess("Atlas", (LARGEST, LARGEST), site.maxrec_hard or None, sample(publication, site))
    interface = Interface(
        f"{base}?", use="base", role="std", query_types=("GET",), result_type=MEDIA_TYPE, params=params
    )
    return (Capability(STANDARD_ID, (interface,), details),)


def sample(publication: Collection, site: Site) -> tuple[float, float] | None:
    """A place that an image shows, the same each time: the registry dates its records by what they say."""
    if not site.engine.rows(publication.table):
        return None
    row = Row(publication, SOURCE)
    found = looked_up(site, row, row.position, None, most=1, order=(q.Order(row.identifier),))
    return (float(found[0][0]), float(found[0][1])) if found else None


def refuse(request: Request, site: Site, fault: ServiceError) -> Response:
    """QUERY_STATUS ERROR in a VOTable of status 200, as old clients ask (section 4.3); a person gets a page."""
    choice: Choice | None = getattr(request.state, "choice", None)
    if choice is not None and choice.format is HTML:
        return formatted_error(request, fault, HTML)
    told: tuple[Info, ...] = identified(request)
    status = fault.status if fault.status >= 500 else 200
    headers = {"Content-Type": MEDIA_TYPE, **error_headers(fault)}
    return Response(TABLEDATA.fault(fault, told), status_code=status, headers=headers)

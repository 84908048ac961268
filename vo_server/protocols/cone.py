"""Simple Cone Search 1.03 with its errata, and the parts of DALI that its draft 1.1 takes up (MAXREC, RESPONSEFORMAT).

A cone search is a query like any other: it is built here, by hand, and walks the same road.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import CIRCLE, CONTAINS, DISTANCE, POINT, Function
from vo_server.adql.semantics.scope import Labels
from vo_server.adql.semantics.values import constant
from vo_server.answer import Question, prepared
from vo_server.catalogue.catalogue import Catalogue, Collection, Cone
from vo_server.documents.capability import Capability, ConeSearch, Interface, Param, SampleCone
from vo_server.errors import ServiceError, UsageError
from vo_server.formats import HTML, TABLEDATA, Choice
from vo_server.http import dali, origin
from vo_server.http.access_log import identified
from vo_server.http.errors import error_headers, formatted_error
from vo_server.http.responses import stream
from vo_server.http.service import Resource, Service, Site
from vo_server.model import types
from vo_server.model.column import Column, Table
from vo_server.model.result import Info

STANDARD_ID = "ivo://ivoa.net/std/ConeSearch"
MEDIA_TYPE = "text/xml"
_IDENTIFIER = "ID_MAIN"


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """A cone search for each publication that describes one."""
    return tuple(_service(p, p.cone, catalogue) for p in catalogue.collections if p.cone is not None)


def _service(publication: Collection, cone: Cone, catalogue: Catalogue) -> Service:
    searched = catalogue.part([publication.table])
    return Service(
        name=f"cone-{publication.id}",
        path=f"/cone/{publication.id}",
        resources=(Resource("", partial(search, publication, cone), ("GET", "POST")),),
        refuse=refuse,
        capabilities=partial(capabilities, publication, cone),
        catalogue=lambda _: searched,
        label="Cone search",
        collection=publication.id,
    )


async def search(publication: Collection, cone: Cone, request: Request, site: Site) -> Response:
    """All rows of a table within a radius of a position, the nearest first (SCS 1.03 section 2)."""
    given = await dali.parameters(request)
    choice = dali.format_for(request, given, TABLEDATA)
    named = given.one("RESPONSEFORMAT") or given.one("FORMAT")
    media_type = choice.content_type if named or choice.format is not TABLEDATA else MEDIA_TYPE
    ra = given.number("RA", 0, 360, "degrees") % 360
    dec = given.number("DEC", -90, 90, "degrees")
    radius = given.number("SR", 0, cone.max_sr, "degrees")
    query = cone_query(publication.table, _listed(publication.table, cone, _verb(given)), ra, dec, radius)
    question = Question(
        query,
        site.engine,
        choice.format,
        given.maxrec(site.maxrec, site.maxrec_hard),
        site.timeout,
        title=publication.origin.title,
        description=publication.table.description,
        infos=origin.infos(site, STANDARD_ID, origin.asked(request, site), (publication.table,), {}),
    )
    return await stream(request, site, question, media_type, f"{publication.id}.{choice.format.extension}")


def _verb(given: dali.Parameters) -> int:
    text = given.one("VERB") or "2"
    if text not in ("1", "2", "3"):
        raise UsageError(f"VERB is {text!r}, which is not 1, 2 or 3")
    return int(text)


def _listed(table: Table, cone: Cone, verb: int) -> tuple[Column, ...]:
    """The columns of a verbosity; position and identifier are in each."""
    if verb == 3:
        return table.columns
    names = {*(cone.verb1 if verb == 1 else cone.verb2), *_main(table)}
    return tuple(c for c in table.columns if c.name in names)


def _main(table: Table) -> dict[str, str]:
    """The three columns that every answer must have, by the words that clients find them by (section 2.2)."""
    assert table.position is not None  # the catalogue does not load a cone search without one
    words = {table.position.ra: "POS_EQ_RA_MAIN", table.position.dec: "POS_EQ_DEC_MAIN"}
    return words | ({table.identifier: _IDENTIFIER} if table.identifier else {})


def cone_query(table: Table, columns: tuple[Column, ...], ra: float, dec: float, radius: float) -> q.Select:
    """The rows of a table within a radius of a position, all in degrees, with their distance as the last column.

    A radius of 0 asks for the columns alone.
    """
    assert table.position is not None
    outputs = _outputs(table, columns)
    place = _apply(POINT, *(q.Field("t", n, table.column(n)) for n in (table.position.ra, table.position.dec)))
    centre = _apply(POINT, constant(ra), constant(dec))
    distance = q.Apply(DISTANCE, (place, centre), _DISTANCE)
    label = Labels(o.label for o in outputs).unique(_DISTANCE.name)
    inside = q.Holds(_apply(CONTAINS, place, _apply(CIRCLE, constant(ra), constant(dec), constant(radius))))
    return q.Select(
        (*outputs, q.Output(label, distance)),
        q.Scan("t", table),
        inside,
        order_by=(q.Order(label),),
        top=0 if radius == 0 else None,
    )


@lru_cache(maxsize=64)
def _outputs(table: Table, columns: tuple[Column, ...]) -> tuple[q.Output, ...]:
    words = _main(table)
    said = (c.replace(ucd=words.get(c.name, _no_rival(c.ucd))) for c in columns)
    return tuple(q.Output(c.name, _value(c)) for c in said)


def _value(column: Column) -> q.Value:
    """A column of the table; what identifies a row is a text (section 2.2), and made one where it is a number."""
    field = q.Field("t", column.name, column)
    if column.ucd != _IDENTIFIER or column.type.family == "text":
        return field
    return q.Cast(field, column.replace(type=types.VARCHAR, length=None))


_DISTANCE = Column(
    "dist", types.DOUBLE, unit="deg", ucd="pos.angDistance", description="Distance from the centre of the cone"
)


def _no_rival(ucd: str | None) -> str | None:
    """A UCD without ;meta.main, which the three words above have taken the place of."""
    return ucd.replace(";meta.main", "") if ucd else ucd


def _apply(function: Function, *arguments: q.Value) -> q.Apply:
    return q.Apply(function, arguments, function.result(arguments))


def refuse(request: Request, site: Site, fault: ServiceError) -> Response:
    """A VOTable with an INFO named Error and status 200, as old clients ask (section 2.3 and erratum 1).

    A person gets a page.
    """
    choice: Choice | None = getattr(request.state, "choice", None)
    if choice is not None and choice.format is HTML:
        return formatted_error(request, fault, HTML)
    body = TABLEDATA.fault(fault, (Info("Error", str(fault)), *identified(request)))
    status = fault.status if fault.status >= 500 else 200
    return Response(body, status_code=status, headers={"Content-Type": MEDIA_TYPE, **error_headers(fault)})


_PARAMS = (
    Param("RA", "real", "Right ascension of the centre, ICRS", "deg", "pos.eq.ra;meta.main", "required"),
    Param("DEC", "real", "Declination of the centre, ICRS", "deg", "pos.eq.dec;meta.main", "required"),
    Param("SR", "real", "Radius; 0 asks for the columns alone", "deg", "phys.angSize", "required"),
    Param("VERB", "integer", "1, 2 or 3: few, the main or all columns"),
    Param("MAXREC", "integer", "Rows at the most"),
    Param("RESPONSEFORMAT", "string", "Format of the answer"),
)


def capabilities(publication: Collection, cone: Cone, site: Site, base: str) -> tuple[Capability, ...]:
    """The cone search capability (SimpleDALRegExt 1.1 section 3.1)."""
    sample = SampleCone(*_sample(site, publication.id, site.rows(publication.table)))
    details = ConeSearch(True, cone.max_sr, site.maxrec_hard or None, sample)
    interface = Interface(
        f"{base}?", use="base", role="std", query_types=("GET",), result_type=MEDIA_TYPE, params=_PARAMS
    )
    return (Capability(STANDARD_ID, (interface,), details),)


@lru_cache(maxsize=256)
def _sample(site: Site, id: str, rows: int | None) -> tuple[float, float, float]:
    """A cone that finds something among as many rows as there are now: the one that the catalogue file gives, or else
    one of its size about the first row."""
    publication = site.catalogue.collection(id)
    cone, table = publication.cone, publication.table
    assert cone is not None
    assert table.position is not None
    places = tuple(table.column(name) for name in (table.position.ra, table.position.dec))
    if not rows or _first(site, cone_query(table, places, *cone.test)):
        return cone.test
    first = _first(site, q.Select(_outputs(table, places), q.Scan("t", table)))
    return (float(first[0]), float(first[1]), cone.test[2] or 0.1)


def _first(site: Site, query: q.Select) -> tuple[Any, ...]:
    """The first row that a query finds, empty where there is none."""
    made = prepared(replace(query, top=1), site.engine, 1)
    batches = site.engine.run(made.statement, made.slots, timeout=site.timeout, brief=made.brief).batches()
    return next((row for batch in batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)), ())

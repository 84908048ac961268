"""SIA 2.0: the images of all collections by what ObsCore says of them.

A search is a query to ivoa.obscore, built here by hand, and walks the same road as one in ADQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.answer import Question
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.images import PRODUCTS
from vo_server.catalogue.obscore import image_collections, obscore
from vo_server.catalogue.similar import similar
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import ServiceError, UsageError
from vo_server.formats import TABLEDATA
from vo_server.http import dali, origin
from vo_server.http.errors import formatted_error
from vo_server.http.responses import stream
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import base_url
from vo_server.obscore.query import (
    DATALINK,
    PICTURES,
    Branch,
    Host,
    Row,
    loaded,
    union,
)
from vo_server.obscore.templates import text
from vo_server.protocols.images import descriptors, parameters

STANDARD_ID = "ivo://ivoa.net/std/SIA#query-2.0"
SOURCE = "images"
"""The name of ivoa.obscore in the query."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """One, where there are image collections."""
    if not image_collections(catalogue):
        return ()
    searched = catalogue.part([obscore()[1]])
    return (replace(SERVICE, catalogue=lambda _: searched),)


async def query(request: Request, site: Site) -> Response:
    """The images for which every parameter that is given holds; of its values one must (section 2.1)."""
    given = await dali.parameters(request)
    choice = dali.format_for(request, given.without("FORMAT"), TABLEDATA)
    host = origin.host_of(site, base_url(request, site.public_url))

    def asked() -> Question:
        made = search(given, loaded(site.catalogue, site.engine.rows), host)
        return Question(
            made,
            site.engine,
            choice.format,
            given.maxrec(site.maxrec, site.maxrec_hard),
            site.timeout,
            title="Images",
            description=obscore()[1].description,
            infos=origin.infos(site, STANDARD_ID, origin.asked(request, site), q.tables(made), {}),
            descriptors=descriptors.links(made.columns, host),
        )

    question = await anyio.to_thread.run_sync(asked)
    return await stream(request, site, question, choice.content_type, f"images.{choice.format.extension}")


def search(given: dali.Parameters, known: Sequence[Collection], host: Host) -> q.Query:
    """What the parameters ask for, of these collections.

    Raises UsageError for a value that is none of its parameter.
    """
    conditions = [
        parameters.either([condition(name, value) for value in values])
        for name, condition in WANTED.items()
        if (values := _values(given, name))
    ]
    named = _values(given, "COLLECTION")
    _check_collections(named, known)
    if named:
        conditions.append(parameters.among(column("obs_collection"), named))
    branches = _branches(known, _values(given, "ID"), _values(given, "FORMAT"), host)
    _, table = obscore()
    outputs = tuple(q.Output(c.name, q.Field(SOURCE, c.name, c)) for c in table.columns)
    where = q.And(tuple(conditions)) if conditions else None
    top = None if branches else 0
    return q.Select(outputs, q.Derived(SOURCE, union(branches or [Branch(known[0])], host, SOURCE)), where, top=top)


def column(name: str) -> q.Field:
    """A column of ObsCore in the query."""
    return q.Field(SOURCE, name, obscore()[1].column(name))


def _values(given: dali.Parameters, name: str) -> list[str]:
    return [value.strip() for value in given.all(name) if value.strip()]


def _check_collections(named: Sequence[str], known: Sequence[Collection]) -> None:
    there = [p.images.collection for p in known if p.images is not None]
    for name in named:
        if name not in there:
            hint = similar(name, there)
            raise UsageError(f"there is no collection {name!r} here; known are {', '.join(there)}", hint=hint)


def _branches(known: Sequence[Collection], ids: Sequence[str], formats: Sequence[str], host: Host) -> list[Branch]:
    """The collections that can have what is asked for: of identifiers, those with their prefix; of media types, those
    whose files, or whose links to them, are of one. Who asks for the type of the files, or for one of pictures, is led
    to these."""
    found = []
    for publication in known:
        assert publication.images is not None
        where = _by_id(publication, ids, host) if ids else None
        if ids and where is None:
            continue
        if not formats or DATALINK in formats:
            found.append(Branch(publication, where))
        for kind in (publication.images.media_type, *PICTURES):
            if kind in formats:
                found.append(Branch(publication, where, kind))
    return found


def _by_id(publication: Collection, ids: Sequence[str], host: Host) -> Callable[[Row], q.Condition] | None:
    names = [name for id in ids if (name := host.image(publication, id)) is not None]
    return (lambda row: parameters.among(row.name, names)) if names else None


# --------------------------------------------------------------- parameters

Condition = Callable[[str, str], q.Condition]


def _place(name: str, said: str) -> q.Condition:
    return parameters.overlapping(column("s_region"), parameters.place(name, said))


def _interval(low: str, high: str, unit: str) -> Condition:
    return lambda name, said: parameters.within(column(low), column(high), parameters.interval(name, said, unit))


def _text(of: str) -> Condition:
    return lambda _, said: parameters.among(column(of), [said])


def _product(name: str, said: str) -> q.Condition:
    if said not in PRODUCTS:
        raise UsageError(f"{name} is {said!r}, which is neither {' nor '.join(PRODUCTS)}")
    return parameters.among(column("dataproduct_type"), [said])


def _level(name: str, said: str) -> q.Condition:
    if said not in ("0", "1", "2", "3", "4"):
        raise UsageError(f"{name} is {said!r}, which is no whole number from 0 to 4")
    level = column("calib_level")
    return q.Compare("=", level, q.Constant(int(said), level.column))


def _polarisation(name: str, said: str) -> q.Condition:
    if said not in parameters.POLARISATIONS:
        raise UsageError(f"{name} is {said!r}, which is none of {', '.join(parameters.POLARISATIONS)}")
    return q.Like(column("pol_states"), text(f"%/{said}/%"))


WANTED: dict[str, Condition] = {
    "POS": _place,
    "BAND": _interval("em_min", "em_max", " in m"),
    "TIME": _interval("t_min", "t_max", " as MJD"),
    "POL": _polarisation,
    "FOV": _interval("s_fov", "s_fov", " in degrees"),
    "SPATRES": _interval("s_resolution", "s_resolution", " in arcsec"),
    "SPECRP": _interval("em_res_power", "em_res_power", ""),
    "EXPTIME": _interval("t_exptime", "t_exptime", " in s"),
    "TIMERES": _interval("t_resolution", "t_resolution", " in s"),
    "FACILITY": _text("facility_name"),
    "INSTRUMENT": _text("instrument_name"),
    "DPTYPE": _product,
    "CALIB": _level,
    "TARGET": _text("target_name"),
}
"""The condition that a value of each parameter is, for its name and the value. COLLECTION, ID and FORMAT say which
inventories are asked, too."""


def refuse(request: Request, site: Site, fault: ServiceError) -> Response:
    """A fault in the form of the format that was asked for (section 3.2)."""
    return formatted_error(request, fault, TABLEDATA)


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """The capability of the search (section 2.3), without parameters and POST, at which pyvo would complain."""
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
    resources=(Resource("/query", query, ("GET", "POST")),),
    refuse=refuse,
    capabilities=capabilities,
    label="Simple Image Access 2",
    of_images=True,
)

"""Descriptors of our services beside rows that they go with (DataLink 1.1 section 4, SODA 1.0 section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vo_server.adql.semantics import query as q
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.result import Descriptor, Input
from vo_server.obscore.query import DATALINK, Host, Row
from vo_server.protocols.images import cutouts

LINKS_ID = "ivo://ivoa.net/std/DataLink#links-1.1"
SYNC_ID = "ivo://ivoa.net/std/SODA#sync-1.0"
ASYNC_ID = "ivo://ivoa.net/std/SODA#async-1.0"

_DID = "obscore:Curation.PublisherDID"
"""The utype of a column of identifiers, whatever a query calls it."""

_IDENTIFIER = Input("ID", "The publisher's identifier of the data set", ucd="meta.ref.url;meta.curation")


@dataclass(frozen=True, slots=True)
class Reach:
    """What an image has, in degrees and metres: the circle about it, its outline, its wavelengths. None for what is not
    known."""

    id: str
    circle: tuple[float, float, float] | None
    outline: Sequence[float]
    low: float | None
    high: float | None


def reaching(row: Row) -> tuple[q.Value, ...]:
    """What `reach` is told of an image: how far across the circle about it is, its outline, its wavelengths."""
    fov = row.filled("sky", "fov") or q.Constant(None, Column("", types.DOUBLE))
    return fov, row.footprint, row.of_band(lambda b: b.low, min), row.of_band(lambda b: b.high, max)


def reach(
    id: str, ra: float, dec: float, fov: float | None, outline: Sequence[float], low: float | None, high: float | None
) -> Reach:
    """What an image has, by its centre and the values of `reaching`."""
    return Reach(id, None if fov is None else (ra, dec, fov / 2), outline, low, high)


def links(columns: Sequence[Column], host: Host) -> tuple[Descriptor, ...]:
    """How the links of the rows are asked for, where a column has identifiers."""
    named = next((c.name for c in columns if c.utype == _DID), None)
    if named is None:
        return ()
    said = "Files, cutouts and documents of the data sets in this table"
    url, inputs = f"{host.base}/datalink/links", (replace(_IDENTIFIER, ref=named),)
    return (Descriptor("datalink-links", "Links", said, url, LINKS_ID, DATALINK, inputs),)


def soda(reach: Reach, host: Host, number: int | None) -> tuple[Descriptor, ...]:
    """How cutouts of an image are asked for.

    Beside the links of several images each has a `number`, and its descriptor takes the identifier from the row: pyvo
    takes the first descriptor for any row.
    """
    mark = "" if number is None else f"-{number}"
    id = replace(_IDENTIFIER, value=reach.id) if number is None else replace(_IDENTIFIER, ref="ID")
    return tuple(
        Descriptor(way.name + mark, way.title, way.said, host.base + way.path, way.standard_id, way.answers, inputs)
        for way in WAYS
        for inputs in ((id, *_cuts(reach), _FORMAT),)
    )


def _cuts(reach: Reach) -> tuple[Input, ...]:
    """The parameters of SODA 1.0 section 3.3, with the ranges of section 4.2."""
    circle = "" if reach.circle is None else " ".join(f"{x:.10g}" for x in reach.circle)
    outline = " ".join(f"{x:.10g}" for x in reach.outline)
    low, high = (None if x is None else f"{x:.6g}" for x in (reach.low, reach.high))
    shape = Input("", "", ucd="pos.outline;obs", datatype="double", unit="deg")
    return (
        Input("POS", "Where: CIRCLE, RANGE or POLYGON and their numbers, degrees in ICRS", ucd="pos.outline;obs"),
        replace(
            shape,
            name="CIRCLE",
            description="A circle that the cutout holds: longitude, latitude, radius",
            arraysize="3",
            xtype="circle",
            high=circle or None,
        ),
        replace(
            shape,
            name="POLYGON",
            description="A polygon that the cutout holds: longitude and latitude of each vertex",
            xtype="polygon",
            high=outline or None,
        ),
        Input(
            "BAND",
            "Wavelengths, the shorter first",
            unit="m",
            ucd="em.wl;stat.interval",
            datatype="double",
            arraysize="2",
            xtype="interval",
            low=low,
            high=high,
        ),
    )


_FORMAT = Input("RESPONSEFORMAT", "Format of the cutout", ucd="meta.code.mime", options=cutouts.FORMATS)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to have cutouts, below the server's URL."""

    name: str
    title: str
    said: str
    path: str
    standard_id: str
    answers: str


WAYS = (
    Way("soda-sync", "Cutout", "A part of the image, at once", "/soda/sync", SYNC_ID, cutouts.FORMATS[0]),
    Way("soda-async", "Cutout job", "Parts of the image, by a job of UWS", "/soda/async", ASYNC_ID, "text/xml"),
)

"""Service descriptors of the links and cutouts of images (DataLink 1.1 section 4, SODA 1.0 section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vo_server.adql.semantics import query as q
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.result import Descriptor, ServiceParameter
from vo_server.obscore.query import DATALINK, ImageUrls, InventoryRow
from vo_server.protocols.images import cutouts

LINKS_ID = "ivo://ivoa.net/std/DataLink#links-1.1"
SYNC_ID = "ivo://ivoa.net/std/SODA#sync-1.0"
ASYNC_ID = "ivo://ivoa.net/std/SODA#async-1.0"

_DID_UTYPE = "obscore:Curation.PublisherDID"
"""The utype of a column of identifiers, under any name."""

_ID_INPUT = ServiceParameter("ID", "The publisher's identifier of the data set", ucd="meta.ref.url;meta.curation")


@dataclass(frozen=True, slots=True)
class ImageExtent:
    """The extent of an image: the circle around it and its outline in degrees, its wavelengths in metres; None where
    unknown."""

    id: str
    circle: tuple[float, float, float] | None
    outline: Sequence[float]
    low: float | None
    high: float | None


def extent_columns(row: InventoryRow) -> tuple[q.Value, ...]:
    """Return the columns of an inventory for `build_extent`: diameter of the circle, outline, shortest and longest
    wavelength."""
    fov = row.find_column("sky", "fov") or q.Constant(None, Column("", types.DOUBLE))
    return fov, row.footprint, row.band_value(lambda b: b.low, min), row.band_value(lambda b: b.high, max)


def build_extent(
    id: str, ra: float, dec: float, fov: float | None, outline: Sequence[float], low: float | None, high: float | None
) -> ImageExtent:
    """Return the extent of an image by its centre and the values of `extent_columns`."""
    return ImageExtent(id, None if fov is None else (ra, dec, fov / 2), outline, low, high)


def describe_links(columns: Sequence[Column], host: ImageUrls) -> tuple[Descriptor, ...]:
    """Return the descriptor of the links of rows, where a column holds identifiers."""
    id_column = next((c.name for c in columns if c.utype == _DID_UTYPE), None)
    if id_column is None:
        return ()
    description = "Files, cutouts and documents of the data sets in this table"
    url, inputs = host.site.get_url("datalink", "/links"), (replace(_ID_INPUT, ref=id_column),)
    return (Descriptor("datalink-links", "Links", description, url, LINKS_ID, DATALINK, inputs),)


def describe_soda(extent: ImageExtent, host: ImageUrls, number: int | None) -> tuple[Descriptor, ...]:
    """Return the descriptors of cutouts of an image.

    Among the links of several images each has a `number`, and its descriptor takes the identifier from the row: pyvo
    uses the first descriptor for any row.
    """
    suffix = "" if number is None else f"-{number}"
    id = replace(_ID_INPUT, value=extent.id) if number is None else replace(_ID_INPUT, ref="ID")
    return tuple(
        Descriptor(
            mode.name + suffix,
            mode.title,
            mode.description,
            host.site.get_url("soda", mode.path),
            mode.standard_id,
            mode.result_type,
            inputs,
        )
        for mode in SODA_MODES
        for inputs in ((id, *_soda_inputs(extent), _FORMAT_INPUT),)
    )


def _soda_inputs(extent: ImageExtent) -> tuple[ServiceParameter, ...]:
    """Return the parameters of SODA 1.0 section 3.3, with the ranges of section 4.2."""
    circle = "" if extent.circle is None else " ".join(f"{x:.10g}" for x in extent.circle)
    outline = " ".join(f"{x:.10g}" for x in extent.outline)
    low, high = (None if x is None else f"{x:.6g}" for x in (extent.low, extent.high))
    shape = ServiceParameter("", "", ucd="pos.outline;obs", datatype="double", unit="deg")
    return (
        ServiceParameter(
            "POS", "Region: CIRCLE, RANGE or POLYGON and their numbers, degrees in ICRS", ucd="pos.outline;obs"
        ),
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
        ServiceParameter(
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


_FORMAT_INPUT = ServiceParameter(
    "RESPONSEFORMAT", "Format of the cutout", ucd="meta.code.mime", options=cutouts.FORMATS
)


@dataclass(frozen=True, slots=True)
class SodaMode:
    """A mode of the cutout service: its path below the service's and the media type of its responses."""

    name: str
    title: str
    description: str
    path: str
    standard_id: str
    result_type: str


SODA_MODES = (
    SodaMode("soda-sync", "Cutout", "A part of the image, at once", "/sync", SYNC_ID, cutouts.FORMATS[0]),
    SodaMode("soda-async", "Cutout job", "Parts of the image, by a job of UWS", "/async", ASYNC_ID, "text/xml"),
)

"""SIA 1.0 in cutout mode, at /sia1/cutout: images of exactly the requested size about the requested position.

Each image that matches the region is offered as a cutout, which is produced when its URL is requested. Nothing is
resampled: scale and rotation are the image's own, and the parameters of resampling (CFRAME, CRPIX, CRVAL, CDELT,
ROTANG, PROJ, EQUINOX) have no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
from astropy.io.fits import Header
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.obscore import get_image_collections
from vo_server.documents.capability import Capability, ImageAccess, Interface, Param
from vo_server.errors import Code, ImageError, NoPixelsError, UsageError
from vo_server.formats import TABLEDATA
from vo_server.http import dali, origin
from vo_server.http.responses import document_response, run_in_slot
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.images.sky import ImageWcs
from vo_server.images.window import centre_window
from vo_server.model.column import Column
from vo_server.model.result import Result, ServiceParameter
from vo_server.obscore.query import PICTURES, ImageUrls, InventoryRow, loaded_collections
from vo_server.protocols.images import cutouts, sia1, soda
from vo_server.protocols.images.files import fetch_images
from vo_server.protocols.images.filters import ImageFilters
from vo_server.protocols.images.sia1_columns import image_row, load_table

PATH = "/sia1/cutout"

MAX_SIDE_PIXELS = 4096
"""Pixels of a side of a cutout, at most."""

DEFAULT_SIDE_DEGREES = 1 / 12
"""The side of a cutout where SIZE is 0."""

MAX_CUTOUTS = 1_000
"""Cutouts of a response, at most."""

_WCS_KEYWORDS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CROTA2", "NAXIS1", "NAXIS2")
_FITS = cutouts.FORMATS[0]
_MEDIA_TYPES = (_FITS, *PICTURES)


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service, where there are collections of two-dimensional images."""
    return (SERVICE,) if _select_collections(get_image_collections(catalogue)) else ()


def _select_collections(collections: Sequence[Collection]) -> list[Collection]:
    return [
        collection
        for collection in collections
        if collection.images is not None and collection.images.product == "image"
    ]


async def search(request: Request, site: Site) -> Response:
    """Return the cutouts of a region, of each collection those of the nearest images first (section 4.1)."""
    params = await dali.read_parameters(request)
    choice = dali.choose_format(request, params.drop("FORMAT"), TABLEDATA)
    requested = params.get("RESPONSEFORMAT")
    media_type = choice.content_type if requested or choice.format is not TABLEDATA else sia1.MEDIA_TYPE
    host = origin.make_image_urls(site, get_base_url(request, site.public_url))
    formats = sia1.parse_formats(params)
    columns = _select_columns(params)
    maxrec = params.get_maxrec(MAX_CUTOUTS, MAX_CUTOUTS)

    def create_document() -> bytes:
        metadata = "METADATA" in formats
        collections = (
            [] if metadata else _select_collections(loaded_collections(site.catalogue, site.engine.count_rows))
        )
        media_types = [kind for kind in _MEDIA_TYPES if {"ALL", kind} & set(formats)]
        rows = [row for p in collections for row in _build_rows(p, params, media_types, site, host)]
        infos = origin.describe_response(
            site, sia1.STANDARD_ID, origin.describe_request(request, site), tuple(p.table for p in collections), {}
        )
        arrays = [pa.array([row[c.name] for row in rows], c.type.arrow) for c in columns]
        batches = iter([pa.record_batch(arrays, names=[c.name for c in columns])])
        inputs = _describe_inputs() if metadata else ()
        result = Result(columns, batches, "Cutouts", "Parts of images about a position", infos, inputs)
        return b"".join(choice.format.write(result if metadata else result.limit(maxrec)))

    return document_response(request, await run_in_slot(request, site, create_document), media_type)


def _select_columns(params: dali.Parameters) -> tuple[Column, ...]:
    """Return the columns of the standard; with VERB 0 the required ones.

    Raises UsageError for an invalid VERB.
    """
    verb = params.get("VERB") or "2"
    if verb not in ("0", "1", "2", "3"):
        raise UsageError(f"VERB must be 0, 1, 2 or 3, not {verb!r}", code=Code.REQUEST_BAD_PARAMETER)
    return tuple(c for c in load_table().columns if verb != "0" or c.principal)


def _build_rows(
    collection: Collection, params: dali.Parameters, media_types: Sequence[str], site: Site, host: ImageUrls
) -> Iterator[dict[str, Any]]:
    """Yield the cutouts of a collection, a row for each image and each format."""
    naxis = _parse_naxis(params)
    pos_size = sia1.parse_pos_size(params if naxis is None else params.with_default("SIZE", "0"), required=True)
    assert pos_size is not None
    (ra, dec), region = pos_size
    row, filters = InventoryRow(collection, sia1.INVENTORY_ALIAS), ImageFilters(collection)
    conditions = (*filters.build_conditions(params, row), sia1.build_region_condition(params, row, (ra, dec), region))
    if not filters.has_dataset(params):
        return
    image_values = image_row(row, host)
    keywords = {name: field for name in _WCS_KEYWORDS if (field := row.find_column("header", name)) is not None}
    outputs = (row.name, *image_values.values(), *keywords.values())
    sort_keys = (q.SortKey(sia1.build_distance(row, (ra, dec))),)
    for name, *numbers in fetch_images(site, row, outputs, q.Conjunction(conditions), MAX_CUTOUTS + 1, sort_keys):
        row_values = dict(zip((*image_values, *keywords), numbers, strict=True))
        size = naxis or _compute_naxis(params, row_values["scale"])
        if size is None or not _place_cutout(row_values, row, (ra, dec), size):
            continue
        for kind in media_types:
            format = {} if kind == _FITS else {"RESPONSEFORMAT": kind}
            url = {
                "ID": host.identifier_prefix(collection) + name,
                "POS": f"{ra!r},{dec!r}",
                "NAXIS": f"{size[0]},{size[1]}",
            }
            cutout_values = row_values | {
                "download": host.site.get_url("sia1-cutout", f"/image?{urlencode(url | format)}"),
                "format": kind,
            }
            yield cutout_values if kind == _FITS else cutout_values | _PICTURE_VALUES


_PICTURE_VALUES = {"pixflags": "FV"} | dict.fromkeys(("crpix", "crval", "cd"))
"""The values of a picture, which may be turned, that differ from those of the file."""


def _parse_naxis(params: dali.Parameters) -> tuple[int, int] | None:
    """Return the columns and rows of NAXIS, which may be one number for both; None without NAXIS.

    Raises UsageError for an invalid number, and for more than a cutout may have.
    """
    value = params.get("NAXIS")
    if value is None:
        return None
    words = [word.strip() for word in value.split(",")]
    if len(words) > 2 or not all(w.isascii() and w.isdecimal() and len(w) < 9 and int(w) for w in words):
        message = f"NAXIS must be one or two numbers of pixels, not {value[:80]!r}"
        raise UsageError(message, hint="such as 300,200", code=Code.REQUEST_BAD_PARAMETER)
    return _check_sides(int(words[0]), int(words[-1]), f"NAXIS is {value}")


def _compute_naxis(params: dali.Parameters, scale: Sequence[float] | None) -> tuple[int, int] | None:
    """Return the columns and rows of SIZE at a scale in degrees per pixel; None where the scale is unknown.

    Raises UsageError for more than a cutout may have.
    """
    if scale is None or None in scale:
        return None
    size = [float(word) for word in (params.get("SIZE") or "").split(",")]
    wide, high = (
        round((degrees or DEFAULT_SIDE_DEGREES) / abs(step))
        for degrees, step in zip((size * 2)[:2], scale, strict=True)
    )
    return _check_sides(max(wide, 1), max(high, 1), f"SIZE is {params.get('SIZE')} degrees")


def _check_sides(wide: int, high: int, request: str) -> tuple[int, int]:
    if max(wide, high) > MAX_SIDE_PIXELS:
        message = f"{request}; a side of a cutout has at most {MAX_SIDE_PIXELS:,} pixels"
        raise UsageError(message, code=Code.IMAGE_TOO_LARGE)
    return wide, high


def _place_cutout(
    row_values: dict[str, Any], row: InventoryRow, centre: tuple[float, float], size: tuple[int, int]
) -> bool:
    """Set the values of a cutout that differ from those of the image; return False for an empty cutout."""
    row_values |= {"naxis": list(size), "center_ra": centre[0], "center_dec": centre[1], "filesize": None}
    sky = _build_wcs(row_values, row)
    if sky is None:
        row_values |= dict.fromkeys(("crpix", "crval", "cd"))
        return True
    try:
        window = centre_window(sky, *centre, *size)
        window.clip(row_values["NAXIS2"], row_values["NAXIS1"])
    except NoPixelsError:
        return False
    left, bottom = window.columns[0], window.rows[0]
    (ra,), (dec,) = sky.to_positions(left + (size[0] - 1) / 2, bottom + (size[1] - 1) / 2)
    crpix = [row_values["CRPIX1"] - left, row_values["CRPIX2"] - bottom]
    row_values |= {"crpix": crpix, "center_ra": float(ra), "center_dec": float(dec)}
    return True


def _build_wcs(row_values: dict[str, Any], row: InventoryRow) -> ImageWcs | None:
    """Return the WCS of an image from the keywords in the inventory; None where it lacks them."""
    keywords = {name: row_values.get(name) for name in _WCS_KEYWORDS}
    keywords["CROTA2"] = keywords["CROTA2"] or 0.0
    if row.images.projection is None or None in keywords.values():
        return None
    axes = {f"CTYPE{n}": f"{axis:-<5}{row.images.projection}" for n, axis in ((1, "RA"), (2, "DEC"))}
    try:
        return ImageWcs(Header(keywords | axes))
    except ImageError:
        return None


async def get_cutout(request: Request, site: Site) -> Response:
    """Return a cutout of the image of an ID, NAXIS pixels about POS."""
    params = await dali.read_parameters(request)
    output_format = cutouts.parse_format(params)
    id, size = params.get("ID"), _parse_naxis(params)
    if id is None or size is None:
        raise UsageError(
            "ID, POS and NAXIS are required",
            hint=f"as in the URLs in the responses of {PATH}",
            code=Code.REQUEST_MISSING_PARAMETER,
        )
    pos_size = sia1.parse_pos_size(params.with_default("SIZE", "0"), required=True)
    assert pos_size is not None
    host = origin.make_image_urls(site, get_base_url(request, site.public_url))
    return await soda.run_cutout(
        partial(cutouts.cut_to_size, id, pos_size[0], size, output_format, site, host), request, site
    )


# -------------------------------------------------------------- description


def _describe_inputs() -> tuple[ServiceParameter, ...]:
    """Return the parameters for FORMAT=METADATA (section 7.1)."""
    formats = ("ALL", "GRAPHIC", "GRAPHIC-ALL", "METADATA", *_MEDIA_TYPES)
    return (
        ServiceParameter("INPUT:POS", "Right ascension and declination of the centre, ICRS", unit="deg", ucd="pos.eq"),
        ServiceParameter("INPUT:SIZE", "Width and, after a comma, height of the cutouts", value="0.1", unit="deg"),
        ServiceParameter("INPUT:FORMAT", "Media types of the cutouts", value="ALL", options=formats),
        ServiceParameter("INPUT:NAXIS", "Columns and, after a comma, rows of the cutouts, instead of SIZE", unit="pix"),
        ServiceParameter("INPUT:INTERSECT", "Relation between image and region", value="OVERLAPS", options=sia1.MODES),
        ServiceParameter("INPUT:VERB", "How many columns", value="2", options=("0", "1", "2", "3")),
        ServiceParameter("INPUT:DS", "Collection of the images"),
    )


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """Return the image access capability (SimpleDALRegExt 1.1 section 3.2)."""
    params = (
        Param("POS", "string", "Centre, ICRS: 266.4,-29.0", "deg", "pos.eq", "required"),
        Param("SIZE", "string", "Width and height of the cutouts: 0.1 or 0.1,0.2", "deg", "phys.angSize", "required"),
        Param("FORMAT", "string", "ALL, GRAPHIC, METADATA or media types"),
        Param("NAXIS", "string", "Columns and rows of the cutouts: 300 or 300,200"),
        Param("INTERSECT", "string", "COVERS, ENCLOSED, CENTER or OVERLAPS"),
        Param("VERB", "integer", "0 for the required columns, else all"),
        Param("MAXREC", "integer", "Maximum number of rows"),
        Param("RESPONSEFORMAT", "string", "Format of the response"),
        Param("ds", "string", "Collection of the images", std=False),
    )
    region = sia1.MAX_SIDE_DEGREES, sia1.MAX_SIDE_DEGREES
    sample = next(
        filter(
            None,
            (sia1.find_sample_position(p, site) for p in _select_collections(get_image_collections(site.catalogue))),
        ),
        None,
    )
    details = ImageAccess("Cutout", region, MAX_CUTOUTS, sample, max_size=MAX_SIDE_PIXELS)
    interface = Interface(
        f"{base}?", use="base", role="std", query_types=("GET",), result_type=sia1.MEDIA_TYPE, params=params
    )
    return (Capability(sia1.STANDARD_ID, (interface,), details),)


SERVICE = Service(
    name="sia1-cutout",
    path=PATH,
    resources=(
        Resource("", search, ("GET", "POST")),
        Resource("/image", get_cutout, ("GET", "POST"), soda.render_error),
    ),
    error_renderer=sia1.render_error,
    capabilities=capabilities,
    label="Simple Image Access, cutouts",
    of_images=True,
)

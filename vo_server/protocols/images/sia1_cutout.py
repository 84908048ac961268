"""SIA 1.0 in cutout mode, at /sia1/cutout: images of just the size that is asked for about the place that is asked for.

Each image that goes with the region is offered as a cutout, which is made when its URL is asked for. No pixel is moved:
scale and direction are the image's own, and parameters that would have it resampled (CFRAME, CRPIX, CRVAL, CDELT,
ROTANG, PROJ, EQUINOX) say nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

import anyio
import pyarrow as pa
from astropy.io.fits import Header
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.obscore import image_collections
from vo_server.documents.capability import Capability, ImageAccess, Interface, Param
from vo_server.errors import ImageError, NoPixelsError, UsageError
from vo_server.formats import TABLEDATA
from vo_server.http import dali, origin
from vo_server.http.responses import document
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import base_url, client_address
from vo_server.images.sky import Sky
from vo_server.images.window import about
from vo_server.model.column import Column
from vo_server.model.result import Input, Result
from vo_server.obscore.query import PICTURES, Host, Row, loaded
from vo_server.protocols.images import cutouts, sia1, soda
from vo_server.protocols.images.files import looked_up
from vo_server.protocols.images.filters import Filters
from vo_server.protocols.images.sia1_columns import table, values

PATH = "/sia1/cutout"

SIDE = 4096
"""Pixels that a side of a cutout may have."""

USUAL = 1 / 12
"""Degrees of a side where SIZE is 0."""

MOST = 1_000
"""Cutouts that are offered at once."""

_WCS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CROTA2", "NAXIS1", "NAXIS2")
_FITS = cutouts.FORMATS[0]
_OFFERED = (_FITS, *PICTURES)


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """One, where there are collections of images of two dimensions."""
    return (SERVICE,) if _cut(image_collections(catalogue)) else ()


def _cut(publications: Sequence[Collection]) -> list[Collection]:
    return [p for p in publications if p.images is not None and p.images.product == "image"]


async def search(request: Request, site: Site) -> Response:
    """The cutouts of a place, of each collection those of the nearest images first (section 4.1)."""
    given = await dali.parameters(request)
    choice = dali.format_for(request, given.without("FORMAT"), TABLEDATA)
    named = given.one("RESPONSEFORMAT")
    media_type = choice.content_type if named or choice.format is not TABLEDATA else sia1.MEDIA_TYPE
    host = origin.host_of(site, base_url(request, site.public_url))
    formats = sia1.formats_of(given)
    columns = _columns(given)
    maxrec = given.maxrec(MOST, MOST)

    def made() -> bytes:
        metadata = "METADATA" in formats
        known = [] if metadata else _cut(loaded(site.catalogue, site.engine.rows))
        wanted = [kind for kind in _OFFERED if {"ALL", kind} & set(formats)]
        rows = [row for p in known for row in _rows(p, given, wanted, site, host)]
        infos = origin.infos(site, sia1.STANDARD_ID, origin.asked(request, site), tuple(p.table for p in known), {})
        arrays = [pa.array([row[c.name] for row in rows], c.type.arrow) for c in columns]
        batches = iter([pa.record_batch(arrays, names=[c.name for c in columns])])
        inputs = _inputs() if metadata else ()
        result = Result(columns, batches, "Cutouts", "Parts of images about a place", infos, inputs)
        return b"".join(choice.format.write(result if metadata else result.limited(maxrec)))

    turn = await site.admission.turn(client_address(request), light=True)
    try:
        return document(request, await anyio.to_thread.run_sync(made), media_type)
    finally:
        turn.end()


def _columns(given: dali.Parameters) -> tuple[Column, ...]:
    """Those of the standard; with VERB 0 those that must be there."""
    verb = given.one("VERB") or "2"
    if verb not in ("0", "1", "2", "3"):
        raise UsageError(f"VERB is {verb!r}, which is not 0, 1, 2 or 3")
    return tuple(c for c in table().columns if verb != "0" or c.principal)


def _rows(
    publication: Collection, given: dali.Parameters, wanted: Sequence[str], site: Site, host: Host
) -> Iterator[dict[str, Any]]:
    """The cutouts of a collection, a row for each image and each format."""
    naxis = _naxis(given)
    placed = sia1.placed(given if naxis is None else given.with_default("SIZE", "0"), needed=True)
    assert placed is not None
    (ra, dec), region = placed
    row, filters = Row(publication, sia1.SOURCE), Filters(publication)
    conditions = (*filters.conditions(given, row), sia1.met(given, row, (ra, dec), region))
    if not filters.has_dataset(given):
        return
    told = values(row, host)
    keywords = {name: field for name in _WCS if (field := row.filled("header", name)) is not None}
    asked = (row.name, *told.values(), *keywords.values())
    near = (q.Order(sia1.distance(row, (ra, dec))),)
    for name, *numbers in looked_up(site, row, asked, q.And(conditions), MOST + 1, near):
        said = dict(zip((*told, *keywords), numbers, strict=True))
        size = naxis or _pixels(given, said["scale"])
        if size is None or not _place(said, row, (ra, dec), size):
            continue
        for kind in wanted:
            format = {} if kind == _FITS else {"RESPONSEFORMAT": kind}
            url = {"ID": host.prefix(publication) + name, "POS": f"{ra!r},{dec!r}", "NAXIS": f"{size[0]},{size[1]}"}
            made = said | {"download": f"{host.base}{PATH}/image?{urlencode(url | format)}", "format": kind}
            yield made if kind == _FITS else made | _PICTURED


_PICTURED = {"pixflags": "FV"} | dict.fromkeys(("crpix", "crval", "cd"))
"""What a picture, which may be turned, says otherwise."""


def _naxis(given: dali.Parameters) -> tuple[int, int] | None:
    """NAXIS: columns and rows, or one number for both.

    Raises UsageError where it is neither, or more than a cutout may have.
    """
    said = given.one("NAXIS")
    if said is None:
        return None
    words = [word.strip() for word in said.split(",")]
    if len(words) > 2 or not all(w.isascii() and w.isdecimal() and len(w) < 9 and int(w) for w in words):
        raise UsageError(f"NAXIS is {said[:80]!r}, which is not one or two numbers of pixels", hint="such as 300,200")
    return _bounded(int(words[0]), int(words[-1]), f"NAXIS is {said}")


def _pixels(given: dali.Parameters, scale: Sequence[float] | None) -> tuple[int, int] | None:
    """The columns and rows that SIZE has at a scale in degrees; None where that is not known."""
    if scale is None or None in scale:
        return None
    size = [float(word) for word in (given.one("SIZE") or "").split(",")]
    wide, high = (round((degrees or USUAL) / abs(step)) for degrees, step in zip((size * 2)[:2], scale, strict=True))
    return _bounded(max(wide, 1), max(high, 1), f"SIZE is {given.one('SIZE')} degrees")


def _bounded(wide: int, high: int, said: str) -> tuple[int, int]:
    if max(wide, high) > SIDE:
        raise UsageError(f"{said}, where the sides of a cutout have {SIDE:,} pixels at most")
    return wide, high


def _place(said: dict[str, Any], row: Row, centre: tuple[float, float], size: tuple[int, int]) -> bool:
    """Tell of a cutout what differs from the image; False where the image has nothing of it."""
    said |= {"naxis": list(size), "center_ra": centre[0], "center_dec": centre[1], "filesize": None}
    sky = _sky(said, row)
    if sky is None:
        said |= dict.fromkeys(("crpix", "crval", "cd"))
        return True
    try:
        found = about(sky, *centre, *size)
        found.within(said["NAXIS2"], said["NAXIS1"])
    except NoPixelsError:
        return False
    left, bottom = found.columns[0], found.rows[0]
    (ra,), (dec,) = sky.positions(left + (size[0] - 1) / 2, bottom + (size[1] - 1) / 2)
    crpix = [said["CRPIX1"] - left, said["CRPIX2"] - bottom]
    said |= {"crpix": crpix, "center_ra": float(ra), "center_dec": float(dec)}
    return True


def _sky(said: dict[str, Any], row: Row) -> Sky | None:
    """Where the pixels of an image lie, by the keywords that the inventory keeps; None where it does not keep them."""
    known = {name: said.get(name) for name in _WCS}
    known["CROTA2"] = known["CROTA2"] or 0.0
    if row.images.projection is None or None in known.values():
        return None
    axes = {f"CTYPE{n}": f"{axis:-<5}{row.images.projection}" for n, axis in ((1, "RA"), (2, "DEC"))}
    try:
        return Sky(Header(known | axes))
    except ImageError:
        return None


async def image(request: Request, site: Site) -> Response:
    """A cutout: the image of an ID, NAXIS pixels about POS."""
    given = await dali.parameters(request)
    form = cutouts.form(given)
    id, size = given.one("ID"), _naxis(given)
    if id is None or size is None:
        raise UsageError("ID, POS and NAXIS must be given", hint=f"as the URLs that {PATH} answers have them")
    placed = sia1.placed(given.with_default("SIZE", "0"), needed=True)
    assert placed is not None
    host = origin.host_of(site, base_url(request, site.public_url))
    return await soda.answered(partial(cutouts.exact, id, placed[0], size, form, site, host), request, site)


# -------------------------------------------------------------- description


def _inputs() -> tuple[Input, ...]:
    """The parameters, as FORMAT=METADATA tells them (section 7.1)."""
    formats = ("ALL", "GRAPHIC", "GRAPHIC-ALL", "METADATA", *_OFFERED)
    return (
        Input("INPUT:POS", "Right ascension and declination of the centre, ICRS", unit="deg", ucd="pos.eq"),
        Input("INPUT:SIZE", "Width and, after a comma, height of the cutouts", value="0.1", unit="deg"),
        Input("INPUT:FORMAT", "Media types of the cutouts", value="ALL", options=formats),
        Input("INPUT:NAXIS", "Columns and, after a comma, rows of the cutouts, in the place of SIZE", unit="pix"),
        Input("INPUT:INTERSECT", "How images go with the region", value="OVERLAPS", options=sia1.MODES),
        Input("INPUT:VERB", "How many columns", value="2", options=("0", "1", "2", "3")),
        Input("INPUT:DS", "Collection of which they are cut"),
    )


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """The image access capability (SimpleDALRegExt 1.1 section 3.2)."""
    params = (
        Param("POS", "string", "Centre, ICRS: 266.4,-29.0", "deg", "pos.eq", "required"),
        Param("SIZE", "string", "Width and height of the cutouts: 0.1 or 0.1,0.2", "deg", "phys.angSize", "required"),
        Param("FORMAT", "string", "ALL, GRAPHIC, METADATA or media types"),
        Param("NAXIS", "string", "Columns and rows of the cutouts: 300 or 300,200"),
        Param("INTERSECT", "string", "COVERS, ENCLOSED, CENTER or OVERLAPS"),
        Param("VERB", "integer", "0 to 3: how many columns"),
        Param("MAXREC", "integer", "Rows at the most"),
        Param("RESPONSEFORMAT", "string", "Format of the answer"),
        Param("ds", "string", "Collection of which they are cut", std=False),
    )
    region = sia1.LARGEST, sia1.LARGEST
    sample = next(filter(None, (sia1.sample(p, site) for p in _cut(image_collections(site.catalogue)))), None)
    details = ImageAccess("Cutout", region, MOST, sample, max_size=SIDE)
    interface = Interface(
        f"{base}?", use="base", role="std", query_types=("GET",), result_type=sia1.MEDIA_TYPE, params=params
    )
    return (Capability(sia1.STANDARD_ID, (interface,), details),)


SERVICE = Service(
    name="sia1-cutout",
    path=PATH,
    resources=(
        Resource("", search, ("GET", "POST")),
        Resource("/image", image, ("GET", "POST"), soda.refuse),
    ),
    refuse=sia1.refuse,
    capabilities=capabilities,
    label="Simple Image Access, cutouts",
    of_images=True,
)

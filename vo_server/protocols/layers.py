"""Which files a picture is made of, by the inventory alone: of one image, or of the images of a place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vo_server.adql import query as q
from vo_server.adql.functions import CONTAINS, INTERSECTS, Function
from vo_server.adql.imagery import Row, loaded
from vo_server.adql.values import constant
from vo_server.catalogue.catalogue import Publication
from vo_server.catalogue.images import Images
from vo_server.errors import NotFoundFault, UsageFault
from vo_server.images import files
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.protocols import wants
from vo_server.protocols.filters import Filters
from vo_server.protocols.images import collection, looked_up, together
from vo_server.protocols.service import Site
from vo_server.protocols.sia1 import distance, point
from vo_server.sky import regions
from vo_server.sky.shapes import Shape

COLOURS = 3
"""Bands that a picture in colour is made of."""

_MOST = 64
"""Images of a place that are looked at for a picture."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Files and the number of a plane in each, from 0: one for a picture in grey, three for one in colour, that of the
    longest wavelengths last. `name` is for people."""

    name: str
    files: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Image:
    """A row of an inventory; `band` is None where it has all of them."""

    name: str
    path: str
    band: str | None
    ra: float
    dec: float
    observation: str


def colour(images: Images) -> str | None:
    """What a picture in all bands is asked for by, as JHK; None for a collection that does not have three."""
    return "".join(b.name for b in images.bands) if len(images.bands) == COLOURS else None


def of_image(said: str, band: str | None, site: Site) -> Layers:
    """Those of an image, COLLECTION/NAME, alone or as an identifier ends with it. Without a band they are its own.

    Raises NotFoundFault where it is not there, or not in this band; UsageFault where there is no such band.
    """
    id, _, name = said.partition("~?")[2].partition("/") if "~?" in said else said.partition("/")
    publication = collection(id, site)
    wanted = _wanted(publication, band)
    row = Row(publication, "image")
    found = _images(site, row, wants.among(row.name, [name]))
    if not found:
        raise NotFoundFault(f"there is no image {name!r} in {id}")
    return _layers(publication, found[0], wanted or _own(row.images, found[0]), site)


def of_place(centre: tuple[float, float], region: Shape, id: str | None, band: str | None, site: Site) -> Layers:
    """Those of the image whose centre is nearest to that of a region: of those that show it, else of those that show
    some of the region. Without a collection it is the first that has one; without a band all are taken, or else what
    there is.

    Raises NotFoundFault where there is none, UsageFault where there is no such band.
    """
    publications = [collection(id, site)] if id else loaded(site.catalogue, site.engine.rows)
    for publication in publications:
        wanted = _wanted(publication, band)
        for image in _nearest(publication, centre, region, site):
            try:
                return _of(publication, image, wanted, site)
            except NotFoundFault:  # it is not there in this band; another may be
                continue
    raise NotFoundFault(f"there is no image of this place{f' in {band}' if band else ''}")


def _of(publication: Publication, image: _Image, wanted: Sequence[str], site: Site) -> Layers:
    if wanted:
        return _layers(publication, image, wanted, site)
    images = Row(publication, "image").images
    try:
        return _layers(publication, image, _every(images), site)
    except NotFoundFault:
        return _layers(publication, image, _own(images, image), site)


def _nearest(publication: Publication, centre: tuple[float, float], region: Shape, site: Site) -> Iterator[_Image]:
    row = Row(publication, "image")
    here = point(constant(centre[0]), constant(centre[1]))
    there = q.Constant(regions.worded_all([region]), Column("", types.REGION))
    order = (q.Order(distance(row, centre)),)
    yield from _images(site, row, _holds(CONTAINS, here, row.footprint), order)
    if region[0] != "point":
        yield from _images(site, row, _holds(INTERSECTS, row.footprint, there), order)


def _holds(function: Function, a: q.Value, b: q.Value) -> q.Condition:
    return q.Holds(q.Apply(function, (a, b), function.result(())))


def _images(site: Site, row: Row, where: q.Condition, order: tuple[q.Order, ...] = ()) -> list[_Image]:
    path = row.filled("file", "path")
    assert path is not None  # no collection without it
    band = row.field(row.images.band) if row.images.band else q.Constant(None, Column("", types.VARCHAR))
    values = (row.name, path, band, *row.position, row.observation)
    return [_Image(*found) for found in looked_up(site, row, values, where, _MOST, order)]


def _wanted(publication: Publication, said: str | None) -> list[str]:
    """The names of the bands that are asked for, one or three; none where nothing is."""
    images = publication.images
    assert images is not None
    if said is None:
        return []
    every = colour(images)
    if every is not None and said.upper() == every.upper():
        return [b.name for b in images.bands]
    try:
        return [Filters(publication).band(said)]
    except UsageFault as fault:
        more = f", and {every} for colour" if every else ""
        raise UsageFault(fault.message, hint=f"{fault.hint}{more}") from None


def _own(images: Images, image: _Image) -> list[str]:
    """The bands of an image: its own, or all where it has all."""
    return _every(images) if image.band is None else [image.band]


def _every(images: Images) -> list[str]:
    """All bands, where they make a picture in colour, or else the first."""
    return [b.name for b in images.bands][: COLOURS if colour(images) else 1]


def _layers(publication: Publication, image: _Image, wanted: Sequence[str], site: Site) -> Layers:
    """Those of an image and, for other bands than its own, of those of the same observation. An image of all bands has
    them in its first planes, in the order of the catalogue file."""
    row = Row(publication, "image")
    order = [b.name for b in row.images.bands]
    if image.band is None:
        return Layers(image.name, tuple((_where(publication, image, site), order.index(name)) for name in wanted))
    by_band = {image.band: image}
    if set(wanted) - set(by_band):
        mates = _images(site, row, together(row, image.ra, image.dec, image.observation))
        by_band = {mate.band: mate for mate in mates if mate.band is not None} | by_band
    missing = [name for name in wanted if name not in by_band]
    if missing:
        raise NotFoundFault(f"there is no image in {', '.join(missing)} that goes with {image.name}")
    named = image.name if wanted == [image.band] else f"{image.observation}_{''.join(wanted)}"
    return Layers(named, tuple((_where(publication, by_band[name], site), 0) for name in wanted))


def _where(publication: Publication, image: _Image, site: Site) -> str:
    return files.below(site.roots[publication.id], image.path)

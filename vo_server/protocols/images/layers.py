"""The files and planes of a picture, by the inventory: of one image, or of the images of a region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import CONTAINS
from vo_server.adql.semantics.values import to_constant
from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.images import ImageCollection
from vo_server.errors import Code, NotFoundError, UsageError
from vo_server.http.service import Site
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.query import InventoryRow, loaded_collections
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import fetch_images, find_collection, match_observation
from vo_server.protocols.images.filters import ImageFilters
from vo_server.protocols.images.sia1 import build_distance, build_point
from vo_server.sky.shapes import Shape
from vo_server.storage import files

COLOUR_BANDS = 3
"""Bands of a picture in colour."""

MAX_TILES = 12
"""Images in one band that a picture may be combined from."""

_MAX_CANDIDATES = 64
"""Images at a position that are considered for a picture of one of them."""


PlaneFile = tuple[str, int]
"""The location of a file and the number of one of its planes, from 0."""


@dataclass(frozen=True, slots=True)
class PictureLayers:
    """The planes of a picture: one for grey, three for colour, that of the longest wavelengths last.

    Each plane has one file, or several that cover a region together. `name` is a label for users.
    """

    name: str
    planes: tuple[tuple[PlaneFile, ...], ...]

    @property
    def files(self) -> tuple[PlaneFile, ...]:
        """The files of all planes."""
        return tuple(file for plane in self.planes for file in plane)


@dataclass(frozen=True, slots=True)
class _InventoryImage:
    """A row of an inventory; `band` is None for an image of all bands."""

    name: str
    path: str
    band: str | None
    ra: float
    dec: float
    observation: str


def name_all_bands(images: ImageCollection) -> str | None:
    """Return the BAND of a picture in colour, such as JHK; None for a collection that does not have three bands."""
    return "".join(b.name for b in images.bands) if len(images.bands) == COLOUR_BANDS else None


def find_image_layers(reference: str, band: str | None, site: Site) -> PictureLayers:
    """Return the layers of an image, COLLECTION/NAME or an identifier that ends with it; without a band its own.

    Raises NotFoundError for an unknown image and one that does not exist in the band, UsageError for an unknown band.
    """
    id, _, name = reference.partition("~?")[2].partition("/") if "~?" in reference else reference.partition("/")
    collection = find_collection(id, site)
    band_names = _parse_bands(collection, band)
    row = InventoryRow(collection, "image")
    images = _fetch_inventory(site, row, parameters.equals_any(row.name, [name]))
    if not images:
        raise NotFoundError(f"there is no image {name!r} in {id}", code=Code.IMAGE_NOT_FOUND)
    return _build_layers(collection, images[0], band_names or _list_image_bands(row.images, images[0]), site)


def find_position_layers(position: tuple[float, float], id: str | None, band: str | None, site: Site) -> PictureLayers:
    """Return the layers of the image that covers a position (degrees) and whose centre is nearest to it.

    Without a collection the first one with such an image is taken, without a band all bands, or those that exist.
    Raises NotFoundError without such an image, UsageError for an unknown band.
    """
    collections = [find_collection(id, site)] if id else loaded_collections(site.catalogue, site.engine.count_rows)
    for collection in collections:
        band_names = _parse_bands(collection, band)
        for image in _find_nearest(collection, position, site):
            try:
                return _find_layers(collection, image, band_names, site)
            except NotFoundError:  # another image may exist in this band
                continue
    raise NotFoundError(f"no image covers this position{f' in {band}' if band else ''}", code=Code.IMAGE_NOT_FOUND)


def _find_layers(
    collection: Collection, image: _InventoryImage, band_names: Sequence[str], site: Site
) -> PictureLayers:
    if band_names:
        return _build_layers(collection, image, band_names, site)
    images = InventoryRow(collection, "image").images
    try:
        return _build_layers(collection, image, _list_default_bands(images), site)
    except NotFoundError:
        return _build_layers(collection, image, _list_image_bands(images, image), site)


def _find_nearest(collection: Collection, position: tuple[float, float], site: Site) -> list[_InventoryImage]:
    row = InventoryRow(collection, "image")
    point = build_point(to_constant(position[0]), to_constant(position[1]))
    covers = q.PredicateTest(CONTAINS.call(point, row.footprint))
    return _fetch_inventory(site, row, covers, _MAX_CANDIDATES, (q.SortKey(build_distance(row, position)),))


def find_region_layers(
    centre: tuple[float, float], region: Shape, id: str | None, band: str | None, site: Site
) -> PictureLayers:
    """Return the layers of all images that overlap a region about a centre (degrees).

    Without a collection the first one with such images is taken, without a band all bands, if they exist everywhere.
    Raises NotFoundError without such an image, UsageError for an unknown band and for more than MAX_TILES images.
    """
    collections = [find_collection(id, site)] if id else loaded_collections(site.catalogue, site.engine.count_rows)
    for collection in collections:
        band_names = _parse_bands(collection, band)
        row = InventoryRow(collection, "image")
        max_rows = MAX_TILES * len(row.images.bands) + 1
        order = (q.SortKey(build_distance(row, centre)),)
        images_found = _fetch_inventory(site, row, parameters.overlaps_shapes(row.footprint, [region]), max_rows, order)
        planes = _build_mosaic_planes(collection, images_found, band_names, site)
        if max(map(len, planes), default=0) > MAX_TILES or len(images_found) == max_rows:
            hint = "request a smaller region, or leave out SIZE for the nearest image"
            message = f"a picture of this region would combine more than {MAX_TILES} images"
            raise UsageError(message, hint=hint, code=Code.IMAGE_TOO_LARGE)
        if planes:
            name = f"{collection.id}_{centre[0]:.4f}{centre[1]:+.4f}"
            return PictureLayers(f"{name}_{''.join(band_names) or len(planes)}", planes)
    raise NotFoundError(f"no image covers this position{f' in {band}' if band else ''}", code=Code.IMAGE_NOT_FOUND)


def _build_mosaic_planes(
    collection: Collection, images_found: Sequence[_InventoryImage], band_names: Sequence[str], site: Site
) -> tuple[tuple[PlaneFile, ...], ...]:
    """Return the planes of images of several observations, in the bands that exist of each."""
    images = InventoryRow(collection, "image").images
    if not images_found:
        return ()
    order = [b.name for b in images.bands]
    if images.band is None:
        numbers = [order.index(name) for name in band_names or _list_default_bands(images)]
        return tuple(tuple((_locate_file(collection, image, site), n) for image in images_found) for n in numbers)
    observations: dict[str, dict[str | None, _InventoryImage]] = {}
    for image in images_found:
        observations.setdefault(image.observation, {})[image.band] = image
    if not band_names:
        all_bands = _list_default_bands(images)
        band_names = (
            all_bands
            if all(set(all_bands) <= set(observed) for observed in observations.values())
            else _list_image_bands(images, images_found[0])
        )
    complete = [observed for observed in observations.values() if set(band_names) <= set(observed)]
    planes = tuple(
        tuple((_locate_file(collection, observed[name], site), 0) for observed in complete) for name in band_names
    )
    return planes if complete else ()


def _fetch_inventory(
    site: Site,
    row: InventoryRow,
    where: q.Condition,
    max_rows: int = _MAX_CANDIDATES,
    order: tuple[q.SortKey, ...] = (),
) -> list[_InventoryImage]:
    path = row.find_column("file", "path")
    assert path is not None  # no collection without it
    band = row.column(row.images.band) if row.images.band else q.Constant(None, Column("", types.VARCHAR))
    values = (row.name, path, band, *row.position, row.observation)
    return [_InventoryImage(*fields) for fields in fetch_images(site, row, values, where, max_rows, order)]


def _parse_bands(collection: Collection, band: str | None) -> list[str]:
    """Return the names of the requested bands, one or three; none where no band is requested.

    Raises UsageError for an unknown band.
    """
    images = collection.images
    assert images is not None
    if band is None:
        return []
    all_bands = name_all_bands(images)
    if all_bands is not None and band.upper() == all_bands.upper():
        return [b.name for b in images.bands]
    try:
        return [ImageFilters(collection).parse_band(band)]
    except UsageError as error:
        more = f", and {all_bands} for colour" if all_bands else ""
        raise UsageError(error.message, hint=f"{error.hint}{more}", code=error.code) from None


def _list_image_bands(images: ImageCollection, image: _InventoryImage) -> list[str]:
    """Return the bands of an image: its own, or the default ones of an image of all bands."""
    return _list_default_bands(images) if image.band is None else [image.band]


def _list_default_bands(images: ImageCollection) -> list[str]:
    """Return all bands where they make a picture in colour, else the first."""
    return [b.name for b in images.bands][: COLOUR_BANDS if name_all_bands(images) else 1]


def _build_layers(
    collection: Collection, image: _InventoryImage, band_names: Sequence[str], site: Site
) -> PictureLayers:
    """Return the layers of an image and, for other bands than its own, of images of the same observation.

    An image of all bands has them in its first planes, in the order of the catalogue file. Raises NotFoundError for a
    missing band.
    """
    row = InventoryRow(collection, "image")
    order = [b.name for b in row.images.bands]
    if image.band is None:
        return PictureLayers(
            image.name, tuple(((_locate_file(collection, image, site), order.index(name)),) for name in band_names)
        )
    by_band = {image.band: image}
    if set(band_names) - set(by_band):
        siblings = _fetch_inventory(site, row, match_observation(row, image.ra, image.dec, image.observation))
        by_band = {mate.band: mate for mate in siblings if mate.band is not None} | by_band
    missing_bands = [name for name in band_names if name not in by_band]
    if missing_bands:
        message = f"there is no image of the same observation as {image.name} in {', '.join(missing_bands)}"
        raise NotFoundError(message, code=Code.IMAGE_NOT_FOUND)
    label = image.name if band_names == [image.band] else f"{image.observation}_{''.join(band_names)}"
    return PictureLayers(label, tuple(((_locate_file(collection, by_band[name], site), 0),) for name in band_names))


def _locate_file(collection: Collection, image: _InventoryImage, site: Site) -> str:
    return files.resolve_path(site.roots[collection.id], image.path)

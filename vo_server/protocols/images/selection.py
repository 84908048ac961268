"""The search for images by region, of all collections or of some, for the page of images and its archive."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vo_server.adql.semantics import query as q
from vo_server.catalogue.catalogue import Collection
from vo_server.errors import Code, UsageError
from vo_server.http import dali
from vo_server.http.service import Site
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.query import InventoryRow, loaded_collections
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import fetch_images, find_collection
from vo_server.protocols.images.filters import ImageFilters
from vo_server.protocols.images.sia1 import build_distance, parse_pos_size
from vo_server.sky import angles, vectors
from vo_server.sky.shapes import Shape

DEFAULT_SIZE_DEGREES = "0.1"
"""The default of SIZE."""

MAX_RADIUS_DEGREES = 5.0
"""Degrees from the centre of a region to its edge, at most; SIA 2.0 and TAP have no such limit."""

_PAIR_PATTERN = re.compile(r"\s*(\S+?)(?:\s*,\s*|\s+)(\S+)\s*")
_SEXAGESIMAL_PATTERN = re.compile(
    r"\s*(\d+)[\s:]+(\d+)[\s:]+([\d.]+)[\s,]+([+-]?\d+)[\s:]+(\d+)[\s:]+([\d.]+)\s*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class SearchRegion:
    """A search region: its shapes, its centre, and the sides of its bounding box if it is a box or a circle; in
    degrees, ICRS."""

    centre: tuple[float, float]
    shapes: tuple[Shape, ...]
    sides: tuple[float, float] | None

    @property
    def sia2_pos(self) -> str | None:
        """The region as POS of SIA 2.0; None for a union of shapes, which has none."""
        if len(self.shapes) != 1:
            return None
        kind, numbers = self.shapes[0]
        words = (*numbers, 0.0) if kind == "point" else numbers
        return " ".join(["CIRCLE" if kind == "point" else kind.upper(), *(f"{n:.12g}" for n in words)])


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image of a search: `path` below the root of its collection, `size` in bytes, `distance` of its centre from
    that of the region in degrees."""

    collection: Collection
    name: str
    title: str
    path: str
    band: str | None
    ra: float
    dec: float
    observation: str
    size: int | None
    distance: float

    @property
    def band_order(self) -> int:
        """The position of its band among those of the collection."""
        bands = [b.name for b in InventoryRow(self.collection, "image").images.bands]
        return bands.index(self.band) if self.band in bands else 0


def parse_search_region(params: dali.Parameters) -> SearchRegion | None:
    """Return the region of POS and SIZE; None without POS.

    Raises UsageError for an invalid region, and for one larger than MAX_RADIUS_DEGREES.
    """
    region = _parse_pos_size(params)
    if (
        region is not None
        and max(_compute_radius(region.centre, shape) for shape in region.shapes) > MAX_RADIUS_DEGREES + 1e-6
    ):
        message = f"the region extends more than {MAX_RADIUS_DEGREES:g} degrees from its centre"
        raise UsageError(message, hint="SIA 2.0 and TAP have no such limit", code=Code.REQUEST_BAD_REGION)
    return region


def _parse_pos_size(params: dali.Parameters) -> SearchRegion | None:
    """Return the region of POS and SIZE.

    POS is two numbers of degrees, or hours and degrees with minutes and seconds, and SIZE the sides of a box about
    them; or POS is a CIRCLE, RANGE or POLYGON as in SIA 2.0.
    """
    text = (params.get("POS") or "").strip()
    if not text:
        return None
    if text[0].isalpha():
        shapes = parameters.parse_region("POS", text)
        kind, numbers = shapes[0]
        return SearchRegion(
            _compute_centre(shapes), shapes, (2 * numbers[2], 2 * numbers[2]) if kind == "circle" else None
        )
    size = ",".join((params.get("SIZE") or DEFAULT_SIZE_DEGREES).replace(",", " ").split())
    parsed = parse_pos_size(dali.Parameters((("POS", _to_decimal(text)), ("SIZE", size))), required=True)
    assert parsed is not None
    sides = [float(side) for side in size.split(",")]
    return SearchRegion(parsed[0], (parsed[1],), (sides[0], sides[-1]))


def _to_decimal(text: str) -> str:
    """Return a position as two decimal numbers separated by a comma; unchanged where it cannot be parsed."""
    six = _SEXAGESIMAL_PATTERN.fullmatch(text)
    two = (f"{six[1]}:{six[2]}:{six[3]}", f"{six[4]}:{six[5]}:{six[6]}") if six else None
    if two is None and (match := _PAIR_PATTERN.fullmatch(text)):
        two = match[1], match[2]
    if two is None:
        return text
    lon, lat = angles.parse_hms(two[0]), angles.parse_dms(two[1])
    return f"{two[0]},{two[1]}" if lon is None or lat is None else f"{lon!r},{lat!r}"


def _compute_centre(shapes: Sequence[Shape]) -> tuple[float, float]:
    points = [numbers[:2] if kind == "circle" else numbers for kind, numbers in shapes]
    pairs = np.reshape([n for each in points for n in each], (-1, 2))
    (lon,), (lat,) = vectors.to_lonlat(vectors.unit_vectors(pairs[:, 0], pairs[:, 1]).sum(axis=0))
    return float(lon), float(lat)


def _compute_radius(centre: tuple[float, float], shape: Shape) -> float:
    kind, numbers = shape
    pairs = np.reshape(numbers[:2] if kind == "circle" else numbers, (-1, 2))
    return float(vectors.distance(*centre, pairs[:, 0], pairs[:, 1]).max()) + (numbers[2] if kind == "circle" else 0)


def find_images(
    params: dali.Parameters, region: SearchRegion, site: Site, max_images: int
) -> tuple[list[FoundImage], bool]:
    """Return the images that overlap a region, the nearest first, at most `max_images`, and whether there are more.

    Raises NotFoundError for an unknown collection, UsageError for a value that does not fit its column.
    """
    requested = [id for id in params.get_all("COLLECTION") if id]
    collections = (
        [find_collection(id, site) for id in requested]
        if requested
        else loaded_collections(site.catalogue, site.engine.count_rows)
    )
    images = [
        image
        for collection in collections
        for image in _find_in_collection(collection, params, region, site, max_images + 1)
    ]
    images.sort(key=lambda image: (image.distance, image.collection.id, image.observation, image.band_order))
    return images[:max_images], len(images) > max_images


def _find_in_collection(
    collection: Collection, params: dali.Parameters, region: SearchRegion, site: Site, max_images: int
) -> list[FoundImage]:
    row = InventoryRow(collection, "image")
    path = row.find_column("file", "path")
    assert path is not None  # no collection without it
    conditions = (
        *ImageFilters(collection).build_conditions(params, row),
        parameters.overlaps_shapes(row.footprint, region.shapes),
    )
    band = row.column(row.images.band) if row.images.band else q.Constant(None, Column("", types.VARCHAR))
    distance = build_distance(row, region.centre)
    values = (row.name, row.title, path, band, *row.position, row.observation, row.size, distance)
    rows = fetch_images(site, row, values, q.Conjunction(conditions), max_images, (q.SortKey(distance),))
    return [FoundImage(collection, *each) for each in rows]

"""The images of a place, of all collections or of some, as people ask for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vo_server.adql.semantics import query as q
from vo_server.catalogue.catalogue import Collection
from vo_server.errors import UsageError
from vo_server.http import dali
from vo_server.http.service import Site
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.query import Row, loaded
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import collection, looked_up
from vo_server.protocols.images.filters import Filters
from vo_server.protocols.images.sia1 import distance, placed
from vo_server.sky import angles, vectors
from vo_server.sky.shapes import Shape

SIZE = "0.1"
"""Degrees about a position where no size is told."""

LARGEST = 5.0
"""Degrees from the middle of a place to its edge: whoever wants more asks as a program, row by row."""

_TWO = re.compile(r"\s*(\S+?)(?:\s*,\s*|\s+)(\S+)\s*")
_SIX = re.compile(r"\s*(\d+)[\s:]+(\d+)[\s:]+([\d.]+)[\s,]+([+-]?\d+)[\s:]+(\d+)[\s:]+([\d.]+)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Around:
    """A place: the shapes of which it is the union, its middle and, where it is no taller and no wider than something
    simple, the sides of a box about that, in degrees, ICRS."""

    centre: tuple[float, float]
    shapes: tuple[Shape, ...]
    sides: tuple[float, float] | None

    @property
    def asked(self) -> str | None:
        """The same as SIA 2 is asked for it; None for what it has no one word for."""
        if len(self.shapes) != 1:
            return None
        kind, numbers = self.shapes[0]
        words = (*numbers, 0.0) if kind == "point" else numbers
        return " ".join(["CIRCLE" if kind == "point" else kind.upper(), *(f"{n:.12g}" for n in words)])


@dataclass(frozen=True, slots=True)
class Found:
    """An image: `path` below the root of its collection, `size` in bytes, `away` from the middle of the place in
    degrees."""

    publication: Collection
    name: str
    title: str
    path: str
    band: str | None
    ra: float
    dec: float
    observation: str
    size: int | None
    away: float

    @property
    def order(self) -> int:
        """Where its band stands among those of the collection."""
        bands = [b.name for b in Row(self.publication, "image").images.bands]
        return bands.index(self.band) if self.band in bands else 0


def around(given: dali.Parameters) -> Around | None:
    """The place that POS and SIZE describe; None without POS.

    Raises UsageError for what is none, and for one that is larger than LARGEST.
    """
    place = _around(given)
    if place is not None and max(_reach(place.centre, shape) for shape in place.shapes) > LARGEST + 1e-6:
        hint = "SIA 2.0 and TAP know no such limit"
        raise UsageError(f"the place reaches more than {LARGEST:g} degrees from its middle", hint=hint)
    return place


def _around(given: dali.Parameters) -> Around | None:
    """Two numbers of degrees, or hours and degrees with minutes and seconds, and the sides of a box about them; or else
    CIRCLE, RANGE or POLYGON as in SIA 2.0."""
    said = (given.one("POS") or "").strip()
    if not said:
        return None
    if said[0].isalpha():
        shapes = parameters.place("POS", said)
        kind, numbers = shapes[0]
        return Around(_middle(shapes), shapes, (2 * numbers[2], 2 * numbers[2]) if kind == "circle" else None)
    size = ",".join((given.one("SIZE") or SIZE).replace(",", " ").split())
    found = placed(dali.Parameters((("POS", _decimal(said)), ("SIZE", size))), needed=True)
    assert found is not None
    sides = [float(side) for side in size.split(",")]
    return Around(found[0], (found[1],), (sides[0], sides[-1]))


def _decimal(said: str) -> str:
    """A position as two decimal numbers with a comma between them; as it is where it cannot be understood."""
    six = _SIX.fullmatch(said)
    two = (f"{six[1]}:{six[2]}:{six[3]}", f"{six[4]}:{six[5]}:{six[6]}") if six else None
    if two is None and (match := _TWO.fullmatch(said)):
        two = match[1], match[2]
    if two is None:
        return said
    lon, lat = angles.hms(two[0]), angles.dms(two[1])
    return f"{two[0]},{two[1]}" if lon is None or lat is None else f"{lon!r},{lat!r}"


def _middle(shapes: Sequence[Shape]) -> tuple[float, float]:
    points = [numbers[:2] if kind == "circle" else numbers for kind, numbers in shapes]
    pairs = np.reshape([n for each in points for n in each], (-1, 2))
    (lon,), (lat,) = vectors.lonlat(vectors.unit(pairs[:, 0], pairs[:, 1]).sum(axis=0))
    return float(lon), float(lat)


def _reach(centre: tuple[float, float], shape: Shape) -> float:
    kind, numbers = shape
    pairs = np.reshape(numbers[:2] if kind == "circle" else numbers, (-1, 2))
    return float(vectors.distance(*centre, pairs[:, 0], pairs[:, 1]).max()) + (numbers[2] if kind == "circle" else 0)


def found(given: dali.Parameters, place: Around, site: Site, most: int) -> tuple[list[Found], bool]:
    """The images that meet a place, the nearest first, so many at the most; and whether there are more.

    Raises NotFoundError for a collection that is not there, UsageError for a value that a column cannot have.
    """
    named = [id for id in given.all("COLLECTION") if id]
    known = [collection(id, site) for id in named] if named else loaded(site.catalogue, site.engine.rows)
    every = [image for publication in known for image in _of(publication, given, place, site, most + 1)]
    every.sort(key=lambda image: (image.away, image.publication.id, image.observation, image.order))
    return every[:most], len(every) > most


def _of(publication: Collection, given: dali.Parameters, place: Around, site: Site, most: int) -> list[Found]:
    row = Row(publication, "image")
    path = row.filled("file", "path")
    assert path is not None  # no collection without it
    conditions = (*Filters(publication).conditions(given, row), parameters.overlapping(row.footprint, place.shapes))
    band = row.field(row.images.band) if row.images.band else q.Constant(None, Column("", types.VARCHAR))
    far = distance(row, place.centre)
    values = (row.name, row.title, path, band, *row.position, row.observation, row.size, far)
    rows = looked_up(site, row, values, q.And(conditions), most, (q.Order(far),))
    return [Found(publication, *each) for each in rows]

"""Which pixels a region of the sky touches: the smallest window that holds all of the region that the image has.

A region is ("point", (lon, lat)), ("circle", (lon, lat, radius)), ("polygon", (lon, lat, ...)), ("box", (lon, lat,
width, height)) or ("range", (lon1, lon2, lat1, lat2)), in degrees, ICRS, as in DALI 1.2 and SIA 2.0 section 2.1.1. The
sides of polygons and boxes are great circles, those of a range meridians and parallels; a range whose lon1 is above
lon2 crosses 0, and its bounds may be infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vo_server.errors import NoPixelsError, UsageError
from vo_server.images.sky import Floats, Sky
from vo_server.sky import shapes, vectors
from vo_server.sky.shapes import Shape
from vo_server.storage.files import Range

_CIRCLE = 1440
"""Points on a border that is a circle: a hundredth of a pixel is missed of one with a radius of 4,000."""

_FINE = 10
"""Points to a pixel on the border of a region: where it leaves the image, somewhat more of a pixel may be missed."""

_SIDE = 8192
"""Points on a side at the most. A longer one is met by the border of the image."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows and columns, counted from 0, half-open; a window may reach beyond the image."""

    rows: Range
    columns: Range

    @property
    def section(self) -> str:
        """As FITS tools write it: counted from 1, columns first, the last one included."""
        return f"[{self.columns[0] + 1}:{self.columns[1]},{self.rows[0] + 1}:{self.rows[1]}]"

    def within(self, rows: int, columns: int) -> Window:
        """What an image of so many rows and columns has of it.

        Raises NoPixelsError where that is nothing.
        """
        (a, b), (c, d) = self.rows, self.columns
        found = Window((max(a, 0), min(b, rows)), (max(c, 0), min(d, columns)))
        if found.rows[0] >= found.rows[1] or found.columns[0] >= found.columns[1]:
            raise NoPixelsError("the image has nothing of this region")
        return found


def window(sky: Sky, rows: int, columns: int, region: Shape) -> Window:
    """The pixels of an image that a region touches.

    What both have in common ends where the border of the region lies in the image or that of the image in the region.
    Raises NoPixelsError where there is nothing, UsageError for numbers that are no such region.
    """
    region = _checked(region)
    step = sky.scale(columns / 2, rows / 2) / _FINE
    x, y = sky.pixels(*_border(region, step))
    seen = (x >= -0.5) & (x <= columns - 0.5) & (y >= -0.5) & (y <= rows - 0.5)
    ex, ey = _edge(rows, columns)
    if seen.all():  # then the image's edge lies in the region as a whole or not at all
        ex, ey = ex[:1], ey[:1]
    covered = _inside(region, *sky.positions(ex, ey))
    xs, ys = np.r_[x[seen], ex[covered]], np.r_[y[seen], ey[covered]]
    if not len(xs):
        raise NoPixelsError("the image has nothing of this region")
    if seen.all() and covered.any():
        xs, ys = np.array([-0.5, columns - 0.5]), np.array([-0.5, rows - 0.5])
    missed = 0.0 if seen.all() else 2 / _FINE
    return Window(_touched(ys, missed), _touched(xs, missed)).within(rows, columns)


def about(sky: Sky, lon: float, lat: float, width: int, height: int) -> Window:
    """So many pixels about a position, with it in the middle one; of an even number in the upper of the middle two.

    Raises UsageError for no pixels, NoPixelsError where the image's projection does not show the position.
    """
    if width < 1 or height < 1:
        raise UsageError(f"an image of {width} x {height} pixels has none")
    _check(("point", (lon, lat)))
    (x,), (y,) = sky.pixels(lon, lat)
    if not (np.isfinite(x) and np.isfinite(y)):
        raise NoPixelsError("the image has nothing of this region")
    left, bottom = int(np.ceil(x - width / 2)), int(np.ceil(y - height / 2))
    return Window((bottom, bottom + height), (left, left + width))


def _check(region: Shape) -> None:
    """Raises UsageError where the numbers are no such region."""
    try:
        shapes.check(*region)
    except shapes.BadShape as error:
        raise UsageError(str(error)) from None


def _checked(region: Shape) -> Shape:
    match region:
        case ("range", (lon1, lon2, lat1, lat2)):
            low, high = max(lat1, -90.0), min(lat2, 90.0)
            if not low <= high or np.isnan([lon1, lon2]).any():
                raise UsageError("a range is lon1 lon2 lat1 lat2, and lat1 is not above lat2")
            round_the_sky = not np.isfinite([lon1, lon2]).all() or lon2 - lon1 >= 360
            return "range", ((0.0, 360.0) if round_the_sky else (lon1, lon2)) + (low, high)
        case ("box", (lon, lat, width, height)):
            _check(region)
            region = "polygon", shapes.box(lon, lat, width, height)
        case _:
            pass
    _check(region)
    return region


def _touched(along: Floats, missed: float) -> Range:
    return int(np.floor(along.min() + 0.5 - missed)), int(np.floor(along.max() + 0.5 + missed)) + 1


def _edge(rows: int, columns: int) -> tuple[Floats, Floats]:
    """The corners of the pixels on the outer edge of an image."""
    x, y = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    left, right = np.full(rows + 1, x[0]), np.full(rows + 1, x[-1])
    low, high = np.full(columns + 1, y[0]), np.full(columns + 1, y[-1])
    return np.concatenate([x, x, left, right]), np.concatenate([low, high, y, y])


def _border(region: Shape, step: float) -> tuple[Floats, Floats]:
    """Points on the border of a region, about `step` degrees from one another."""
    match region:
        case ("point", (lon, lat)) | ("circle", (lon, lat, 0)):
            return np.array([lon]), np.array([lat])
        case ("circle", (lon, lat, radius)):
            return _ring(lon, lat, radius)
        case ("range", (lon1, lon2, lat1, lat2)):
            return _frame(lon1, lon1 + ((lon2 - lon1) % 360.0 or lon2 - lon1), lat1, lat2, step)
        case _:
            return _sides(region[1], step)


def _ring(lon: float, lat: float, radius: float) -> tuple[Floats, Floats]:
    (centre,) = vectors.unit(lon, lat)
    a, d = np.radians(lon), np.radians(lat)
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    turn = np.linspace(0, 2 * np.pi, _CIRCLE, endpoint=False)[:, None]
    out = np.cos(turn) * north + np.sin(turn) * east
    return vectors.lonlat(np.cos(np.radians(radius)) * centre + np.sin(np.radians(radius)) * out)


def _frame(west: float, east: float, south: float, north: float, step: float) -> tuple[Floats, Floats]:
    lon, lat = _between(west, east, step), _between(south, north, step)
    parallels = np.r_[lon, lon], np.r_[np.full(len(lon), south), np.full(len(lon), north)]
    if east - west >= 360:
        return parallels
    meridians = np.r_[np.full(len(lat), west), np.full(len(lat), east)], np.r_[lat, lat]
    return np.r_[parallels[0], meridians[0]], np.r_[parallels[1], meridians[1]]


def _between(low: float, high: float, step: float) -> Floats:
    return np.linspace(low, high, int(min(_SIDE, (high - low) / step + 2)))


def _sides(ring: tuple[float, ...], step: float) -> tuple[Floats, Floats]:
    corners = vectors.unit(np.array(ring[::2]), np.array(ring[1::2]))
    points = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        angle = float(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))
        along = _between(0.0, 1.0, step / max(np.degrees(angle), step))[:, None]
        points.append((np.sin((1 - along) * angle) * a + np.sin(along * angle) * b) / np.sin(angle))
    return vectors.lonlat(np.concatenate(points))


def _inside(region: Shape, lon: Floats, lat: Floats) -> npt.NDArray[np.bool_]:
    match region:
        case ("point", _):
            return np.zeros(len(lon), dtype=bool)
        case ("circle", (x, y, radius)):
            return vectors.distance(x, y, lon, lat) <= radius
        case ("range", (lon1, lon2, lat1, lat2)):
            width = (lon2 - lon1) % 360.0 or lon2 - lon1
            return ((lon - lon1) % 360.0 <= width) & (lat >= lat1) & (lat <= lat2)
        case _:
            return shapes.points_in_polygon(lon, lat, region[1])

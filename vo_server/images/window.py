"""The pixels that a region of the sky touches: the smallest window that holds the part of it on the image.

A region is ("point", (lon, lat)), ("circle", (lon, lat, radius)), ("polygon", (lon, lat, ...)), ("box", (lon, lat,
width, height)) or ("range", (lon1, lon2, lat1, lat2)), in degrees, ICRS, as in DALI 1.2 and SIA 2.0 section 2.1.1. The
sides of polygons and boxes are great circles, those of a range meridians and parallels; a range whose lon1 is above
lon2 crosses 0, and its bounds may be infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vo_server.errors import Code, NoPixelsError, UsageError
from vo_server.images.sky import Floats, ImageWcs
from vo_server.sky import shapes, vectors
from vo_server.sky.shapes import Shape
from vo_server.storage.files import Range

_CIRCLE_POINTS = 1440
"""Points on a circular border: a circle with a radius of 4,000 pixels is missed by a hundredth of a pixel."""

_POINTS_PER_PIXEL = 10
"""Points per pixel on the border of a region; where it leaves the image, more of a pixel may be missed."""

_MAX_SIDE_POINTS = 8192
"""Points on a side at most; a longer one meets the border of the image."""


@dataclass(frozen=True, slots=True)
class Window:
    """Ranges of rows and columns, counted from 0, half-open; a window may reach beyond the image."""

    rows: Range
    columns: Range

    @property
    def section(self) -> str:
        """The section in the notation of FITS tools: counted from 1, columns first, the last one included."""
        return f"[{self.columns[0] + 1}:{self.columns[1]},{self.rows[0] + 1}:{self.rows[1]}]"

    def clip(self, rows: int, columns: int) -> Window:
        """Return the part of the window on an image of so many rows and columns.

        Raises NoPixelsError for an empty part.
        """
        (a, b), (c, d) = self.rows, self.columns
        part = Window((max(a, 0), min(b, rows)), (max(c, 0), min(d, columns)))
        if part.rows[0] >= part.rows[1] or part.columns[0] >= part.columns[1]:
            raise NoPixelsError("the region lies outside the image")
        return part


def find_window(sky: ImageWcs, rows: int, columns: int, region: Shape) -> Window:
    """Return the window of the pixels of an image that a region touches.

    The overlap is bounded by the border of the region inside the image and that of the image inside the region. Raises
    NoPixelsError without overlap, UsageError for an invalid region.
    """
    region = _normalise_region(region)
    step = sky.compute_scale(columns / 2, rows / 2) / _POINTS_PER_PIXEL
    x, y = sky.to_pixels(*_trace_border(region, step))
    visible = (x >= -0.5) & (x <= columns - 0.5) & (y >= -0.5) & (y <= rows - 0.5)
    ex, ey = _trace_edge(rows, columns)
    if visible.all():  # then the image's edge lies in the region as a whole or not at all
        ex, ey = ex[:1], ey[:1]
    inside = _contains(region, *sky.to_positions(ex, ey))
    xs, ys = np.r_[x[visible], ex[inside]], np.r_[y[visible], ey[inside]]
    if not len(xs):
        raise NoPixelsError("the region lies outside the image")
    if visible.all() and inside.any():
        xs, ys = np.array([-0.5, columns - 0.5]), np.array([-0.5, rows - 0.5])
    margin = 0.0 if visible.all() else 2 / _POINTS_PER_PIXEL
    return Window(_to_pixel_range(ys, margin), _to_pixel_range(xs, margin)).clip(rows, columns)


def centre_window(sky: ImageWcs, lon: float, lat: float, width: int, height: int) -> Window:
    """Return the window of `width` x `height` pixels about a position (ICRS, degrees).

    The position is in the middle pixel, of an even number in the upper of the middle two. Raises UsageError for an
    empty window, NoPixelsError for a position outside the projection of the image.
    """
    if width < 1 or height < 1:
        message = f"an image needs at least one pixel, not {width} x {height}"
        raise UsageError(message, code=Code.REQUEST_BAD_PARAMETER)
    _check_shape(("point", (lon, lat)))
    (x,), (y,) = sky.to_pixels(lon, lat)
    if not (np.isfinite(x) and np.isfinite(y)):
        raise NoPixelsError("the region lies outside the image")
    left, bottom = int(np.ceil(x - width / 2)), int(np.ceil(y - height / 2))
    return Window((bottom, bottom + height), (left, left + width))


def _check_shape(region: Shape) -> None:
    """Check the numbers of a region.

    Raises UsageError where they are invalid.
    """
    try:
        shapes.check_shape(*region)
    except shapes.ShapeError as error:
        raise UsageError(str(error), code=Code.REQUEST_BAD_REGION) from None


def _normalise_region(region: Shape) -> Shape:
    """Return a valid region with finite bounds, and a box as a polygon.

    Raises UsageError for an invalid one.
    """
    match region:
        case ("range", (lon1, lon2, lat1, lat2)):
            low, high = max(lat1, -90.0), min(lat2, 90.0)
            if not low <= high or np.isnan([lon1, lon2]).any():
                message = "a RANGE is lon1 lon2 lat1 lat2 with lat1 <= lat2"
                raise UsageError(message, code=Code.REQUEST_BAD_REGION)
            round_the_sky = not np.isfinite([lon1, lon2]).all() or lon2 - lon1 >= 360
            return "range", ((0.0, 360.0) if round_the_sky else (lon1, lon2)) + (low, high)
        case ("box", (lon, lat, width, height)):
            _check_shape(region)
            region = "polygon", shapes.box_vertices(lon, lat, width, height)
        case _:
            pass
    _check_shape(region)
    return region


def _to_pixel_range(along: Floats, margin: float) -> Range:
    return int(np.floor(along.min() + 0.5 - margin)), int(np.floor(along.max() + 0.5 + margin)) + 1


def _trace_edge(rows: int, columns: int) -> tuple[Floats, Floats]:
    """Return x and y of the corners of the pixels on the outer edge of an image."""
    x, y = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    left, right = np.full(rows + 1, x[0]), np.full(rows + 1, x[-1])
    low, high = np.full(columns + 1, y[0]), np.full(columns + 1, y[-1])
    return np.concatenate([x, x, left, right]), np.concatenate([low, high, y, y])


def _trace_border(region: Shape, step: float) -> tuple[Floats, Floats]:
    """Return longitudes and latitudes of points on the border of a region, about `step` degrees apart."""
    match region:
        case ("point", (lon, lat)) | ("circle", (lon, lat, 0)):
            return np.array([lon]), np.array([lat])
        case ("circle", (lon, lat, radius)):
            return _trace_circle(lon, lat, radius)
        case ("range", (lon1, lon2, lat1, lat2)):
            return _trace_range(lon1, lon1 + ((lon2 - lon1) % 360.0 or lon2 - lon1), lat1, lat2, step)
        case _:
            return _trace_polygon(region[1], step)


def _trace_circle(lon: float, lat: float, radius: float) -> tuple[Floats, Floats]:
    (centre,) = vectors.unit_vectors(lon, lat)
    a, d = np.radians(lon), np.radians(lat)
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    turn = np.linspace(0, 2 * np.pi, _CIRCLE_POINTS, endpoint=False)[:, None]
    out = np.cos(turn) * north + np.sin(turn) * east
    return vectors.to_lonlat(np.cos(np.radians(radius)) * centre + np.sin(np.radians(radius)) * out)


def _trace_range(west: float, east: float, south: float, north: float, step: float) -> tuple[Floats, Floats]:
    lon, lat = _sample(west, east, step), _sample(south, north, step)
    parallels = np.r_[lon, lon], np.r_[np.full(len(lon), south), np.full(len(lon), north)]
    if east - west >= 360:
        return parallels
    meridians = np.r_[np.full(len(lat), west), np.full(len(lat), east)], np.r_[lat, lat]
    return np.r_[parallels[0], meridians[0]], np.r_[parallels[1], meridians[1]]


def _sample(low: float, high: float, step: float) -> Floats:
    return np.linspace(low, high, int(min(_MAX_SIDE_POINTS, (high - low) / step + 2)))


def _trace_polygon(ring: tuple[float, ...], step: float) -> tuple[Floats, Floats]:
    corners = vectors.unit_vectors(np.array(ring[::2]), np.array(ring[1::2]))
    points = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        angle = float(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))
        along = _sample(0.0, 1.0, step / max(np.degrees(angle), step))[:, None]
        points.append((np.sin((1 - along) * angle) * a + np.sin(along * angle) * b) / np.sin(angle))
    return vectors.to_lonlat(np.concatenate(points))


def _contains(region: Shape, lon: Floats, lat: Floats) -> npt.NDArray[np.bool_]:
    match region:
        case ("point", _):
            return np.zeros(len(lon), dtype=bool)
        case ("circle", (x, y, radius)):
            return vectors.distance(x, y, lon, lat) <= radius
        case ("range", (lon1, lon2, lat1, lat2)):
            width = (lon2 - lon1) % 360.0 or lon2 - lon1
            return ((lon - lon1) % 360.0 <= width) & (lat >= lat1) & (lat <= lat2)
        case _:
            return shapes.find_points_in_polygon(lon, lat, region[1])

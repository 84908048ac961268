"""Mosaics: several images combined into one, north up, for pictures of a region that more than one image covers.

The sky is subtracted from each image, and it is scaled to the zero point of the first; where images overlap, their mean
is taken. A pixel is the nearest one of an image, in a coarser picture the mean of those that it covers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from astropy.io.fits import Header

from vo_server.errors import NoPixelsError
from vo_server.images.image import Image, Pixels
from vo_server.images.preview import Layer, read_zero_point, shrink
from vo_server.images.sky import ImageWcs
from vo_server.storage.files import Range

Floats = npt.NDArray[np.float32]
"""Pixel values, shape (rows, columns)."""

Coordinates = npt.NDArray[np.float64]
"""Pixel coordinates, shape (rows, columns)."""

MAX_SIDE_PIXELS = 2048
"""Pixels of a side, at most."""

_SKY_SAMPLE_PIXELS = 100
"""Pixels along the shorter side that are sampled to estimate the sky."""

_GRID_STEP_PIXELS = 32
"""Pixels between the nodes whose coordinates are computed; the others are interpolated linearly."""


def build_mosaic(
    planes: Sequence[Sequence[Layer]], centre: tuple[float, float], sides: tuple[float, float], size: int | None
) -> Image:
    """Return an image about a centre (ICRS), with sides in degrees, whose planes are combined from layers.

    The longer side has `size` pixels, but pixels are no finer than those of the first layer. Raises NoPixelsError
    without layers.
    """
    if not planes or not all(planes):
        raise NoPixelsError("no image covers this region")
    first = planes[0][0][0]
    finest = first.wcs.compute_scale(first.shape[2] / 2, first.shape[1] / 2)
    step = max(finest, max(sides) / min(size or MAX_SIDE_PIXELS, MAX_SIDE_PIXELS))
    columns, rows = (max(1, round(side / step)) for side in sides)
    header = _build_header(centre, step, columns, rows)
    zeros = [read_zero_point(layers[0], 0.0) for layers in planes]
    header.update({f"{band}MAGZP": zero for band, zero in zip("JHK", zeros, strict=False)})
    sky = ImageWcs(header)
    cube = np.stack([_combine_layers(layers, sky, rows, columns, step) for layers in planes])

    def read(planes_read: Sequence[int], down: Range, across: Range) -> Pixels:
        return cube[list(planes_read), slice(*down), slice(*across)]

    return Image(header, cube.shape, read)


def _build_header(centre: tuple[float, float], step: float, columns: int, rows: int) -> Header:
    header = Header()
    header["BITPIX"], header["NAXIS1"], header["NAXIS2"] = -32, columns, rows
    for n, (kind, value, pixels) in enumerate((("RA---TAN", centre[0], columns), ("DEC--TAN", centre[1], rows)), 1):
        header[f"CTYPE{n}"], header[f"CRVAL{n}"], header[f"CRPIX{n}"] = kind, value, pixels / 2 + 0.5
        header[f"CDELT{n}"] = -step if n == 1 else step
    return header


def _combine_layers(layers: Sequence[Layer], sky: ImageWcs, rows: int, columns: int, step: float) -> Floats:
    total, count = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    zero = read_zero_point(layers[0], 0.0)
    for layer in layers:
        values = _resample_layer(layer, sky, rows, columns, step)
        if values is not None:
            finite = np.isfinite(values)
            total[finite] += values[finite] * np.float32(10 ** (-0.4 * (read_zero_point(layer, zero) - zero)))
            count += finite
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _resample_layer(layer: Layer, sky: ImageWcs, rows: int, columns: int, step: float) -> Floats | None:
    """Return the values of a layer at the pixels of the mosaic, sky subtracted, shape (rows, columns); None without
    overlap."""
    image, plane = layer
    x, y = _map_pixels(image.wcs, sky, rows, columns)
    inside = (x > -0.5) & (x < image.shape[2] - 0.5) & (y > -0.5) & (y < image.shape[1] - 0.5)
    if not inside.any():
        return None
    left, right = int(np.rint(x[inside].min())), int(np.rint(x[inside].max())) + 1
    low, high = int(np.rint(y[inside].min())), int(np.rint(y[inside].max())) + 1
    (values,) = image.read_physical((low, high), (left, right), (plane,))
    if not np.isfinite(values).any():
        return None
    coarser = max(1.0, step / image.wcs.compute_scale(image.shape[2] / 2, image.shape[1] / 2))
    height, width = (max(1, round(n / coarser)) for n in values.shape)
    reduced = shrink(values, height, width)
    step_pixels = max(1, min(reduced.shape) // _SKY_SAMPLE_PIXELS)
    reduced -= np.float32(np.nanmedian(reduced[::step_pixels, ::step_pixels]))
    resampled = np.full((rows, columns), np.nan, np.float32)
    across = np.floor((x[inside] - left + 0.5) * width / values.shape[1]).astype(int).clip(0, width - 1)
    up = np.floor((y[inside] - low + 0.5) * height / values.shape[0]).astype(int).clip(0, height - 1)
    resampled[inside] = reduced[up, across]
    return resampled


def _map_pixels(of: ImageWcs, sky: ImageWcs, rows: int, columns: int) -> tuple[Coordinates, Coordinates]:
    """Return x and y of the pixels of one image on another, each of shape (rows, columns)."""
    down, along = (np.linspace(0, n - 1, max(2, -(-n // _GRID_STEP_PIXELS) + 1)) for n in (rows, columns))
    grid = np.meshgrid(along, down)
    coordinates = of.to_pixels(*sky.to_positions(grid[0].ravel(), grid[1].ravel()))
    x, y = (
        _interpolate(_interpolate(each.reshape(grid[0].shape).T, down, rows).T, along, columns) for each in coordinates
    )
    return x, y


def _interpolate(values: Coordinates, nodes: Coordinates, count: int) -> Coordinates:
    """Return values at 0, 1, ... count - 1 along the last axis, interpolated between those at the nodes."""
    place = np.interp(np.arange(count), nodes, np.arange(len(nodes)))
    before = np.minimum(place.astype(int), len(nodes) - 2)
    part = place - before
    coordinates: Coordinates = values[:, before] * (1 - part) + values[:, before + 1] * part
    return coordinates

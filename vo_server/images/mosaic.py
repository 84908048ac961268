"""Several images in one, north up, for pictures of a place that more than one of them shows.

Each image is taken without its sky and as if it had the zero point of the first; where several show a place it is their
mean. A pixel is the nearest one of an image, of a coarser picture the mean of those that it covers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from astropy.io.fits import Header

from vo_server.errors import NoPixelsError
from vo_server.images.image import Image, Pixels
from vo_server.images.preview import Layer, shrunk, zero_point
from vo_server.images.sky import Sky
from vo_server.storage.files import Range

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.float64]

LARGEST = 2048
"""Pixels that a side may have."""

_ENOUGH = 100
"""Pixels across that are enough to know the sky by."""

_APART = 32
"""Pixels between the places whose coordinates are reckoned; those of the others lie evenly between them."""


def mosaic(
    planes: Sequence[Sequence[Layer]], centre: tuple[float, float], sides: tuple[float, float], size: int | None
) -> Image:
    """An image of a place (degrees), each of its planes made of some layers; with `size` pixels on the longer side, but
    no finer than the first layer has them.

    Raises NoPixelsError where there are no layers.
    """
    if not planes or not all(planes):
        raise NoPixelsError("no image shows this place")
    first = planes[0][0][0]
    finest = first.sky.scale(first.shape[2] / 2, first.shape[1] / 2)
    step = max(finest, max(sides) / min(size or LARGEST, LARGEST))
    columns, rows = (max(1, round(side / step)) for side in sides)
    header = _header(centre, step, columns, rows)
    zeros = [zero_point(layers[0], 0.0) for layers in planes]
    header.update({f"{band}MAGZP": zero for band, zero in zip("JHK", zeros, strict=False)})
    sky = Sky(header)
    made = np.stack([_plane(layers, sky, rows, columns, step) for layers in planes])

    def read(wanted: Sequence[int], down: Range, across: Range) -> Pixels:
        return made[list(wanted), slice(*down), slice(*across)]

    return Image(header, made.shape, read)


def _header(centre: tuple[float, float], step: float, columns: int, rows: int) -> Header:
    header = Header()
    header["BITPIX"], header["NAXIS1"], header["NAXIS2"] = -32, columns, rows
    for n, (kind, value, pixels) in enumerate((("RA---TAN", centre[0], columns), ("DEC--TAN", centre[1], rows)), 1):
        header[f"CTYPE{n}"], header[f"CRVAL{n}"], header[f"CRPIX{n}"] = kind, value, pixels / 2 + 0.5
        header[f"CDELT{n}"] = -step if n == 1 else step
    return header


def _plane(layers: Sequence[Layer], sky: Sky, rows: int, columns: int, step: float) -> Floats:
    total, count = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    zero = zero_point(layers[0], 0.0)
    for layer in layers:
        values = _seen(layer, sky, rows, columns, step)
        if values is not None:
            there = np.isfinite(values)
            total[there] += values[there] * np.float32(10 ** (-0.4 * (zero_point(layer, zero) - zero)))
            count += there
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _seen(layer: Layer, sky: Sky, rows: int, columns: int, step: float) -> Floats | None:
    """The values of a layer, without its sky, where the mosaic has its pixels; None where they do not meet."""
    image, plane = layer
    x, y = _coordinates(image.sky, sky, rows, columns)
    inside = (x > -0.5) & (x < image.shape[2] - 0.5) & (y > -0.5) & (y < image.shape[1] - 0.5)
    if not inside.any():
        return None
    left, right = int(np.rint(x[inside].min())), int(np.rint(x[inside].max())) + 1
    low, high = int(np.rint(y[inside].min())), int(np.rint(y[inside].max())) + 1
    (values,) = image.physical((low, high), (left, right), (plane,))
    if not np.isfinite(values).any():
        return None
    coarser = max(1.0, step / image.sky.scale(image.shape[2] / 2, image.shape[1] / 2))
    height, width = (max(1, round(n / coarser)) for n in values.shape)
    fewer = shrunk(values, height, width)
    apart = max(1, min(fewer.shape) // _ENOUGH)
    fewer -= np.float32(np.nanmedian(fewer[::apart, ::apart]))
    made = np.full((rows, columns), np.nan, np.float32)
    across = np.floor((x[inside] - left + 0.5) * width / values.shape[1]).astype(int).clip(0, width - 1)
    up = np.floor((y[inside] - low + 0.5) * height / values.shape[0]).astype(int).clip(0, height - 1)
    made[inside] = fewer[up, across]
    return made


def _coordinates(of: Sky, sky: Sky, rows: int, columns: int) -> tuple[Places, Places]:
    """Where the pixels of one image lie on another."""
    down, along = (np.linspace(0, n - 1, max(2, -(-n // _APART) + 1)) for n in (rows, columns))
    grid = np.meshgrid(along, down)
    found = of.pixels(*sky.positions(grid[0].ravel(), grid[1].ravel()))
    x, y = (_along(_along(each.reshape(grid[0].shape).T, down, rows).T, along, columns) for each in found)
    return x, y


def _along(values: Places, nodes: Places, count: int) -> Places:
    """The values at whole numbers from those at the nodes, along the last axis."""
    place = np.interp(np.arange(count), nodes, np.arange(len(nodes)))
    before = np.minimum(place.astype(int), len(nodes) - 2)
    part = place - before
    found: Places = values[:, before] * (1 - part) + values[:, before + 1] * part
    return found

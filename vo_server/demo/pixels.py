"""The pixels of a synthetic Atlas image: stars, galaxies, a sky that is not quite flat, and noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from vo_server.demo.galaxies import Shapes
from vo_server.demo.survey import COLUMNS, Floats

Pixels = NDArray[np.float32]

WINGS, WING_POWER = 0.1, 2.5
"""The share of a star's light in its wings, and how they fall: a Moffat profile."""

REACHES = ((1e3, 10), (1e4, 16), (1e5, 32), (1e7, 64), (np.inf, 128))
"""Up to how much light (DN) a star is drawn to how many pixels from its centre."""

CORRELATION = 1.06
"""Width in pixels of the kernel that gives neighbouring pixels the correlations of the release: 0.8, 0.41, 0.14."""

GRAINS = 20_000
"""Pieces of light that a galaxy is drawn of."""

STEP = 1 / 32
"""DN to which pixels are rounded: far below the noise, and the files are smaller by a third."""


@dataclass(frozen=True)
class Sources:
    """What an image shows; pixels from 1 at the centre of the first, as FITS counts. Light is in DN.

    ``angles`` are directions of the major axis, from the columns counterclockwise, in radians.
    """

    x: Floats
    y: Floats
    light: Floats
    galaxy_x: Floats
    galaxy_y: Floats
    galaxy_light: Floats
    shapes: Shapes
    angles: Floats


def profile(dx: Floats, dy: Floats, width: float) -> Floats:
    """The light of a star a square pixel, of a total of 1, at distances from its centre (pixels)."""
    r2 = dx**2 + dy**2
    sigma = width / 2.3548200450309493
    core = np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    scale = width**2 / 4 / (2 ** (1 / WING_POWER) - 1)
    wings = (WING_POWER - 1) / (np.pi * scale) * (1 + r2 / scale) ** -WING_POWER
    return np.asarray((1 - WINGS) * core + WINGS * wings)


def draw(rng: np.random.Generator, rows: int, sources: Sources, width: float, sky: float, noise: float) -> Pixels:
    """An image of so many rows, in DN, without the columns at its sides that the scan did not fill."""
    border = 2 * REACHES[-1][1] + 1
    canvas = np.zeros((rows + 2 * border, COLUMNS + 2 * border))
    _stars(canvas, border, sources, width)
    _galaxies(canvas, border, sources, width)
    light = canvas[border:-border, border:-border]
    image = light + sky + _slope(rng, rows, noise) + _grain(rng, rows, noise)
    left, right = rng.integers(2, 5, 2)
    image = np.rint(image / STEP) * STEP
    image[:, :left] = np.nan
    image[:, COLUMNS - right :] = np.nan
    return image.astype(np.float32)


def _stars(canvas: Floats, border: int, sources: Sources, width: float) -> None:
    least = 0.0
    for most, reach in REACHES:
        mine = (sources.light > least) & (sources.light <= most)
        _stamp(canvas, border, sources.x[mine], sources.y[mine], sources.light[mine], reach, width)
        least = most


def _stamp(canvas: Floats, border: int, x: Floats, y: Floats, light: Floats, reach: int, width: float) -> None:
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    height, breadth = canvas.shape
    low, right, top = reach - border + 1, breadth - border - reach, height - border - reach
    kept = (column >= low) & (column <= right) & (row >= low) & (row <= top)
    x, y, light, column, row = (values[kept] for values in (x, y, light, column, row))
    offsets = np.arange(-reach, reach + 1)
    for n in range(x.size):
        dx, dy = offsets + column[n] - x[n], offsets + row[n] - y[n]
        place = np.s_[
            row[n] - reach + border - 1 : row[n] + reach + border,
            column[n] - reach + border - 1 : column[n] + reach + border,
        ]
        canvas[place] += light[n] * profile(dx[None, :], dy[:, None], width)


def _galaxies(canvas: Floats, border: int, sources: Sources, width: float) -> None:
    for n in range(sources.galaxy_x.size):
        reach = int(np.clip(8 * sources.shapes.half[n], 24, 96))
        column, row = round(float(sources.galaxy_x[n])), round(float(sources.galaxy_y[n]))
        rows, columns = canvas.shape[0] - 2 * border, canvas.shape[1] - 2 * border
        if not (-reach < column < columns + reach and -reach < row < rows + reach):
            continue
        x, y = _grains(sources, n)
        spread = _gridded(x + sources.galaxy_x[n] - column, y + sources.galaxy_y[n] - row, reach)
        offsets = np.arange(-24.0, 25.0)
        blurred = fftconvolve(spread, profile(offsets[None, :], offsets[:, None], width), mode="same")
        top, left = row + border - 1 - reach, column + border - 1 - reach
        canvas[top : top + 2 * reach + 1, left : left + 2 * reach + 1] += sources.galaxy_light[n] * blurred


def _grains(sources: Sources, n: int) -> tuple[Floats, Floats]:
    """Where the pieces of a galaxy's light lie from its centre, pixels."""
    shapes = sources.shapes
    share = (np.arange(GRAINS) + 0.5) / GRAINS
    radius = shapes.half[n] * (-np.log1p(-share) / np.log(2)) ** (1 / shapes.steepness[n])
    turn = np.arange(GRAINS) * np.pi * (3 - np.sqrt(5))
    along, across = radius * np.cos(turn), radius * np.sin(turn) * shapes.ratio[n]
    sine, cosine = np.sin(sources.angles[n]), np.cos(sources.angles[n])
    return -along * sine - across * cosine, along * cosine - across * sine


def _gridded(x: Floats, y: Floats, reach: int) -> Floats:
    """Pieces of equal light, of a total of 1, each shared among the four pixels about it."""
    side = 2 * reach + 1
    grid = np.zeros((side, side))
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, up = x - column, y - row
    for dx, dy, part in (
        (0, 0, (1 - right) * (1 - up)),
        (1, 0, right * (1 - up)),
        (0, 1, (1 - right) * up),
        (1, 1, right * up),
    ):
        c, r = column + dx + reach, row + dy + reach
        inside = (c >= 0) & (c < side) & (r >= 0) & (r < side)
        np.add.at(grid, (r[inside], c[inside]), part[inside] / x.size)
    return grid


def _slope(rng: np.random.Generator, rows: int, noise: float) -> Floats:
    """The glow of the air: a few times the noise of a pixel over the whole image."""
    a, b, c = noise * rng.normal(0, 0.8, 3)
    across = np.linspace(-1, 1, COLUMNS)[None, :]
    along = np.linspace(-1, 1, rows)[:, None]
    return np.asarray(a * along + b * (along**2 - 1 / 3) + c * along * across)


def _grain(rng: np.random.Generator, rows: int, noise: float) -> Floats:
    margin = 6
    white = rng.standard_normal((rows + 2 * margin, COLUMNS + 2 * margin), dtype=np.float32)
    smooth = gaussian_filter(white, CORRELATION)[margin:-margin, margin:-margin]
    return np.asarray(smooth * (noise * 2 * np.sqrt(np.pi) * CORRELATION), dtype=np.float64)

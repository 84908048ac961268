"""The pixels of a synthetic Atlas image: stars, galaxies, a slightly curved sky, and noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from vo_server.demo.galaxies import GalaxyShapes
from vo_server.demo.survey import IMAGE_COLUMNS, Floats

Pixels = NDArray[np.float32]

WING_SHARE, WING_POWER = 0.1, 2.5
"""The share of a star's light in its wings, and their exponent: a Moffat profile."""

STAR_RADII_PIXELS = ((1e3, 10), (1e4, 16), (1e5, 32), (1e7, 64), (np.inf, 128))
"""Pairs of the maximum light (DN) of stars and the radius in pixels to which they are drawn."""

CORRELATION_PIXELS = 1.06
"""Width in pixels of the kernel that gives neighbouring pixels the correlations of the release: 0.8, 0.41, 0.14."""

GRAINS_PER_GALAXY = 20_000
"""Grains of light of which a galaxy is drawn."""

ROUNDING_DN = 1 / 32
"""DN to which pixels are rounded: far below the noise, and files are a third smaller."""


@dataclass(frozen=True)
class ImageSources:
    """The n stars and m galaxies of an image.

    Pixel coordinates `x`, `y` (n,) and `galaxy_x`, `galaxy_y` (m,) are 1 at the centre of the first pixel.
    `light` (n,) and `galaxy_light` (m,) are in DN; `angles` (m,) are the directions of the major axes, anticlockwise
    from the columns, in radians.
    """

    x: Floats
    y: Floats
    light: Floats
    galaxy_x: Floats
    galaxy_y: Floats
    galaxy_light: Floats
    shapes: GalaxyShapes
    angles: Floats


def star_profile(dx: Floats, dy: Floats, width: float) -> Floats:
    """Return the light per pixel of a star of total light 1 at distances from its centre (pixels, broadcast)."""
    r2 = dx**2 + dy**2
    sigma = width / 2.3548200450309493
    core = np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    scale = width**2 / 4 / (2 ** (1 / WING_POWER) - 1)
    wings = (WING_POWER - 1) / (np.pi * scale) * (1 + r2 / scale) ** -WING_POWER
    return np.asarray((1 - WING_SHARE) * core + WING_SHARE * wings)


def draw_image(
    rng: np.random.Generator, rows: int, sources: ImageSources, width: float, sky: float, noise: float
) -> Pixels:
    """Draw an image (rows, 512) in DN; the outer columns that the scan did not fill are NaN.

    `width` is the full width at half maximum of stars in pixels, `sky` and `noise` are in DN.
    """
    border = 2 * STAR_RADII_PIXELS[-1][1] + 1
    canvas = np.zeros((rows + 2 * border, IMAGE_COLUMNS + 2 * border))
    _draw_stars(canvas, border, sources, width)
    _draw_galaxies(canvas, border, sources, width)
    light = canvas[border:-border, border:-border]
    image = light + sky + _draw_airglow(rng, rows, noise) + _draw_noise(rng, rows, noise)
    left, right = rng.integers(2, 5, 2)
    image = np.rint(image / ROUNDING_DN) * ROUNDING_DN
    image[:, :left] = np.nan
    image[:, IMAGE_COLUMNS - right :] = np.nan
    return image.astype(np.float32)


def _draw_stars(canvas: Floats, border: int, sources: ImageSources, width: float) -> None:
    least = 0.0
    for most, reach in STAR_RADII_PIXELS:
        in_range = (sources.light > least) & (sources.light <= most)
        _add_stars(canvas, border, sources.x[in_range], sources.y[in_range], sources.light[in_range], reach, width)
        least = most


def _add_stars(canvas: Floats, border: int, x: Floats, y: Floats, light: Floats, reach: int, width: float) -> None:
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    height, breadth = canvas.shape
    low, right, top = reach - border + 1, breadth - border - reach, height - border - reach
    inside_canvas = (column >= low) & (column <= right) & (row >= low) & (row <= top)
    x, y, light, column, row = (values[inside_canvas] for values in (x, y, light, column, row))
    offsets = np.arange(-reach, reach + 1)
    for n in range(x.size):
        dx, dy = offsets + column[n] - x[n], offsets + row[n] - y[n]
        area = np.s_[
            row[n] - reach + border - 1 : row[n] + reach + border,
            column[n] - reach + border - 1 : column[n] + reach + border,
        ]
        canvas[area] += light[n] * star_profile(dx[None, :], dy[:, None], width)


def _draw_galaxies(canvas: Floats, border: int, sources: ImageSources, width: float) -> None:
    for n in range(sources.galaxy_x.size):
        reach = int(np.clip(8 * sources.shapes.half[n], 24, 96))
        column, row = round(float(sources.galaxy_x[n])), round(float(sources.galaxy_y[n]))
        rows, columns = canvas.shape[0] - 2 * border, canvas.shape[1] - 2 * border
        if not (-reach < column < columns + reach and -reach < row < rows + reach):
            continue
        x, y = _place_grains(sources, n)
        spread = _grid_grains(x + sources.galaxy_x[n] - column, y + sources.galaxy_y[n] - row, reach)
        offsets = np.arange(-24.0, 25.0)
        blurred = fftconvolve(spread, star_profile(offsets[None, :], offsets[:, None], width), mode="same")
        top, left = row + border - 1 - reach, column + border - 1 - reach
        canvas[top : top + 2 * reach + 1, left : left + 2 * reach + 1] += sources.galaxy_light[n] * blurred


def _place_grains(sources: ImageSources, n: int) -> tuple[Floats, Floats]:
    """Return the positions x, y (GRAINS_PER_GALAXY,) of the grains of a galaxy from its centre, pixels."""
    shapes = sources.shapes
    share = (np.arange(GRAINS_PER_GALAXY) + 0.5) / GRAINS_PER_GALAXY
    radius = shapes.half[n] * (-np.log1p(-share) / np.log(2)) ** (1 / shapes.steepness[n])
    turn = np.arange(GRAINS_PER_GALAXY) * np.pi * (3 - np.sqrt(5))
    along, across = radius * np.cos(turn), radius * np.sin(turn) * shapes.ratio[n]
    sine, cosine = np.sin(sources.angles[n]), np.cos(sources.angles[n])
    return -along * sine - across * cosine, along * cosine - across * sine


def _grid_grains(x: Floats, y: Floats, reach: int) -> Floats:
    """Return an image (side, side) of grains of total light 1, each shared among the four pixels around it."""
    side = 2 * reach + 1
    grid = np.zeros((side, side))
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, up = x - column, y - row
    for dx, dy, share in (
        (0, 0, (1 - right) * (1 - up)),
        (1, 0, right * (1 - up)),
        (0, 1, (1 - right) * up),
        (1, 1, right * up),
    ):
        c, r = column + dx + reach, row + dy + reach
        inside = (c >= 0) & (c < side) & (r >= 0) & (r < side)
        np.add.at(grid, (r[inside], c[inside]), share[inside] / x.size)
    return grid


def _draw_airglow(rng: np.random.Generator, rows: int, noise: float) -> Floats:
    """Draw the airglow (rows, 512) in DN, which varies by a few times the noise of a pixel."""
    a, b, c = noise * rng.normal(0, 0.8, 3)
    across = np.linspace(-1, 1, IMAGE_COLUMNS)[None, :]
    along = np.linspace(-1, 1, rows)[:, None]
    return np.asarray(a * along + b * (along**2 - 1 / 3) + c * along * across)


def _draw_noise(rng: np.random.Generator, rows: int, noise: float) -> Floats:
    margin = 6
    white = rng.standard_normal((rows + 2 * margin, IMAGE_COLUMNS + 2 * margin), dtype=np.float32)
    smooth = gaussian_filter(white, CORRELATION_PIXELS)[margin:-margin, margin:-margin]
    return np.asarray(smooth * (noise * 2 * np.sqrt(np.pi) * CORRELATION_PIXELS), dtype=np.float64)

"""Pictures of images, as PNG or JPEG: one band in grey, or J, H and Ks as blue, green and red.

North is up and east to the left as nearly as quarter turns and a mirror allow; nothing is resampled for it, so the
picture of an Atlas image is turned by its CROTA2 (hundredths of a degree except near the poles). Pixels without a value
are black. Black is just below the sky, so that the noise is visible; brightness is scaled by asinh, in colours after
Lupton et al. (2004, PASP 116, 133), and a star of usual colour is white.

The comment of a picture is a FITS header with its WCS, which Aladin reads in a JPEG file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from astropy.io.fits import Header
from astropy.visualization import ZScaleInterval, make_lupton_rgb
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from vo_server.errors import Code, NoPixelsError, UsageError
from vo_server.images.image import Image
from vo_server.images.window import Window, find_window
from vo_server.sky.shapes import Shape

Floats = npt.NDArray[np.float32]
"""Pixel values, shape (rows, columns)."""

Layer = tuple[Image, int]
"""An image and the number of one of its planes, from 0."""

MAX_SIDE_PIXELS = 4096
"""Pixels of a side of a picture, at most."""

PREVIEW_PIXELS = 512
THUMBNAIL_PIXELS = 128

_JPEG_QUALITY = 90

# chosen by eye on M17, NGC 309, the Large Magellanic Cloud and the centre of the Galaxy
_BLACK_SIGMA = 0.8
"""Black is so many times the noise below the sky."""
_ASINH_SOFTENING = 0.06
"""The knee of asinh, as a fraction of the range from black to white."""
_STRETCH_SIGMA = 12.0
"""The brightness that a colour picture shows as medium, in units of the noise."""
_LUPTON_Q = 4.0
_BALANCE_EXPONENT = 0.6
_WHITE_ZERO_POINTS = (20.9, 20.4, 20.28)
"""Zero points under which a star of J-H 0.5 and H-Ks 0.12 has the same numbers in J, H and Ks."""


@dataclass(frozen=True, slots=True)
class PictureStyle:
    """The style of a picture. `size` is its longer side in pixels; None is that of the image, up to MAX_SIDE_PIXELS.

    Raises UsageError for a size out of range.
    """

    size: int | None = None
    format: Literal["png", "jpeg"] = "png"
    stretch: Literal["asinh", "zscale"] = "asinh"

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= MAX_SIDE_PIXELS:
            raise UsageError(
                f"a picture cannot have {self.size} pixels a side",
                hint=f"1 to {MAX_SIDE_PIXELS} are possible",
                code=Code.REQUEST_BAD_PARAMETER,
            )


def render_gray(layer: Layer, region: Shape | None = None, style: PictureStyle = PictureStyle()) -> bytes:
    """Return a grey picture of one plane, or of the part within a region.

    Raises NoPixelsError for a region without values.
    """
    window = _select_window(layer[0], region)
    values = _read_values(layer, window, style.size)
    low, high = _compute_limits(values) if style.stretch == "asinh" else _compute_zscale(values)
    bright = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-30), 0, 1)
    if style.stretch == "asinh":
        bright = np.arcsinh(bright / _ASINH_SOFTENING) / np.arcsinh(1 / _ASINH_SOFTENING)
    return _finish_picture((255 * bright + 0.5).astype(np.uint8), layer[0], window, style)


def render_colour(layers: Sequence[Layer], region: Shape | None = None, style: PictureStyle = PictureStyle()) -> bytes:
    """Return a colour picture of three planes of the same size, J, H and Ks in this order, or of the part in a region.

    Raises UsageError for planes of different sizes, NoPixelsError for a region without values.
    """
    windows = [_select_window(image, region) for image, _ in layers]
    j, h, k = (_read_values(layer, window, style.size) for layer, window in zip(layers, windows, strict=True))
    if not j.shape == h.shape == k.shape:
        message = "the three images do not cover the same pixels"
        raise UsageError(message, hint="take J, H and Ks of one coadd", code=Code.IMAGE_UNSUPPORTED)
    bands = _balance_colours(
        [
            _scale_to_zero_point(v, layer, zero)
            for v, layer, zero in zip((j, h, k), layers, _WHITE_ZERO_POINTS, strict=True)
        ]
    )
    noise = float(np.median([_estimate_noise(band) for band in bands]))
    blue, green, red = (np.nan_to_num(band, nan=-1e3 * noise) for band in bands)
    rgb = make_lupton_rgb(red, green, blue, minimum=-_BLACK_SIGMA * noise, stretch=_STRETCH_SIGMA * noise, Q=_LUPTON_Q)
    return _finish_picture(rgb, layers[0][0], windows[0], style)


def _select_window(image: Image, region: Shape | None) -> Window:
    _, rows, columns = image.shape
    return Window((0, rows), (0, columns)) if region is None else find_window(image.wcs, rows, columns, region)


def _read_values(layer: Layer, window: Window, size: int | None) -> Floats:
    """Return the values of a window, shrunk to a smaller picture; NaN is no value.

    Raises NoPixelsError where no pixel has a value.
    """
    image, plane = layer
    (values,) = image.read_physical(window.rows, window.columns, (plane,))
    finite = np.isfinite(values)
    if not finite.any():
        raise NoPixelsError("the image has no values in this region")
    size = min(size or MAX_SIDE_PIXELS, max(values.shape))
    if size == max(values.shape):
        return np.where(finite, values, np.nan)
    return shrink(values, *(max(1, round(n * size / max(values.shape))) for n in values.shape))


def shrink(values: Floats, rows: int, columns: int) -> Floats:
    """Return an image of so many pixels, each the mean of those that it covers; NaN where most of these are NaN."""
    finite = np.isfinite(values)
    share = _resize(finite.astype(np.float32), rows, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _resize(np.where(finite, values, 0), rows, columns) / share
    return np.where(share > 0.5, mean, np.nan).astype(np.float32)


def _resize(values: Floats, rows: int, columns: int) -> Floats:
    picture = Pillow.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(picture.resize((columns, rows), Pillow.Resampling.BOX), np.float32)


def _estimate_sky(values: Floats) -> float:
    return float(np.nanmedian(values))


def _estimate_noise(values: Floats) -> float:
    """Return the noise: the scatter of the darker half, which has few stars."""
    sky = _estimate_sky(values)
    dark = values[values <= sky]
    return max(1.4826 * float(np.median(sky - dark)), 1e-6)


def _compute_limits(values: Floats) -> tuple[float, float]:
    sky, noise = _estimate_sky(values), _estimate_noise(values)
    return sky - _BLACK_SIGMA * noise, max(float(np.nanpercentile(values, 99.7)), sky + 40 * noise)


def _compute_zscale(values: Floats) -> tuple[float, float]:
    low, high = ZScaleInterval().get_limits(values[np.isfinite(values)])
    return float(low), float(high)


def _scale_to_zero_point(values: Floats, layer: Layer, zero: float) -> Floats:
    """Return the values with the sky subtracted, scaled from the zero point of the layer to `zero`."""
    return (values - np.float32(_estimate_sky(values))) * np.float32(
        10 ** (-0.4 * (read_zero_point(layer, zero) - zero))
    )


def read_zero_point(layer: Layer, otherwise: float) -> float:
    """Return the photometric zero point of a layer in magnitudes, `otherwise` where its header has none."""
    image, plane = layer
    return float(image.header.get("MAGZP", image.header.get(f"{'JHK'[plane % 3]}MAGZP", otherwise)))


def _balance_colours(bands: Sequence[Floats]) -> list[Floats]:
    """Return the bands with most of the common colour of the field removed: behind much dust all would be red."""
    noise = float(np.median([_estimate_noise(band) for band in bands]))
    reach = [float(np.nanpercentile(band, 99)) + 10 * noise for band in bands]
    middle = float(np.exp(np.mean(np.log(reach))))
    return [band * np.float32((middle / r) ** _BALANCE_EXPONENT) for band, r in zip(bands, reach, strict=True)]


def _finish_picture(picture: npt.NDArray[np.uint8], image: Image, window: Window, style: PictureStyle) -> bytes:
    """Return the file of a picture whose rows are those of a window, shape (rows, columns[, 3]), south first."""
    turns, mirrored = _find_orientation(image)
    picture = np.rot90(picture[::-1], turns)
    output = Pillow.fromarray(np.ascontiguousarray(picture[:, ::-1] if mirrored else picture))
    if style.size is not None and style.size > max(output.size):
        factor = style.size / max(output.size)
        output = output.resize(
            (max(1, round(output.width * factor)), max(1, round(output.height * factor))), Pillow.Resampling.BICUBIC
        )
    return _encode(output, _build_wcs_comment(output.size, image, window, turns, mirrored), style)


def _find_orientation(image: Image) -> tuple[int, bool]:
    """Return the quarter turns to the left, and whether to mirror after them, for north up and east to the left."""
    _, rows, columns = image.shape
    (lon,), (lat,) = image.wcs.to_positions(columns / 2, rows / 2)
    step = image.wcs.compute_scale(columns / 2, rows / 2) * (1 if lat < 0 else -1)
    x, y = image.wcs.to_pixels([lon, lon, lon + step / max(np.cos(np.radians(lat)), 1e-6)], [lat, lat + step, lat])
    if not np.isfinite([*x, *y]).all():
        return 0, False
    north = complex(x[1] - x[0], y[1] - y[0]) * np.sign(step)
    east = complex(x[2] - x[0], y[2] - y[0]) * np.sign(step)
    turns = round(np.angle(1j / north) / (np.pi / 2)) % 4
    return turns, bool((east * 1j**turns).real > 0)


def _build_wcs_comment(size: tuple[int, int], image: Image, window: Window, turns: int, mirrored: bool) -> str:
    """Return the WCS of a picture as the cards of a FITS header, rows counted from below; "" where it has none."""
    pixels, sides = np.array(size, float), np.array([_count_pixels(window.columns), _count_pixels(window.rows)], float)
    back = np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), turns)
    rotation = back @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    corner = np.array([window.columns[0], window.rows[0]])
    shift = sides * (rotation @ (0.5 / pixels - 0.5) + 0.5) + corner - 0.5
    header = image.wcs.transform_header(sides[:, None] * rotation / pixels, shift)
    if header is None:
        return ""
    sized = Header([("SIMPLE", True), ("NAXIS", 2), ("NAXIS1", size[0]), ("NAXIS2", size[1]), *header.cards])
    return "\n".join([*(str(card).rstrip() for card in sized.cards), "END", ""])


def _count_pixels(of: tuple[int, int]) -> int:
    return of[1] - of[0]


def _encode(output: Pillow.Image, comment: str, style: PictureStyle) -> bytes:
    """Return the file, with a comment that Aladin reads."""
    file = io.BytesIO()
    if style.format == "jpeg":
        output.save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0, comment=comment.encode("ascii"))
    else:
        info = PngInfo()
        info.add_text("Comment", comment)
        output.save(file, "PNG", pnginfo=info)
    return file.getvalue()

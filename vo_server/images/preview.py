"""Pictures of images, as PNG or JPEG: one band in grey, or J, H and Ks as blue, green and red.

North is up and east to the left as nearly as quarter turns and a mirror can have it; nothing is resampled for it, so
the picture of an Atlas image is turned by its CROTA2 (hundredths of a degree but near the poles). What has no value is
black. Black is just below the sky, so that the noise can be seen; brightness goes with asinh, in colours as Lupton et
al. (2004, PASP 116, 133) have it, and a star of usual colour is white.

A picture says where it lies on the sky: its comment is a FITS header, which Aladin reads in a JPEG file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from astropy.visualization import ZScaleInterval, make_lupton_rgb
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from vo_server.errors import NoPixelsError, UsageError
from vo_server.images.image import Image
from vo_server.images.window import Window, window
from vo_server.sky.shapes import Shape

Floats = npt.NDArray[np.float32]
Layer = tuple[Image, int]
"""An image and the number of a plane of it, from 0."""

LARGEST = 4096
"""Pixels that a side of a picture may have."""

PREVIEW = 512
THUMBNAIL = 128

_QUALITY = 90

# tried on M17, NGC 309, the Large Magellanic Cloud and the centre of the Galaxy, and looked at
_BLACK = 0.8
"""How far below the sky black is, in its noise."""
_SOFT = 0.06
"""Where asinh begins to bend, as a part of the range from black to white."""
_STRETCH = 12.0
"""How bright, in the noise, what a colour picture shows as medium is."""
_Q = 4.0
_BALANCE = 0.6
_WHITE = (20.9, 20.4, 20.28)
"""Zero points under which a star of J-H 0.5 and H-Ks 0.12 has the same numbers in J, H and Ks."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is wanted: `size` is its longer side in pixels; where there is none, as many as the image has, and
    LARGEST at the most.

    Raises UsageError for a size that is not possible.
    """

    size: int | None = None
    format: Literal["png", "jpeg"] = "png"
    stretch: Literal["asinh", "zscale"] = "asinh"

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= LARGEST:
            raise UsageError(f"a picture of {self.size} pixels a side", hint=f"1 to {LARGEST} are possible")


def gray(layer: Layer, region: Shape | None = None, look: Look = Look()) -> bytes:
    """A picture of one plane, or of what a region has of it.

    Raises NoPixelsError where the region has nothing.
    """
    found = _window(layer[0], region)
    values = _values(layer, found, look.size)
    low, high = _limits(values) if look.stretch == "asinh" else _zscale(values)
    bright = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-30), 0, 1)
    if look.stretch == "asinh":
        bright = np.arcsinh(bright / _SOFT) / np.arcsinh(1 / _SOFT)
    return _finished((255 * bright + 0.5).astype(np.uint8), layer[0], found, look)


def colour(layers: Sequence[Layer], region: Shape | None = None, look: Look = Look()) -> bytes:
    """A picture of three planes, J, H and Ks in this order, that lie over one another, or of what a region has of them.

    Raises UsageError where they do not, NoPixelsError where the region has nothing.
    """
    windows = [_window(image, region) for image, _ in layers]
    j, h, k = (_values(layer, found, look.size) for layer, found in zip(layers, windows, strict=True))
    if not j.shape == h.shape == k.shape:
        raise UsageError("these three images do not lie over one another", hint="take J, H and Ks of one coadd")
    bands = _balanced([_weighed(v, layer, zero) for v, layer, zero in zip((j, h, k), layers, _WHITE, strict=True)])
    noise = float(np.median([_noise(band) for band in bands]))
    blue, green, red = (np.nan_to_num(band, nan=-1e3 * noise) for band in bands)
    rgb = make_lupton_rgb(red, green, blue, minimum=-_BLACK * noise, stretch=_STRETCH * noise, Q=_Q)
    return _finished(rgb, layers[0][0], windows[0], look)


def _window(image: Image, region: Shape | None) -> Window:
    _, rows, columns = image.shape
    return Window((0, rows), (0, columns)) if region is None else window(image.sky, rows, columns, region)


def _values(layer: Layer, found: Window, size: int | None) -> Floats:
    """The values of a window, fewer of them where a smaller picture is wanted; NaN where there is none."""
    image, plane = layer
    (values,) = image.physical(found.rows, found.columns, (plane,))
    there = np.isfinite(values)
    if not there.any():
        raise NoPixelsError("the image has no values in this region")
    size = min(size or LARGEST, max(values.shape))
    if size == max(values.shape):
        return np.where(there, values, np.nan)
    return shrunk(values, *(max(1, round(n * size / max(values.shape))) for n in values.shape))


def shrunk(values: Floats, rows: int, columns: int) -> Floats:
    """As many pixels, each the mean of those that it covers; NaN where most of these are."""
    there = np.isfinite(values)
    share = _shrunk(there.astype(np.float32), rows, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _shrunk(np.where(there, values, 0), rows, columns) / share
    return np.where(share > 0.5, mean, np.nan).astype(np.float32)


def _shrunk(values: Floats, rows: int, columns: int) -> Floats:
    picture = Pillow.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(picture.resize((columns, rows), Pillow.Resampling.BOX), np.float32)


def _sky(values: Floats) -> float:
    return float(np.nanmedian(values))


def _noise(values: Floats) -> float:
    """The scatter of the darker half, which has few stars."""
    sky = _sky(values)
    dark = values[values <= sky]
    return max(1.4826 * float(np.median(sky - dark)), 1e-6)


def _limits(values: Floats) -> tuple[float, float]:
    sky, noise = _sky(values), _noise(values)
    return sky - _BLACK * noise, max(float(np.nanpercentile(values, 99.7)), sky + 40 * noise)


def _zscale(values: Floats) -> tuple[float, float]:
    low, high = ZScaleInterval().get_limits(values[np.isfinite(values)])
    return float(low), float(high)


def _weighed(values: Floats, layer: Layer, zero: float) -> Floats:
    """Without the sky, and as if the zero point were another."""
    return (values - np.float32(_sky(values))) * np.float32(10 ** (-0.4 * (zero_point(layer, zero) - zero)))


def zero_point(layer: Layer, otherwise: float) -> float:
    """The photometric zero point of a layer, in magnitudes; another where its header has none."""
    image, plane = layer
    return float(image.header.get("MAGZP", image.header.get(f"{'JHK'[plane % 3]}MAGZP", otherwise)))


def _balanced(bands: Sequence[Floats]) -> list[Floats]:
    """A good part of what is common to the colours of a field is taken off: behind much dust all would be red."""
    noise = float(np.median([_noise(band) for band in bands]))
    reach = [float(np.nanpercentile(band, 99)) + 10 * noise for band in bands]
    middle = float(np.exp(np.mean(np.log(reach))))
    return [band * np.float32((middle / r) ** _BALANCE) for band, r in zip(bands, reach, strict=True)]


def _finished(picture: npt.NDArray[np.uint8], image: Image, found: Window, look: Look) -> bytes:
    """The bytes of a picture whose rows are those of a window, south first."""
    turns, mirrored = _turn(image)
    picture = np.rot90(picture[::-1], turns)
    made = Pillow.fromarray(np.ascontiguousarray(picture[:, ::-1] if mirrored else picture))
    if look.size is not None and look.size > max(made.size):
        grown = look.size / max(made.size)
        made = made.resize(
            (max(1, round(made.width * grown)), max(1, round(made.height * grown))), Pillow.Resampling.BICUBIC
        )
    return _encoded(made, _placed(made.size, image, found, turns, mirrored), look)


def _turn(image: Image) -> tuple[int, bool]:
    """How many quarter turns to the left, and then whether a mirror, bring north up and east to the left."""
    _, rows, columns = image.shape
    (lon,), (lat,) = image.sky.positions(columns / 2, rows / 2)
    step = image.sky.scale(columns / 2, rows / 2) * (1 if lat < 0 else -1)
    x, y = image.sky.pixels([lon, lon, lon + step / max(np.cos(np.radians(lat)), 1e-6)], [lat, lat + step, lat])
    if not np.isfinite([*x, *y]).all():
        return 0, False
    north = complex(x[1] - x[0], y[1] - y[0]) * np.sign(step)
    east = complex(x[2] - x[0], y[2] - y[0]) * np.sign(step)
    turns = round(np.angle(1j / north) / (np.pi / 2)) % 4
    return turns, bool((east * 1j**turns).real > 0)


def _placed(size: tuple[int, int], image: Image, found: Window, turns: int, mirrored: bool) -> str:
    """Where on the sky a picture lies, as the cards of a FITS header, whose rows are counted from below."""
    pixels, sides = np.array(size, float), np.array([_length(found.columns), _length(found.rows)], float)
    back = np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), turns)
    turned = back @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    corner = np.array([found.columns[0], found.rows[0]])
    shift = sides * (turned @ (0.5 / pixels - 0.5) + 0.5) + corner - 0.5
    header = image.sky.through(sides[:, None] * turned / pixels, shift)
    if header is None:
        return ""
    cards = [f"SIMPLE  = {'T':>20}", f"NAXIS   = {2:20}", f"NAXIS1  = {size[0]:20}", f"NAXIS2  = {size[1]:20}"]
    return "\n".join([*cards, *(str(card).rstrip() for card in header.cards), "END", ""])


def _length(of: tuple[int, int]) -> int:
    return of[1] - of[0]


def _encoded(made: Pillow.Image, comment: str, look: Look) -> bytes:
    """The file, with a comment that Aladin knows."""
    file = io.BytesIO()
    if look.format == "jpeg":
        made.save(file, "JPEG", quality=_QUALITY, subsampling=0, comment=comment.encode("ascii"))
    else:
        info = PngInfo()
        info.add_text("Comment", comment)
        made.save(file, "PNG", pnginfo=info)
    return file.getvalue()

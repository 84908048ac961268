"""Pictures of images, as PNG or JPEG: one band in grey, or J, H and Ks as blue, green and red.

North is up and east to the left as nearly as quarter turns and a mirror can have it; nothing is resampled for it, so
the picture of an Atlas image is turned by its CROTA2 (hundredths of a degree but near the poles). What has no value is
black. Black is just below the sky, so that the noise can be seen; brightness goes with asinh, in colours as Lupton et
al. (2004, PASP 116, 133) have it, and a star of usual colour is white.
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

from vo_server.errors import NoPixelsFault, UsageFault
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

    Raises UsageFault for a size that is not possible.
    """

    size: int | None = None
    format: Literal["png", "jpeg"] = "png"
    stretch: Literal["asinh", "zscale"] = "asinh"

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= LARGEST:
            raise UsageFault(f"a picture of {self.size} pixels a side", hint=f"1 to {LARGEST} are possible")


def gray(layer: Layer, region: Shape | None = None, look: Look = Look()) -> bytes:
    """A picture of one plane, or of what a region has of it.

    Raises NoPixelsFault where the region has nothing.
    """
    values = _values(layer, _window(layer[0], region), look.size)
    low, high = _limits(values) if look.stretch == "asinh" else _zscale(values)
    bright = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-30), 0, 1)
    if look.stretch == "asinh":
        bright = np.arcsinh(bright / _SOFT) / np.arcsinh(1 / _SOFT)
    return _encoded(_upright((255 * bright + 0.5).astype(np.uint8), layer[0]), look)


def colour(layers: Sequence[Layer], region: Shape | None = None, look: Look = Look()) -> bytes:
    """A picture of three planes, J, H and Ks in this order, that lie over one another, or of what a region has of them.

    Raises UsageFault where they do not, NoPixelsFault where the region has nothing.
    """
    j, h, k = (_values(layer, _window(layer[0], region), look.size) for layer in layers)
    if not j.shape == h.shape == k.shape:
        raise UsageFault("these three images do not lie over one another", hint="take J, H and Ks of one coadd")
    bands = _balanced([_weighed(v, layer, zero) for v, layer, zero in zip((j, h, k), layers, _WHITE, strict=True)])
    noise = float(np.median([_noise(band) for band in bands]))
    blue, green, red = (np.nan_to_num(band, nan=-1e3 * noise) for band in bands)
    rgb = make_lupton_rgb(red, green, blue, minimum=-_BLACK * noise, stretch=_STRETCH * noise, Q=_Q)
    return _encoded(_upright(rgb, layers[0][0]), look)


def _window(image: Image, region: Shape | None) -> Window:
    _, rows, columns = image.shape
    return Window((0, rows), (0, columns)) if region is None else window(image.sky, rows, columns, region)


def _values(layer: Layer, found: Window, size: int | None) -> Floats:
    """The values of a window, fewer of them where a smaller picture is wanted; NaN where there is none."""
    image, plane = layer
    (values,) = image.physical(found.rows, found.columns, (plane,))
    there = np.isfinite(values)
    if not there.any():
        raise NoPixelsFault("the image has no values in this region")
    size = min(size or LARGEST, max(values.shape))
    if size == max(values.shape):
        return np.where(there, values, np.nan)
    rows, columns = (max(1, round(n * size / max(values.shape))) for n in values.shape)
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
    image, plane = layer
    header = image.header
    said = header.get("MAGZP", header.get(f"{'JHK'[plane % 3]}MAGZP", zero))
    return (values - np.float32(_sky(values))) * np.float32(10 ** (-0.4 * (float(said) - zero)))


def _balanced(bands: Sequence[Floats]) -> list[Floats]:
    """A good part of what is common to the colours of a field is taken off: behind much dust all would be red."""
    noise = float(np.median([_noise(band) for band in bands]))
    reach = [float(np.nanpercentile(band, 99)) + 10 * noise for band in bands]
    middle = float(np.exp(np.mean(np.log(reach))))
    return [band * np.float32((middle / r) ** _BALANCE) for band, r in zip(bands, reach, strict=True)]


def _upright(picture: npt.NDArray[np.uint8], image: Image) -> npt.NDArray[np.uint8]:
    """Rows from the top, turned and mirrored so that north is up and east to the left."""
    picture = picture[::-1]
    _, rows, columns = image.shape
    (lon,), (lat,) = image.sky.positions(columns / 2, rows / 2)
    step = image.sky.scale(columns / 2, rows / 2) * (1 if lat < 0 else -1)
    x, y = image.sky.pixels([lon, lon, lon + step / max(np.cos(np.radians(lat)), 1e-6)], [lat, lat + step, lat])
    if not np.isfinite([*x, *y]).all():
        return picture
    north = complex(x[1] - x[0], y[1] - y[0]) * np.sign(step)
    east = complex(x[2] - x[0], y[2] - y[0]) * np.sign(step)
    turns = round(np.angle(1j / north) / (np.pi / 2)) % 4
    picture = np.rot90(picture, turns)
    return picture[:, ::-1] if (east * 1j**turns).real > 0 else picture


def _encoded(picture: npt.NDArray[np.uint8], look: Look) -> bytes:
    made = Pillow.fromarray(np.ascontiguousarray(picture))
    if look.size is not None and look.size > max(made.size):
        grown = look.size / max(made.size)
        made = made.resize(
            (max(1, round(made.width * grown)), max(1, round(made.height * grown))), Pillow.Resampling.BICUBIC
        )
    file = io.BytesIO()
    if look.format == "jpeg":
        made.save(file, "JPEG", quality=_QUALITY, subsampling=0)
    else:
        made.save(file, "PNG")
    return file.getvalue()

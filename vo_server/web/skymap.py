"""A coverage map of the sky as SVG, in Mollweide's projection, ICRS, with east to the left."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vo_server.sky import cover, footprint, frames, mocs, vectors

Floats = npt.NDArray[np.float64]

WIDTH_PIXELS, HEIGHT_PIXELS = 640, 320
"""Size of the ellipse; RA 0 is at its centre."""

SAMPLES_PER_PIXEL = 2
"""Samples along each side of a pixel, for smooth edges."""

COVERED_RGB = (98, 158, 219)

RING_RADIUS_PIXELS, MAX_PATCH_DEGREES = 7, 3.0
"""The radius of a ring, and the largest patch that it surrounds; a pixel is 0.6 degrees."""

VISIBLE_ORDER = 4
"""A cell of this HEALPix order is 6 pixels wide and visible without a ring."""

MAX_RINGS, MAX_RING_CELLS = 30, 20_000
SKY_SQUARE_DEGREES = float(4 * np.pi * np.degrees(1.0) ** 2)
"""The area of the whole sky."""

_STYLE = """
.sky { fill: #eef1f5; } .net { fill: none; stroke: #47525e; stroke-width: .6; opacity: .4; }
.milky { fill: none; stroke: #c8641b; stroke-width: 1.4; stroke-dasharray: 5 4; }
.rim { fill: none; stroke: #8a94a0; } text { font: 11px system-ui, sans-serif; fill: #57606a; }
.ring { fill: none; stroke: #0b5cad; stroke-width: 1.6; } .dot { fill: #0b5cad; }
.hour { fill: #1b1f24; stroke: #fff; stroke-width: 2.5; stroke-opacity: .6; paint-order: stroke; }
@media (prefers-color-scheme: dark) {
  .sky { fill: #2b333b; } text { fill: #9aa4ad; } .hour { fill: #1b1f24; }
  .ring { stroke: #7db7f0; } .dot { fill: #7db7f0; }
}
"""


def render_sky_map(text: str) -> str:
    """Return the picture of a MOC in ASCII: its cells, a grid of 30 degrees and the plane of the Milky Way.

    Patches that are too small to be visible have a ring around them.
    """
    width, height = WIDTH_PIXELS, HEIGHT_PIXELS
    label = _describe_fraction(footprint.sky_fraction(text))
    marks = (("ring", RING_RADIUS_PIXELS), ("dot", 1.2))
    rings = "".join(
        f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>'
        for x, y in _find_ring_centres(text)
        for name, r in marks
    )
    net = "".join(f'<path class="net" d="{_format_path(*line)}"/>' for line in _iter_grid_lines())
    milky = "".join(f'<path class="milky" d="{_format_path(lon, lat)}"/>' for lon, lat in _trace_galactic_plane())
    hours = "".join(
        _format_label(_project_point(-ra, 0.0), 0, 13, f"{ra // 15 % 24}h", "hour") for ra in range(-150, 180, 60)
    )
    degrees = "".join(
        _format_label(_project_point(-180.0, dec), -19, 4, f"{dec:+d}°".replace("-", "−"), "height")
        for dec in (-60, -30, 30, 60)
    )
    image = base64.b64encode(_encode_png(_compute_covered_fractions(text))).decode()
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="-34 -14 {width + 68} {height + 46}" role="img">
<title>Coverage: {label}</title>
<style>{_STYLE}</style>
<ellipse class="sky" cx="{width / 2}" cy="{height / 2}" rx="{width / 2}" ry="{height / 2}"/>
<image width="{width}" height="{height}" href="data:image/png;base64,{image}"/>
{net}{rings}
{milky}
<ellipse class="rim" cx="{width / 2}" cy="{height / 2}" rx="{width / 2}" ry="{height / 2}"/>
{hours}{degrees}
<text x="{width / 2}" y="{height + 24}" text-anchor="middle">{label}, ICRS; dashed: the plane of the Milky Way</text>
</svg>
"""


def _describe_fraction(part: float) -> str:
    """Return a fraction of the sky in words."""
    if part < 0.001:
        return f"{part * SKY_SQUARE_DEGREES:.2g} square degrees"
    return f"{100 * part:.3g}% of the sky" if part < 0.9995 else "the whole sky"


# ------------------------------------------------------------------ rings


def _find_ring_centres(text: str) -> list[tuple[float, float]]:
    """Return the centres of small patches in pixels, (x, y); empty if there are many cells or a visible one."""
    cells = mocs.to_cells(mocs.parse_moc(text)[1])
    if sum(len(numbers) for _, numbers in cells) > MAX_RING_CELLS:
        return []
    points = [
        vectors.unit_vectors(*cover.cell_centres(numbers, order)) for order, numbers in cells if order > VISIBLE_ORDER
    ]
    seen = any(order <= VISIBLE_ORDER for order, _ in cells)
    patches = [] if seen or not points else _group_patches(np.concatenate(points))
    lon, lat = vectors.to_lonlat(np.array([each.mean(axis=0) for each in patches]).reshape(-1, 3))
    return [_project_point(180 - (ra + 180) % 360, dec) for ra, dec in zip(lon.tolist(), lat.tolist(), strict=True)]


def _group_patches(points: Floats) -> list[Floats]:
    """Group unit vectors, (n, 3), into patches that a ring surrounds; return none if there are too many."""
    patches: list[Floats] = []
    reach = np.cos(np.radians(MAX_PATCH_DEGREES))
    while len(points):
        near = points @ points[0] > reach
        patches.append(points[near])
        points = points[~near]
        if len(patches) > MAX_RINGS:
            return []
    return patches


# ------------------------------------------------------------- projection


def _project_point(lon: float, lat: float) -> tuple[float, float]:
    """Return the pixel of a position in degrees; `lon` counts to the right from the centre of the picture."""
    x, y = _project(np.array([lon]), np.array([lat]))
    return float(x[0]), float(y[0])


def _project(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return the pixels (x, y) of positions in degrees, each of shape (n,); lon runs from -180 to 180 to the right."""
    phi = np.radians(lat)
    theta = np.copy(phi)
    for _ in range(30):  # Newton's method for 2t + sin 2t = pi sin phi, whose slope vanishes at the poles
        slope = 2 + 2 * np.cos(2 * theta)
        step = 2 * theta + np.sin(2 * theta) - np.pi * np.sin(phi)
        theta = theta - np.divide(step, slope, out=np.zeros_like(step), where=slope > 1e-9)
    return WIDTH_PIXELS / 2 * (1 + lon / 180 * np.cos(theta)), HEIGHT_PIXELS / 2 * (1 - np.sin(theta))


@lru_cache(maxsize=1)
def _compute_sample_positions() -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """Return the mask of the samples on the sky, (height, width) in samples, and their RA and Dec in degrees, (n,)."""
    columns, rows = WIDTH_PIXELS * SAMPLES_PER_PIXEL, HEIGHT_PIXELS * SAMPLES_PER_PIXEL
    x = (np.arange(columns) + 0.5) / columns * 2 - 1
    y = 1 - (np.arange(rows) + 0.5) / rows * 2
    across, up = np.meshgrid(x, y)
    inside = across**2 + up**2 < 1
    theta = np.arcsin(up[inside])
    lat = np.degrees(np.arcsin((2 * theta + np.sin(2 * theta)) / np.pi))
    lon = 180 * across[inside] / np.cos(theta)
    return inside, -lon % 360, lat


def _compute_covered_fractions(text: str) -> npt.NDArray[np.float64]:
    """Return the covered fraction of each pixel, 0 to 1, shape (height, width)."""
    inside, ra, dec = _compute_sample_positions()
    samples = np.zeros(inside.shape)
    samples[inside] = footprint.contains_positions(text, ra, dec)
    shape = (HEIGHT_PIXELS, SAMPLES_PER_PIXEL, WIDTH_PIXELS, SAMPLES_PER_PIXEL)
    return np.asarray(samples.reshape(shape).mean(axis=(1, 3)))


# ------------------------------------------------------------------ lines


def _iter_grid_lines() -> Iterator[tuple[Floats, Floats]]:
    along = np.linspace(-90, 90, 61)
    for lon in range(-150, 180, 30):
        yield np.full(len(along), float(lon)), along
    for lat in range(-60, 90, 30):
        yield np.array([-180.0, 180.0]), np.full(2, float(lat))


def _trace_galactic_plane() -> list[tuple[Floats, Floats]]:
    """Return the plane of the Milky Way as (lon, lat) in degrees, in pieces that do not cross the edge."""
    along = np.linspace(0, 360, 361)
    ra, dec = frames.rotate("GALACTIC", "ICRS", along, np.zeros(len(along)))
    lon = 180 - (ra + 180) % 360
    cuts = np.flatnonzero(abs(np.diff(lon)) > 180) + 1
    return [(a, b) for a, b in zip(np.split(lon, cuts), np.split(dec, cuts), strict=True) if len(a) > 1]


def _format_path(lon: Floats, lat: Floats) -> str:
    x, y = _project(lon, lat)
    return "M" + " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _format_label(pixel: tuple[float, float], right: int, down: int, text: str, name: str) -> str:
    x, y = pixel
    return f'<text class="{name}" x="{x + right:.1f}" y="{y + down:.1f}" text-anchor="middle">{text}</text>'


# -------------------------------------------------------------------- PNG


def _encode_png(alpha: npt.NDArray[np.float64]) -> bytes:
    """Return a PNG of one colour with the given opacities, 0 to 1, (height, width), in a palette of sixteen steps."""
    steps = np.round(alpha * 15).astype(np.uint8)
    height, width = steps.shape
    packed = (steps[:, ::2] << 4) | steps[:, 1::2]
    lines = np.concatenate([np.zeros((height, 1), dtype=np.uint8), packed], axis=1)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)),
        (b"PLTE", bytes(COVERED_RGB) * 16),
        (b"tRNS", bytes(17 * n for n in range(16))),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_iter_png_chunks(chunks))


def _iter_png_chunks(chunks: Iterable[tuple[bytes, Sequence[int] | bytes]]) -> Iterator[bytes]:
    for name, data in chunks:
        body = name + bytes(data)
        yield struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

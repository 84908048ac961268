"""A map of the sky as a picture: what is covered, in Mollweide's projection, ICRS, east to the left."""

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

WIDTH, HEIGHT = 640, 320
"""Of the ellipse, in pixels; RA 0 is in its middle."""

FINER = 2
"""Places looked at along either side of a pixel, so that edges are smooth."""

COLOUR = (98, 158, 219)

RING, RING_DEGREES = 7, 3.0
"""The radius of a ring in pixels, and in degrees what it holds at the most: one is 0.6 degrees."""

SEEN = 4
"""A cell of this order, 6 pixels wide, can be seen without a ring."""

MOST_RINGS, MOST_CELLS = 30, 20_000
SKY = float(4 * np.pi * np.degrees(1.0) ** 2)
"""Square degrees."""

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


def svg(text: str) -> str:
    """The picture of a map in ASCII: its cells, a net of 30 degrees and the plane of the Milky Way. What is too small
    to be seen has a ring about it."""
    said = _said(footprint.part(text))
    marks = (("ring", RING), ("dot", 1.2))
    rings = "".join(
        f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>' for x, y in _rings(text) for name, r in marks
    )
    net = "".join(f'<path class="net" d="{_path(*line)}"/>' for line in _net())
    milky = "".join(f'<path class="milky" d="{_path(lon, lat)}"/>' for lon, lat in _galactic())
    hours = "".join(_label(_place(-ra, 0.0), 0, 13, f"{ra // 15 % 24}h", "hour") for ra in range(-150, 180, 60))
    heights = "".join(
        _label(_place(-180.0, dec), -19, 4, f"{dec:+d}°".replace("-", "−"), "height") for dec in (-60, -30, 30, 60)
    )
    image = base64.b64encode(_png(_covered(text))).decode()
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="-34 -14 {WIDTH + 68} {HEIGHT + 46}" role="img">
<title>Coverage: {said}</title>
<style>{_STYLE}</style>
<ellipse class="sky" cx="{WIDTH / 2}" cy="{HEIGHT / 2}" rx="{WIDTH / 2}" ry="{HEIGHT / 2}"/>
<image width="{WIDTH}" height="{HEIGHT}" href="data:image/png;base64,{image}"/>
{net}{rings}
{milky}
<ellipse class="rim" cx="{WIDTH / 2}" cy="{HEIGHT / 2}" rx="{WIDTH / 2}" ry="{HEIGHT / 2}"/>
{hours}{heights}
<text x="{WIDTH / 2}" y="{HEIGHT + 24}" text-anchor="middle">{said}, ICRS; dashed: the plane of the Milky Way</text>
</svg>
"""


def _said(part: float) -> str:
    """How much of the sky, for people."""
    if part < 0.001:
        return f"{part * SKY:.2g} square degrees"
    return f"{100 * part:.3g}% of the sky" if part < 0.9995 else "the whole sky"


# ------------------------------------------------------------------ rings


def _rings(text: str) -> list[tuple[float, float]]:
    """The middles of the small patches in the picture; of none where there are many."""
    cells = mocs.cells_of(mocs.read(text)[1])
    if sum(len(numbers) for _, numbers in cells) > MOST_CELLS:
        return []
    places = [vectors.unit(*cover.centres(numbers, order)) for order, numbers in cells if order > SEEN]
    seen = any(order <= SEEN for order, _ in cells)
    patches = [] if seen or not places else _patches(np.concatenate(places))
    lon, lat = vectors.lonlat(np.array([each.mean(axis=0) for each in patches]).reshape(-1, 3))
    return [_place(180 - (ra + 180) % 360, dec) for ra, dec in zip(lon.tolist(), lat.tolist(), strict=True)]


def _patches(places: Floats) -> list[Floats]:
    """Positions, (n, 3), in groups that a ring holds; none where these are many, or lie side by side."""
    patches: list[Floats] = []
    reach = np.cos(np.radians(RING_DEGREES))
    while len(places):
        near = places @ places[0] > reach
        patches.append(places[near])
        places = places[~near]
        if len(patches) > MOST_RINGS:
            return []
    return patches


# ------------------------------------------------------------- projection


def _place(lon: float, lat: float) -> tuple[float, float]:
    """Where a position lies in the picture; `lon` is counted to the right from its middle."""
    x, y = _projected(np.array([lon]), np.array([lat]))
    return float(x[0]), float(y[0])


def _projected(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Pixels of positions in degrees, lon -180 to 180 to the right."""
    phi = np.radians(lat)
    theta = np.copy(phi)
    for _ in range(30):  # Newton's steps on 2t + sin 2t = pi sin phi, which has no slope at the poles
        slope = 2 + 2 * np.cos(2 * theta)
        step = 2 * theta + np.sin(2 * theta) - np.pi * np.sin(phi)
        theta = theta - np.divide(step, slope, out=np.zeros_like(step), where=slope > 1e-9)
    return WIDTH / 2 * (1 + lon / 180 * np.cos(theta)), HEIGHT / 2 * (1 - np.sin(theta))


@lru_cache(maxsize=1)
def _pixels() -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """Which places of the picture are on the sky, and their right ascensions and declinations."""
    x = (np.arange(WIDTH * FINER) + 0.5) / (WIDTH * FINER) * 2 - 1
    y = 1 - (np.arange(HEIGHT * FINER) + 0.5) / (HEIGHT * FINER) * 2
    across, up = np.meshgrid(x, y)
    inside = across**2 + up**2 < 1
    theta = np.arcsin(up[inside])
    lat = np.degrees(np.arcsin((2 * theta + np.sin(2 * theta)) / np.pi))
    lon = 180 * across[inside] / np.cos(theta)
    return inside, -lon % 360, lat


def _covered(text: str) -> npt.NDArray[np.float64]:
    """How much of each pixel is covered, 0 to 1."""
    inside, ra, dec = _pixels()
    found = np.zeros(inside.shape)
    found[inside] = footprint.holds(text, ra, dec)
    return np.asarray(found.reshape(HEIGHT, FINER, WIDTH, FINER).mean(axis=(1, 3)))


# ------------------------------------------------------------------ lines


def _net() -> Iterator[tuple[Floats, Floats]]:
    along = np.linspace(-90, 90, 61)
    for lon in range(-150, 180, 30):
        yield np.full(len(along), float(lon)), along
    for lat in range(-60, 90, 30):
        yield np.array([-180.0, 180.0]), np.full(2, float(lat))


def _galactic() -> list[tuple[Floats, Floats]]:
    """The plane of the Milky Way, in pieces that do not run across the picture."""
    along = np.linspace(0, 360, 361)
    ra, dec = frames.rotate("GALACTIC", "ICRS", along, np.zeros(len(along)))
    lon = 180 - (ra + 180) % 360
    cuts = np.flatnonzero(abs(np.diff(lon)) > 180) + 1
    return [(a, b) for a, b in zip(np.split(lon, cuts), np.split(dec, cuts), strict=True) if len(a) > 1]


def _path(lon: Floats, lat: Floats) -> str:
    x, y = _projected(lon, lat)
    return "M" + " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _label(place: tuple[float, float], right: int, down: int, text: str, name: str) -> str:
    x, y = place
    return f'<text class="{name}" x="{x + right:.1f}" y="{y + down:.1f}" text-anchor="middle">{text}</text>'


# -------------------------------------------------------------------- PNG


def _png(alpha: npt.NDArray[np.float64]) -> bytes:
    """A picture of one colour whose pixels cover so much, 0 to 1: sixteen steps of a palette."""
    steps = np.round(alpha * 15).astype(np.uint8)
    height, width = steps.shape
    packed = (steps[:, ::2] << 4) | steps[:, 1::2]
    lines = np.concatenate([np.zeros((height, 1), dtype=np.uint8), packed], axis=1)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)),
        (b"PLTE", bytes(COLOUR) * 16),
        (b"tRNS", bytes(17 * n for n in range(16))),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunks(chunks))


def _chunks(chunks: Iterable[tuple[bytes, Sequence[int] | bytes]]) -> Iterator[bytes]:
    for name, data in chunks:
        body = name + bytes(data)
        yield struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

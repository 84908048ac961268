"""The density of 2MASS sources over the sky, in the cells for which rows are drawn.

A cell is the part of a tile in a strip of declination. The mean density is a formula for disc, bulge and Magellanic
Clouds that was fitted to the release, roughened by patches of extinction and then scaled so that each degree of
declination has its true share of the 470,992,970 rows.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from vo_server.demo.survey import (
    ZONE_DEG,
    ZONES,
    Floats,
    Ints,
    count_tiles_per_zone,
    make_survey,
)
from vo_server.sky.vectors import unit_vectors

PSC_ROWS = 470_992_970
XSC_ROWS = 1_647_599

GALACTIC_ROTATION = np.array(
    [
        [-0.0548755604162154, -0.8734370902348850, -0.4838350155487132],
        [+0.4941094278755837, -0.4448296299600112, +0.7469822444972189],
        [-0.8676661490190047, -0.1980763734312015, +0.4559837761750669],
    ]
)
"""The rotation (3, 3) from ICRS to Galactic unit vectors (IAU 1958 as in the Hipparcos catalogue)."""

MAX_DENSITY = 150_000.0
"""Maximum sources per square degree, limited by confusion."""

KROWS_PER_DEGREE = np.array(
    [
        18, 54, 89, 125, 160, 196, 247, 285, 329, 370, 429, 489, 563, 652, 760, 890, 1081, 1251,
        1435, 1702, 1999, 2186, 2454, 2841, 3280, 3663, 4158, 4593, 4890, 5068, 5105, 5010, 4877,
        4773, 4735, 4720, 4754, 4614, 4506, 4448, 4371, 4332, 4420, 4330, 4303, 4253, 4178, 4127,
        4154, 4084, 4101, 4155, 4170, 4163, 4320, 4350, 4395, 4446, 4501, 4610, 4732, 4662, 4472,
        4378, 4283, 4200, 4272, 4197, 4151, 4117, 4042, 4008, 3868, 3775, 3739, 3666, 3602, 3533,
        3525, 3468, 3441, 3401, 3360, 3340, 3372, 3248, 3193, 3183, 3217, 3235, 3085, 3019, 3057,
        3035, 2986, 2985, 3011, 2973, 2983, 2974, 2951, 2972, 2984, 2949, 2936, 2920, 2908, 2898,
        2895, 2880, 2848, 2827, 2783, 2770, 2721, 2694, 2666, 2664, 2672, 2684, 2680, 2632, 2627,
        2643, 2600, 2594, 2550, 2491, 2443, 2399, 2384, 2343, 2315, 2316, 2344, 2419, 2438, 2413,
        2335, 2306, 2267, 2247, 2235, 2257, 2262, 2233, 2214, 2167, 2082, 2042, 1968, 1872, 1774,
        1670, 1515, 1321, 1094, 995, 901, 808, 731, 661, 589, 523, 469, 423, 375, 333, 298, 263,
        229, 205, 175, 146, 124, 101, 79, 56, 34, 11,
    ]
)  # fmt: skip
"""Thousands of rows of the real catalogue in each degree of declination from the south pole, shape (180,)."""


def to_galactic(vectors: Floats) -> tuple[Floats, Floats]:
    """Return Galactic longitudes (n,) in 0..360 and latitudes (n,) in degrees of ICRS unit vectors (n, 3)."""
    x, y, z = GALACTIC_ROTATION @ vectors.T
    return np.asarray(np.degrees(np.arctan2(y, x)) % 360.0), np.degrees(np.arctan2(z, np.hypot(x, y)))


def compute_mean_density(lon: Floats, lat: Floats, vectors: Floats) -> Floats:
    """Return the mean point sources per square degree (n,) at Galactic lon, lat (n,) and ICRS unit vectors (n, 3)."""
    cosine = np.cos(np.radians(lon))
    away = np.abs(lat)
    from_centre = (lon + 180.0) % 360.0 - 180.0
    disc = 31_900 * np.exp(-away / 4.25 + 3.0 * (cosine - 1) - 1.47 * (2 * cosine**2 - 2))
    thick = 57_000 * np.exp(-away / 9.78 + 0.43 * (cosine - 1))
    bulge = 53_200 * np.exp(-np.hypot(from_centre / 13.6, lat / 15.0))
    clouds = _cloud_density(vectors, 80.9, -69.6, 3.23) + 0.25 * _cloud_density(vectors, 13.2, -72.8, 1.6)
    return np.asarray(disc + thick + bulge + 1350.0 + 40_750 * clouds)


def _cloud_density(vectors: Floats, ra: float, dec: float, size: float) -> Floats:
    centre = unit_vectors(np.array([ra]), np.array([dec]))[0]
    apart = np.degrees(np.arccos(np.clip(vectors @ centre, -1, 1)))
    return np.asarray(np.exp(-(apart**2) / (2 * size**2)))


def _draw_roughness(vectors: Floats) -> Floats:
    """Return a fixed random field (n,) on the sphere, mean 0 and variance 1, with structure from 1 to 30 degrees."""
    rng = np.random.default_rng(1997)
    waves = 16
    field = np.zeros(len(vectors))
    for scale in np.geomspace(2 * np.pi / np.radians(60), 2 * np.pi / np.radians(2), waves):
        axis = rng.normal(size=3)
        axis *= scale / np.linalg.norm(axis)
        field += np.sin(vectors @ axis + rng.uniform(0, 2 * np.pi))
    return np.asarray(field * np.sqrt(2 / waves))


def compute_extinction(lon: Floats, lat: Floats, vectors: Floats) -> tuple[Floats, Floats]:
    """Return the extinctions (n,) in Ks (mag) along lines of sight, and their smooth parts (n,) without patches."""
    away = np.abs(lat)
    smooth = 0.9 * np.exp(-away / 1.5) * np.exp(0.6 * (np.cos(np.radians(lon)) - 1)) + 0.06 * np.exp(-away / 12)
    patchy = smooth * np.exp(0.8 * _draw_roughness(vectors) - 0.32)
    return np.minimum(patchy, 3.0), smooth


@dataclass(frozen=True)
class SkyCells:
    """All cells, strip after strip from the south, eastward in each; arrays have shape (cells,).

    `first` (strips + 1,) is the first cell of each strip and the number of cells. Angles are in micro-degrees,
    `density` is that of the real catalogue per square degree, `extinction` is A_Ks in magnitudes. `stars` and
    `galaxies` are the probabilities that a source lies in the cell.
    """

    strips_per_zone: int
    first: Ints
    tile: Ints
    west: Ints
    east: Ints
    south: Ints
    north: Ints
    density: Floats
    extinction: Floats
    stars: Floats
    galaxies: Floats

    @property
    def strips(self) -> int:
        """The number of strips."""
        return self.first.size - 1

    @property
    def height(self) -> int:
        """The height of a strip in micro-degrees."""
        return ZONE_DEG * 1_000_000 // self.strips_per_zone

    def zone_cells(self, zone: int) -> tuple[int, int]:
        """Return the first cell of a zone and the one after its last."""
        per_zone = self.strips_per_zone
        return int(self.first[zone * per_zone]), int(self.first[(zone + 1) * per_zone])


@cache
def make_cells(strips_per_zone: int) -> SkyCells:
    """Return the cells of the sky for strips of 6 / strips_per_zone degrees."""
    tiling, in_zone = make_survey(), np.repeat(count_tiles_per_zone(), strips_per_zone)
    first = np.concatenate(([0], np.cumsum(in_zone)))
    first_tile = np.repeat(np.cumsum(count_tiles_per_zone()) - count_tiles_per_zone(), strips_per_zone)
    strip = np.repeat(np.arange(ZONES * strips_per_zone), in_zone)
    tile = np.arange(first[-1]) - first[strip] + first_tile[strip]
    height = ZONE_DEG * 1_000_000 // strips_per_zone
    south = strip * height - 90_000_000
    edges = [np.rint((tiling.centre[tile] + side * tiling.width[tile]) * 1e6).astype(np.int64) for side in (-0.5, 0.5)]
    middle = np.asarray((south + height / 2) / 1e6, dtype=np.float64)
    vectors = unit_vectors(tiling.centre[tile], middle)
    lon, lat = to_galactic(vectors)
    density = compute_mean_density(lon, lat, vectors)
    dust, smooth = compute_extinction(lon, lat, vectors)
    density = np.minimum(density * np.clip(np.exp(-0.8 * (dust - smooth)), 0.2, 2.0), MAX_DENSITY)
    area = tiling.width[tile] * height / 1e6 * np.cos(np.radians(middle))
    return SkyCells(
        strips_per_zone=strips_per_zone,
        first=first,
        tile=tile,
        west=edges[0],
        east=edges[1],
        south=south,
        north=south + height,
        density=density,
        extinction=dust,
        stars=_scale_to_declinations(density * area, middle),
        galaxies=_normalise(
            area * np.exp(-2.5 * dust) * np.exp(0.5 * _draw_roughness(vectors[:, ::-1])) * (density < 4e4)
        ),
    )


def _normalise(weight: Floats) -> Floats:
    return np.asarray(weight / weight.sum())


def _scale_to_declinations(weight: Floats, dec: Floats) -> Floats:
    degree = np.floor(dec).astype(np.int64) + 90
    now = np.bincount(degree, weight, minlength=KROWS_PER_DEGREE.size)
    return _normalise(weight * (KROWS_PER_DEGREE / now)[degree])


def draw_positions(rng: np.random.Generator, sky: SkyCells, chosen: Ints) -> tuple[Ints, Ints]:
    """Draw a position in each of the chosen cells (n,): ra and dec (n,) in micro-degrees, uniform in area."""
    span = sky.east[chosen] - sky.west[chosen]
    ra = sky.west[chosen] + (rng.random(chosen.size) * span).astype(np.int64)
    low = np.sin(np.radians(sky.south[chosen] / 1e6))
    high = np.sin(np.radians(sky.north[chosen] / 1e6))
    dec = np.degrees(np.arcsin(low + rng.random(chosen.size) * (high - low))) * 1e6
    # The north edge belongs to the next strip, and no source is at a pole.
    return ra, np.clip(np.floor(dec).astype(np.int64), sky.south[chosen] + 1, sky.north[chosen] - 1)

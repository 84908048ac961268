"""How many sources lie where: the density of 2MASS over the sky, cut into the cells that rows are
drawn for.

A cell is the piece of one tile in one strip of declination. The mean density is the disc, bulge and
Magellanic Cloud formula that was fitted to the release, roughened by patches of extinction and then
scaled so that each degree of declination holds its true share of the 470,992,970 rows.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from vo_server.demo.survey import (
    ZONE_DEG,
    ZONES,
    Floats,
    Ints,
    survey,
    tiles_per_zone,
)

PSC_ROWS = 470_992_970
XSC_ROWS = 1_647_599

GALACTIC = np.array(
    [
        [-0.0548755604162154, -0.8734370902348850, -0.4838350155487132],
        [+0.4941094278755837, -0.4448296299600112, +0.7469822444972189],
        [-0.8676661490190047, -0.1980763734312015, +0.4559837761750669],
    ]
)
"""Turns ICRS unit vectors into Galactic ones (IAU 1958 as in the Hipparcos catalogue)."""

MOST_DENSE = 150_000.0
"""Sources per square degree that confusion allows."""

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
"""Thousands of rows of the real catalogue in each degree of declination, from the south pole."""


def unit_vectors(lon: Floats, lat: Floats) -> Floats:
    """Unit vectors, shape (n, 3), of positions in degrees."""
    lon, lat = np.radians(lon), np.radians(lat)
    vectors = np.empty((lon.size, 3))
    across = np.cos(lat)
    vectors[:, 0] = across * np.cos(lon)
    vectors[:, 1] = across * np.sin(lon)
    vectors[:, 2] = np.sin(lat)
    return vectors


def galactic(vectors: Floats) -> tuple[Floats, Floats]:
    """Galactic longitude 0..360 and latitude in degrees of ICRS unit vectors."""
    x, y, z = GALACTIC @ vectors.T
    return np.asarray(np.degrees(np.arctan2(y, x)) % 360.0), np.degrees(np.arctan2(z, np.hypot(x, y)))


def mean_density(lon: Floats, lat: Floats, vectors: Floats) -> Floats:
    """Point sources per square degree at Galactic lon, lat, smoothed over the patches; vectors are
    ICRS."""
    cosine = np.cos(np.radians(lon))
    away = np.abs(lat)
    from_centre = (lon + 180.0) % 360.0 - 180.0
    disc = 31_900 * np.exp(-away / 4.25 + 3.0 * (cosine - 1) - 1.47 * (2 * cosine**2 - 2))
    thick = 57_000 * np.exp(-away / 9.78 + 0.43 * (cosine - 1))
    bulge = 53_200 * np.exp(-np.hypot(from_centre / 13.6, lat / 15.0))
    clouds = _cloud(vectors, 80.9, -69.6, 3.23) + 0.25 * _cloud(vectors, 13.2, -72.8, 1.6)
    return np.asarray(disc + thick + bulge + 1350.0 + 40_750 * clouds)


def _cloud(vectors: Floats, ra: float, dec: float, size: float) -> Floats:
    centre = unit_vectors(np.array([ra]), np.array([dec]))[0]
    apart = np.degrees(np.arccos(np.clip(vectors @ centre, -1, 1)))
    return np.asarray(np.exp(-(apart**2) / (2 * size**2)))


def _roughness(vectors: Floats) -> Floats:
    """A fixed random field on the sphere of mean 0 and variance 1, with structure from 1 to 30
    degrees."""
    rng = np.random.default_rng(1997)
    waves = 16
    field = np.zeros(len(vectors))
    for scale in np.geomspace(2 * np.pi / np.radians(60), 2 * np.pi / np.radians(2), waves):
        axis = rng.normal(size=3)
        axis *= scale / np.linalg.norm(axis)
        field += np.sin(vectors @ axis + rng.uniform(0, 2 * np.pi))
    return np.asarray(field * np.sqrt(2 / waves))


def extinction(lon: Floats, lat: Floats, vectors: Floats) -> tuple[Floats, Floats]:
    """Total extinction in Ks (mag) along the line of sight, and its smooth part without the
    patches."""
    away = np.abs(lat)
    smooth = 0.9 * np.exp(-away / 1.5) * np.exp(0.6 * (np.cos(np.radians(lon)) - 1)) + 0.06 * np.exp(-away / 12)
    patchy = smooth * np.exp(0.8 * _roughness(vectors) - 0.32)
    return np.minimum(patchy, 3.0), smooth


@dataclass(frozen=True)
class Cells:
    """All cells, strip after strip from the south, eastward in each.

    ``first`` is the first cell of each strip and one past the last. Angles are micro-degrees,
    ``density`` is per square degree of the real catalogue, ``extinction`` is A_Ks in magnitudes.
    ``stars`` and ``galaxies`` are the probabilities that a source lies in the cell.
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
        return self.first.size - 1

    @property
    def height(self) -> int:
        """Height of a strip in micro-degrees."""
        return ZONE_DEG * 1_000_000 // self.strips_per_zone

    def block(self, zone: int) -> tuple[int, int]:
        """First cell of a zone and one past the last: strips_per_zone times its number of tiles."""
        per_zone = self.strips_per_zone
        return int(self.first[zone * per_zone]), int(self.first[(zone + 1) * per_zone])


@cache
def cells(strips_per_zone: int) -> Cells:
    """The cells of the sky for strips of 6 / strips_per_zone degrees."""
    plan, in_zone = survey(), np.repeat(tiles_per_zone(), strips_per_zone)
    first = np.concatenate(([0], np.cumsum(in_zone)))
    first_tile = np.repeat(np.cumsum(tiles_per_zone()) - tiles_per_zone(), strips_per_zone)
    strip = np.repeat(np.arange(ZONES * strips_per_zone), in_zone)
    tile = np.arange(first[-1]) - first[strip] + first_tile[strip]
    height = ZONE_DEG * 1_000_000 // strips_per_zone
    south = strip * height - 90_000_000
    edges = [np.rint((plan.centre[tile] + side * plan.width[tile]) * 1e6).astype(np.int64) for side in (-0.5, 0.5)]
    middle = np.asarray((south + height / 2) / 1e6, dtype=np.float64)
    vectors = unit_vectors(plan.centre[tile], middle)
    lon, lat = galactic(vectors)
    density = mean_density(lon, lat, vectors)
    dust, smooth = extinction(lon, lat, vectors)
    density = np.minimum(density * np.clip(np.exp(-0.8 * (dust - smooth)), 0.2, 2.0), MOST_DENSE)
    area = plan.width[tile] * height / 1e6 * np.cos(np.radians(middle))
    return Cells(
        strips_per_zone=strips_per_zone,
        first=first,
        tile=tile,
        west=edges[0],
        east=edges[1],
        south=south,
        north=south + height,
        density=density,
        extinction=dust,
        stars=_true_to_declination(density * area, middle),
        galaxies=_normal(area * np.exp(-2.5 * dust) * np.exp(0.5 * _roughness(vectors[:, ::-1])) * (density < 4e4)),
    )


def _normal(weight: Floats) -> Floats:
    return np.asarray(weight / weight.sum())


def _true_to_declination(weight: Floats, dec: Floats) -> Floats:
    degree = np.floor(dec).astype(np.int64) + 90
    now = np.bincount(degree, weight, minlength=KROWS_PER_DEGREE.size)
    return _normal(weight * (KROWS_PER_DEGREE / now)[degree])


def scatter(rng: np.random.Generator, sky: Cells, chosen: Ints) -> tuple[Ints, Ints]:
    """A random place in each of the chosen cells: ra and dec in micro-degrees, uniform in area."""
    span = sky.east[chosen] - sky.west[chosen]
    ra = sky.west[chosen] + (rng.random(chosen.size) * span).astype(np.int64)
    low = np.sin(np.radians(sky.south[chosen] / 1e6))
    high = np.sin(np.radians(sky.north[chosen] / 1e6))
    dec = np.degrees(np.arcsin(low + rng.random(chosen.size) * (high - low))) * 1e6
    # The north edge belongs to the next strip, and no source is at a pole.
    return ra, np.clip(np.floor(dec).astype(np.int64), sky.south[chosen] + 1, sky.north[chosen] - 1)

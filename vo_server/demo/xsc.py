"""The synthetic extended source catalogue: 389 columns, most of them families over bands and apertures.

Each galaxy is a smooth profile (`galaxies`); an aperture measures the light of the profile within it, so that larger
circles are brighter. Columns are null in groups, as in the release: for an aperture that does not fit on the postage
stamp, an isophote that is not reached (its radius is then negative), or a fit that failed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from vo_server.demo.columns import BANDS, CIRCLE_RADII_ARCSEC, SCORES, XSC_COLUMNS, XSC_SCHEMA
from vo_server.demo.designations import make_designations
from vo_server.demo.galaxies import MIN_RADIUS_ARCSEC, GalaxyShapes, concatenate_shapes
from vo_server.demo.neighbours import Neighbours, describe_neighbours, find_nearest, make_lone_neighbours
from vo_server.demo.record_batches import Values, to_record_batch
from vo_server.demo.release_plan import ReleasePlan, order_rows
from vo_server.demo.scan_positions import draw_overlap_columns, make_survey_columns
from vo_server.demo.survey import (
    EPOCH,
    IMAGE_ROWS,
    IMAGE_STEP_ARCSEC,
    IMAGES_PER_SCAN,
    LAST_IMAGE_ROWS,
    Bools,
    Floats,
    Ints,
    make_survey,
)
from vo_server.sky.vectors import unit_vectors

XSC_BATCH_ROWS = 5_000

SKY_NOISE = (0.089, 15.29), (0.103, 14.554), (0.144, 14.282)
"""Per band, error and magnitude of a real row, whose aperture is 50.3 square arcsec: they give the
noise of the sky."""

NOISE_AREA_ARCSEC2 = 50.3
MIN_ISOPHOTE_ARCSEC = 4.0
"""Minimum radius of an isophote in arcsec; smaller ones are not resolved."""

BACKGROUND_DN = (104.0, 370.0, 530.0)
"""Sky of a coadd in J, H, Ks, DN."""

FIRST_NIGHT = (date(1997, 6, 7) - EPOCH).days
"""The night of night_key 1, as days from 1970-01-01."""

NEGATIVE_FLUX_FLAG = 9

CONTAMINATION_FLAGS = np.array([b"0", b"C", b"U", b"A", b"a", b"z"])
CONTAMINATION_SHARES = (0.97, 0.015, 0.005, 0.004, 0.003, 0.003)
"""The probabilities of the letters of cc_flg."""


@dataclass(frozen=True)
class _ExtendedSources:
    """Extended sources in the order of the files; `numbers` (6, n) has a row for each of the integer properties."""

    numbers: Ints
    shapes: GalaxyShapes

    @property
    def ra(self) -> Ints:
        """Right ascensions (n,) in micro-degrees."""
        return np.asarray(self.numbers[0])

    @property
    def dec(self) -> Ints:
        """Declinations (n,) in micro-degrees."""
        return np.asarray(self.numbers[1])

    @property
    def cell(self) -> Ints:
        """Cells of the sky (n,)."""
        return np.asarray(self.numbers[2])

    @property
    def key(self) -> Ints:
        """ext_key (n,)."""
        return np.asarray(self.numbers[3])

    @property
    def rank(self) -> Ints:
        """The numbers of sources to the south in the same scan (n,)."""
        return np.asarray(self.numbers[4])

    @property
    def point(self) -> Ints:
        """pts_key (n,), or -1."""
        return np.asarray(self.numbers[5])

    def take(self, chosen: Ints | slice) -> "_ExtendedSources":
        """Return the chosen sources."""
        return _ExtendedSources(self.numbers[:, chosen], self.shapes.take(chosen))

    @property
    def fiducial(self) -> Floats:
        """Fiducial radii r_k20fe (n,) in arcsec."""
        return self.shapes.fiducial


def _make_strip_table(plan: ReleasePlan, number: int) -> _ExtendedSources:
    strip = plan.make_strip(number)
    found = strip.galaxies
    point = np.full(found.cell.size, -1)
    core = strip.galaxy >= 0
    point[strip.galaxy[core]] = strip.key[core]
    numbers = np.stack((found.ra, found.dec, found.cell, found.key, found.rank, point))
    order = order_rows(plan.make_rng(8, number), found.ra, found.dec)
    return _ExtendedSources(numbers, found.shapes).take(order)


def _make_table(plan: ReleasePlan) -> _ExtendedSources:
    tables = [_make_strip_table(plan, number) for number in range(plan.sky.strips)]
    return _ExtendedSources(
        np.concatenate([table.numbers for table in tables], axis=1),
        concatenate_shapes([table.shapes for table in tables]),
    )


@dataclass(frozen=True)
class _ApertureMeter:
    """Aperture photometry of the n sources of a batch.

    `stamp` (n,) is the side of the postage stamp in arcsec; apertures above `flag_radius` (n,) arcsec have `flag` (n,).
    """

    rng: np.random.Generator
    shapes: GalaxyShapes
    stamp: Ints
    flag_radius: Floats
    flag: Ints

    @property
    def rows(self) -> int:
        """The number of sources."""
        return self.stamp.size

    def measure_magnitude(self, band: int, radius: Floats, circle: bool) -> tuple[Floats, Floats]:
        """Return magnitudes (n,) and errors (n,) in ellipses of semi-major axis `radius` (arcsec), or in circles."""
        share = self.shapes.light_in_circle(radius) if circle else self.shapes.light_in_ellipse(radius)
        mag = self.shapes.total[band] - 2.5 * np.log10(share)
        area = np.pi * radius**2 * (1.0 if circle else self.shapes.ratio)
        error, at = SKY_NOISE[band]
        noise = error * 10 ** (0.4 * (mag - at)) * np.sqrt(area / NOISE_AREA_ARCSEC2)
        return mag, np.minimum(np.hypot(0.008, noise), 5.0)

    def measure_columns(self, suffix: str, band: int, radius: Floats, circle: bool, null: Bools) -> dict[str, Values]:
        """Return the columns (n,) of magnitude, error and flag of a band in an aperture."""
        mag, error = self.measure_magnitude(band, radius, circle)
        negative = (error > 1.0) & (self.rng.random(self.rows) < 0.2)
        flag = np.where(radius > self.flag_radius, self.flag, 0)
        name = BANDS[band]
        return {
            f"{name}_m_{suffix}": (np.where(negative, 75 + mag, mag), null),
            f"{name}_msig_{suffix}": (error, null),
            f"{name}_flg_{suffix}": (np.where(negative, NEGATIVE_FLUX_FLAG, flag), null),
        }

    def draw_flags(self, probability: float) -> Bools:
        """Draw n flags, each true with a probability."""
        return np.asarray(self.rng.random(self.rows) < probability)


def _compute_stamp_side(fiducial: Floats) -> Ints:
    """Return im_nx (n,): an odd number of arcsec that leaves a margin around the galaxy."""
    return np.clip(2 * np.rint(2.4 * fiducial + 2).astype(np.int64) + 1, 21, 301)


def _measure_shared_apertures(
    light: _ApertureMeter, table: _ExtendedSources, isophotes: dict[str, Floats]
) -> dict[str, Values]:
    """Return the families with one aperture for all bands: fiducial isophotes and Kron apertures."""
    round_off = np.sqrt(light.shapes.ratio)
    kron, j21 = 2.4 * light.shapes.half, isophotes["j21"]
    families = {
        "k20fe": (table.fiducial, False),
        "k20fc": (table.fiducial * round_off, True),
        "fe": (kron, False),
        "fc": (kron * round_off, True),
        "j21fe": (j21, False),
        "j21fc": (j21 * round_off, True),
    }
    values: dict[str, Values] = {}
    for suffix, (size, circle) in families.items():
        radius, null = np.rint(np.maximum(size, MIN_RADIUS_ARCSEC) * 10) / 10, light.draw_flags(0.002)
        values[f"r_{suffix}"] = (radius, null)
        for band in range(3):
            values |= light.measure_columns(suffix, band, radius, circle, null)
    return values


def _measure_band_apertures(light: _ApertureMeter, isophotes: dict[str, Floats]) -> dict[str, Values]:
    """Return the families whose aperture differs from band to band; an isophote not reached has a negative radius."""
    values: dict[str, Values] = {}
    for suffix in ("e", "c", "i20e", "i20c", "i21e", "i21c"):
        circle, level = suffix.endswith("c"), suffix[1:-1]
        for band, name in enumerate(BANDS):
            size = isophotes[name + level] if level else 2.4 * light.shapes.half * (1 + 0.04 * (band - 2))
            size = size * np.sqrt(light.shapes.ratio) if circle else size
            missing = size < MIN_ISOPHOTE_ARCSEC if level else light.draw_flags((0.08, 0.04, 0.02)[band])
            lost = ~missing & light.draw_flags(0.03) if level else np.zeros(light.rows, bool)
            radius = np.rint(np.maximum(size, MIN_RADIUS_ARCSEC) * 10) / 10
            published = np.where(lost, -10.0, np.where(missing, -size, radius))
            values[f"{name}_r_{suffix}"] = published if level else (radius, missing)
            values |= light.measure_columns(suffix, band, radius, circle, missing | lost)
    return values


def _measure_circles(light: _ApertureMeter) -> dict[str, Values]:
    values: dict[str, Values] = {}
    for size in CIRCLE_RADII_ARCSEC:
        outside = size > 0.6 * light.stamp
        radius = np.full(light.rows, float(size))
        for band in range(3):
            values |= light.measure_columns(str(size), band, radius, True, outside)
    return values


def _measure_totals(light: _ApertureMeter, table: _ExtendedSources) -> dict[str, Values]:
    """Return extrapolated and system magnitudes."""
    far, bad = (
        2.0 * table.fiducial + 0.02 * light.rng.integers(0, 40, light.rows),
        light.draw_flags(0.01),
    )
    values: dict[str, Values] = {"r_ext": (far, bad)}
    neighbour, star = light.draw_flags(0.03), light.draw_flags(0.06)
    for band, name in enumerate(BANDS):
        total, error = light.measure_magnitude(band, far, False)
        system, system_error = light.measure_magnitude(band, 1.4 * table.fiducial, True)
        values |= {
            f"{name}_m_ext": (total, bad),
            f"{name}_msig_ext": (error, bad),
            f"{name}_pchi": (0.5 + light.rng.gamma(2, 0.3, light.rows), bad),
            f"{name}_m_sys": system - 0.3 * neighbour - 0.1 * star,
            f"{name}_msig_sys": system_error,
        }
    return values | {"sys_flg": neighbour.astype(np.int64), "contam_flg": star.astype(np.int64)}


def _draw_angle(light: _ApertureMeter, ratio: Floats) -> Ints:
    """Draw position angles (n,) in steps of 5 degrees, -85..90, and 90 for round sources."""
    angle = light.shapes.angle + 5 * np.rint(light.rng.standard_normal(light.rows)).astype(np.int64)
    return np.where(ratio == 1.0, 90, (angle + 85) % 180 - 85)


def _draw_ellipse(light: _ApertureMeter, prefix: str) -> dict[str, Values]:
    null = light.draw_flags(0.01 if "5sig" not in prefix else 0.06)
    ratio = np.clip(light.shapes.ratio + 0.04 * np.rint(light.rng.standard_normal(light.rows)), 0.1, 1.0)
    return {f"{prefix}_ba": (ratio, null), f"{prefix}_phi": (_draw_angle(light, ratio), null)}


def _measure_structure(light: _ApertureMeter, table: _ExtendedSources) -> dict[str, Values]:
    """Return shapes, surface brightness and the star-galaxy scores of each band."""
    values: dict[str, Values] = _draw_ellipse(light, "sup")
    n, rng, shapes = light.rows, light.rng, light.shapes
    for band, name in enumerate(BANDS):
        half = shapes.half * np.exp(0.03 * rng.standard_normal(n))
        mean = shapes.total[band] + 2.5 * np.log10(2 * np.pi * shapes.ratio * half**2)
        faint, no_area, no_score = light.draw_flags(0.08), light.draw_flags(0.4), light.draw_flags(0.3)
        five = light.measure_magnitude(band, np.full(n, 5.0), True)[0]
        values |= _draw_ellipse(light, name) | _draw_ellipse(light, f"{name}_5sig")
        values |= {
            f"{name}_r_eff": half,
            f"{name}_mnsurfb_eff": mean,
            f"{name}_con_indx": np.clip(0.8 * 4.82 ** (1 / shapes.steepness), 2.2, 6.0),
            f"{name}_peak": np.maximum(shapes.compute_brightness(np.full(n, 1.5), band), 9.0),
            f"{name}_5surf": five + 2.5 * np.log10(np.pi * 25) + 0.15,
            f"{name}_d_area": (rng.integers(-20, 200, n), no_area),
            f"{name}_perc_darea": (rng.integers(-10, 100, n), no_area),
            f"{name}_bisym_rat": (np.exp(0.2 * rng.standard_normal(n)), faint),
            f"{name}_bisym_chi": (rng.gamma(2, 0.8, n), faint),
            f"{name}_sh0": 1.0 + 0.02 * rng.standard_normal(n),
            f"{name}_sig_sh0": 0.05 + 0.02 * rng.random(n),
        }
        for score in SCORES:
            null = no_score if score == "r23" else np.zeros(n, bool)
            values[f"{name}_sc_{score}"] = (3.0 + 4.0 * rng.standard_normal(n), null)
    return values | {
        "r_3sig": np.maximum(0.66 * table.fiducial * np.exp(0.15 * rng.standard_normal(n)), 2.0),
        "sup_r_3sig": 0.95 * table.fiducial,
        "j_chif_ellf": rng.gamma(3, 7, n),
        "k_chif_ellf": rng.gamma(3, 7, n),
        "sup_chif_ellf": rng.gamma(3, 7, n),
    }


def _draw_classes(light: _ApertureMeter, table: _ExtendedSources) -> dict[str, Values]:
    """Draw scores, flags and the name in another catalogue."""
    n, rng = light.rows, light.rng
    k = light.shapes.total[2]
    known = k < 10.5
    low_brightness = (table.point < 0) & light.draw_flags(0.1) & ~known
    examined = known | light.draw_flags(0.1)
    names = np.char.add(b"SYN ", table.key.astype("S10")).astype("S20")
    return {
        "e_score": np.where(light.draw_flags(0.85), 1.0, 1 + rng.random(n)),
        "g_score": np.where(light.draw_flags(0.5), 1.0, 1 + 0.7 * rng.random(n)),
        "vc": np.where(
            examined, np.where(known | light.draw_flags(0.97), 1, 2), np.where(light.draw_flags(0.02), -2, -1)
        ),
        "cc_flg": rng.choice(CONTAMINATION_FLAGS, n, p=CONTAMINATION_SHARES),
        "im_nx": light.stamp,
        "ellfit_flg": light.draw_flags(0.05).astype(np.int64),
        "n_blank": rng.poisson(0.2, n),
        "n_sub": rng.poisson(0.4, n),
        "bl_sub_flg": light.draw_flags(0.1).astype(np.int64),
        "id_flg": np.select([known, low_brightness], [1, 2], 0),
        "id_cat": (names, ~known),
        "fg_flg": np.where(light.draw_flags(0.98), b"______", b"F_____"),
        "blk_fac": np.where(low_brightness, 2 ** rng.integers(1, 4, n), 1),
        "pts_key": (table.point, table.point < 0),
        "mp_key": (rng.integers(1, 20_000, n), ~light.draw_flags(1e-4)),
    }


def _draw_background(light: _ApertureMeter) -> dict[str, Values]:
    n, rng = light.rows, light.rng
    values: dict[str, Values] = {}
    for band, name in enumerate(BANDS):
        values |= {
            f"{name}_subst2": np.where(light.draw_flags(0.9), 0.0, 5 * rng.random(n)),
            f"{name}_back": BACKGROUND_DN[band] * np.exp(0.15 * rng.standard_normal(n)),
            f"{name}_resid_ann": 0.08 * rng.standard_normal(n),
            f"{name}_bndg_per": rng.integers(40, 200, n),
            f"{name}_bndg_amp": 0.01 + 0.04 * rng.random(n),
            f"{name}_seetrack": 0.5 * rng.standard_normal(n),
        }
    return values


def _locate_in_coadd(values: dict[str, Values], tile: Ints) -> dict[str, Values]:
    """Return the pixels of sources in their images: x grows to the west, y to the north."""
    x_scan, along, image = (np.asarray(values[name]) for name in ("x_scan", "along", "image"))
    row = along - IMAGE_STEP_ARCSEC * (image - 1)
    height = np.where(image == IMAGES_PER_SCAN, LAST_IMAGE_ROWS, IMAGE_ROWS)
    return {
        "x_coadd": 256.5 + x_scan,
        "y_coadd": np.where(make_survey().northward[tile], row, height - row),
    }


def _make_batch(
    plan: ReleasePlan, table: _ExtendedSources, found: Neighbours, neighbour: Ints, number: int
) -> pa.RecordBatch:
    rng, n = plan.make_rng(9, number), table.key.size
    tile, density = plan.sky.tile[table.cell], plan.sky.density[table.cell]
    troubles = rng.choice([2, 3, 4, 6, 7, 1], n, p=[0.5, 0.35, 0.05, 0.04, 0.04, 0.02])
    trouble = 6 + 60 * rng.random(n) + 60 * (rng.random(n) < 0.6)
    light = _ApertureMeter(rng, table.shapes, _compute_stamp_side(table.fiducial), trouble, troubles)
    isophotes = {f"{b}{level}": table.shapes.find_isophote(level, i) for level in (20, 21) for i, b in enumerate(BANDS)}
    position = make_survey_columns(tile, table.ra / 1e6, table.dec / 1e6)
    off, failed = rng.normal(0, 0.3 / 3600, (2, n)), light.draw_flags(0.001)
    values = {
        **position,
        **draw_overlap_columns(rng, np.asarray(position["overlap"])),
        **_locate_in_coadd(position, tile),
        **_measure_shared_apertures(light, table, isophotes),
        **_measure_band_apertures(light, isophotes),
        **_measure_circles(light),
        **_measure_totals(light, table),
        **_measure_structure(light, table),
        **_draw_classes(light, table),
        **_draw_background(light),
        "designation": make_designations(table.ra, table.dec),
        "sup_ra": ((table.ra / 1e6 + off[0] / np.cos(np.radians(table.dec / 1e6))) % 360.0, failed),
        "sup_dec": (np.clip(table.dec / 1e6 + off[1], -90, 90), failed),
        "density": np.clip(np.log10(density * 0.35), 2.0, 4.8),
        "prox": found.prox,
        "pxpa": (found.angle, found.alone),
        "pxcntr": neighbour,
        "night_key": 2 * (make_survey().night[tile] - FIRST_NIGHT) + make_survey().south[tile] + 1,
        "id": table.rank + 1,
        "ext_key": table.key,
    }
    return to_record_batch(XSC_COLUMNS, XSC_SCHEMA, values)


def _find_neighbours(table: _ExtendedSources) -> tuple[Neighbours, Ints]:
    """Return the nearest other extended source of each, and its key (n,)."""
    ra, dec = table.ra / 1e6, table.dec / 1e6
    if ra.size < 2:
        return make_lone_neighbours(ra.size), table.key
    vectors = unit_vectors(ra, dec)
    apart, index = find_nearest(vectors, vectors, np.arange(ra.size))
    return describe_neighbours(ra, dec, ra[index], dec[index], apart, index), table.key[index]


def generate_xsc_batches(plan: ReleasePlan) -> Iterator[pa.RecordBatch]:
    """Yield the catalogue in the order of its files."""
    table = _make_table(plan)
    found, neighbour = _find_neighbours(table)
    for start in range(0, table.key.size, XSC_BATCH_ROWS):
        part = slice(start, start + XSC_BATCH_ROWS)
        here = Neighbours(found.prox[part], found.angle[part], found.alone[part], found.index[part])
        yield _make_batch(plan, table.take(part), here, neighbour[part], start)

"""The synthetic point source catalogue: bands of declination, one after the other, with all 60 columns."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vo_server.demo.columns import BANDS, PSC_COLUMNS, PSC_SCHEMA
from vo_server.demo.designations import make_designations
from vo_server.demo.galaxies import GalaxyShapes, concatenate_shapes
from vo_server.demo.neighbours import Neighbours, describe_neighbours, find_nearest, make_lone_neighbours
from vo_server.demo.photometry import (
    MeasurementConditions,
    Photometry,
    add_noise,
    draw_star_magnitudes,
    is_selected,
    measure,
)
from vo_server.demo.record_batches import Values, to_record_batch
from vo_server.demo.release_plan import PointSourceStrip, ReleasePlan, group_strips
from vo_server.demo.scan_positions import draw_overlap_columns, make_survey_columns
from vo_server.demo.survey import Bools, Floats, Ints
from vo_server.sky.vectors import unit_vectors

BAND_ROWS = 100_000
"""Minimum rows of a band of declination, which determine the memory in use."""

BLEND_ARCSEC, CONFUSION_ARCSEC = 6.0, 10.0
"""Arcsec within which a pair may be blended, and within which a brighter star confuses a source."""

USNO_LIMIT_MAG = 20.2
"""Blue magnitude at which half of the stars have a match in USNO-A2.0."""

GALAXY_PSF_RADIUS_ARCSEC = 3.5
"""Radius in arcsec of the light that a profile fit to the core of a galaxy measures."""

Characters = NDArray[np.uint8]


@dataclass(frozen=True)
class _PointSources:
    """The n rows of several strips in the order of the files; `ra` and `dec` (n,) in micro-degrees."""

    ra: Ints
    dec: Ints
    cell: Ints
    key: Ints
    galaxy: Ints

    @property
    def degrees(self) -> tuple[Floats, Floats]:
        """Right ascensions (n,) and declinations (n,) in degrees."""
        return self.ra / 1e6, self.dec / 1e6

    def select(self, mask: Bools) -> "_PointSources":
        """Return the rows where a mask (n,) is true."""
        return _PointSources(self.ra[mask], self.dec[mask], self.cell[mask], self.key[mask], self.galaxy[mask])


def _concatenate(parts: list[_PointSources]) -> _PointSources:
    names = ("ra", "dec", "cell", "key", "galaxy")
    return _PointSources(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _concatenate_strips(strips: list[PointSourceStrip]) -> _PointSources:
    """Return the rows of strips, one after the other; `galaxy` is an index into the galaxies of all."""
    ahead = np.cumsum([0, *(strip.galaxies.cell.size for strip in strips)])
    galaxy = [np.where(s.galaxy < 0, -1, s.galaxy + shift) for s, shift in zip(strips, ahead, strict=False)]
    return _concatenate([_PointSources(s.ra, s.dec, s.cell, s.key, g) for s, g in zip(strips, galaxy, strict=True)])


class _NeighbourFinder:
    """A search for nearest rows across strips, which generates neighbouring strips as far as necessary."""

    def __init__(self, plan: ReleasePlan, strip: Callable[[int], PointSourceStrip]) -> None:
        self._strip = strip
        self._height = plan.sky.height
        self._strips = plan.sky.strips
        self._rows = plan.psc_rows

    def _rows_around(self, low: int, high: int, first: int, last: int) -> _PointSources:
        """Return rows with low <= dec < high (micro-degrees) outside the strips first..last-1."""
        start, stop = ((edge + 90_000_000) // self._height for edge in (low, high - 1))
        around = [s for s in range(max(0, start), min(self._strips, stop + 1)) if not first <= s < last]
        rows = _concatenate_strips([self._strip(s) for s in around]) if around else _NO_ROWS
        return rows.select((rows.dec >= low) & (rows.dec < high))

    def find(self, band: range, rows: _PointSources) -> tuple[Neighbours, Ints]:
        """Return the nearest row of each row (n,), and its key (n,); an `index` of n or more is outside the band."""
        if self._rows < 2:
            return make_lone_neighbours(rows.ra.size), rows.key
        south, north = (edge * self._height - 90_000_000 for edge in (band.start, band.stop))
        vectors, n = unit_vectors(*rows.degrees), rows.ra.size
        apart, key, to, index = (
            np.full(n, np.inf),
            np.empty(n, np.int64),
            np.empty((2, n)),
            np.empty(n, np.int64),
        )
        open_rows = np.arange(n)
        halo = self._initial_halo(n, south, north)
        while open_rows.size:
            low, high = south - halo, north + halo
            window = _concatenate([rows, self._rows_around(low, high, band.start, band.stop)])
            among = np.concatenate((vectors, unit_vectors(*(part[n:] for part in window.degrees))))
            distance, which = find_nearest(vectors[open_rows], among, open_rows)
            apart[open_rows], index[open_rows], key[open_rows] = distance, which, window.key[which]
            to[:, open_rows] = window.ra[which] / 1e6, window.dec[which] / 1e6
            below = np.where(low <= -90_000_000, np.inf, rows.dec[open_rows] - low)
            above = np.where(high >= 90_000_000, np.inf, high - rows.dec[open_rows])
            open_rows = open_rows[distance * 1e6 >= np.minimum(below, above)]
            halo *= 4
        return describe_neighbours(*rows.degrees, to[0], to[1], apart, index), key

    def _initial_halo(self, rows: int, south: int, north: int) -> int:
        """Return a few mean distances of neighbours, in micro-degrees."""
        ends = np.sin(np.radians([south / 1e6, north / 1e6]))
        area = 360 * np.degrees(ends[1] - ends[0])
        return 1 + int(4e6 * np.sqrt(area / max(rows, 1)))


_NO_INTEGERS = np.zeros(0, np.int64)
_NO_ROWS = _PointSources(_NO_INTEGERS, _NO_INTEGERS, _NO_INTEGERS, _NO_INTEGERS, _NO_INTEGERS)


def _draw_magnitudes(
    rng: np.random.Generator, field: MeasurementConditions, galaxy: Ints, shapes: GalaxyShapes
) -> Floats:
    """Draw magnitudes (3, n) of stars and of the cores of galaxies, which are raised to the limit where fainter."""
    mags = draw_star_magnitudes(rng, field)
    rows = np.flatnonzero(galaxy >= 0)
    mine = galaxy[rows]
    core = shapes.total[:, mine] - 2.5 * np.log10(shapes.light_in_circle(GALAXY_PSF_RADIUS_ARCSEC)[mine])
    here = MeasurementConditions(field.m10[:, rows], field.crowding[rows], field.dust[rows])
    lack = np.maximum((core - here.m10).min(axis=0) - 0.35, 0.0)
    core = core - np.where(is_selected(here.compute_snr(core)), 0.0, lack)
    mags[:, rows] = add_noise(rng, here, core)
    return mags


def _has_brighter_neighbour(mags: Floats, found: Neighbours) -> Bools:
    """Return whether the nearest row is in this band of declination, close and 2 mag brighter, shape (3, n)."""
    known = (found.index < mags.shape[1]) & (found.prox < CONFUSION_ARCSEC)
    other = mags[:, np.where(known, found.index, 0)]
    return np.asarray(known & (other + 2.0 < mags))


def _draw_contamination(
    rng: np.random.Generator, mags: Floats, found: Neighbours, crowding: Floats, read: Ints
) -> Characters:
    """Draw cc_flg (3, n); in crowded fields more than half of the rows have it."""
    row, band = rng.random(mags.shape[1]), rng.random(mags.shape)
    confused = _has_brighter_neighbour(mags, found) | ((row < 0.02 + 0.8 * crowding**1.5) & (band < 0.8))
    rare = rng.random(mags.shape[1])
    tests = [
        (rare < 2e-4) & (band < 0.5),
        confused,
        (rare < 8e-3) & (band < 0.6),
        (rare < 1e-2) & (band < 0.5),
        (rare < 1.05e-2) & (band < 0.5),
    ]
    flags = np.select(tests, [ord(letter) for letter in "pcdsb"], ord("0"))
    return np.where((read == 0) | (read == 6), ord("0"), flags).astype(np.uint8)


def _draw_blends(rng: np.random.Generator, prox: Floats, crowding: Floats, detected: Bools) -> Characters:
    """Draw bl_flg (3, n)."""
    u = rng.random(prox.size)
    blended = u < np.where(prox < BLEND_ARCSEC, 0.6, 0.01) + 0.1 * crowding
    components = np.where(blended, 2 + (u < 0.05 * (prox < BLEND_ARCSEC)), 1)
    return (ord("0") + components * detected).astype(np.uint8)


ERROR_BY_LOG_SNR = (
    np.log(np.array([7.5, 9, 11.5, 15.5, 21, 32, 40])),
    np.array([0.29, 0.265, 0.24, 0.14, 0.08, 0.07, 0.06]),
)
"""Logarithms of the SNR summed over the bands in quadrature, and the major axes of error ellipses (arcsec) there."""


def _draw_error_ellipse(rng: np.random.Generator, found: Photometry) -> dict[str, Values]:
    snr = np.sqrt((found.snr**2 * found.with_error).sum(axis=0))
    typical = np.interp(np.log(np.maximum(snr, 1.0)), *ERROR_BY_LOG_SNR)
    n = snr.size
    major = np.rint(typical * np.exp(0.2 * np.abs(rng.standard_normal(n)) - 0.08) * 100) / 100
    major = np.clip(major, 0.06, 1.2)
    minor = np.rint(np.maximum(major * (1 - 0.25 * rng.random(n) ** 2.3), 0.05) * 100) / 100
    u = rng.random(n)
    usual = np.select(
        [u < 0.25, u < 0.35, u < 0.43, u < 0.46],
        [90, 0, 86 + (u * 1e4 % 4).astype(np.int64), 45],
        -1,
    )
    angle = np.where(usual < 0, rng.integers(0, 181, n), usual)
    return {"err_maj": major, "err_min": np.minimum(minor, major), "err_ang": angle}


def _draw_optical(rng: np.random.Generator, mags: Floats) -> dict[str, Values]:
    """Draw the association within 5 arcsec: Tycho-2 for bright stars, USNO-A2.0 down to its limit, or none."""
    n, u = mags.shape[1], rng.random(mags.shape[1])
    blue = mags[0] + 1.2 + 3.2 * np.clip(mags[0] - mags[1], 0, 4) + 0.4 * rng.standard_normal(n)
    red = blue - 0.3 - 1.6 * np.clip(mags[0] - mags[1], 0, 1.5) + 0.2 * rng.standard_normal(n)
    tycho = (blue < 12.0) & (u < 0.9)
    seen = blue + 0.8 * rng.standard_normal(n) < USNO_LIMIT_MAG
    usno = ~tycho & seen & (blue > 8) & (blue < 22) & (u < 0.96)
    none = ~(tycho | usno)
    apart = np.minimum(rng.rayleigh(np.where(rng.random(n) < 0.05, 1.5, 0.42)), 5.0)
    coarse = [np.where(usno, np.rint(value * 10) / 10, value) for value in (blue, red)]
    angle = np.asarray(rng.integers(0, 361, n))
    matches = np.where(none, 0, 1 + (rng.random(n) < 0.03))
    return {
        "a": np.select([tycho, usno], [b"T", b"U"], b"0").astype("S1"),
        "dist_opt": (apart, none),
        "phi_opt": (angle, none),
        "b_m_opt": (coarse[0], none),
        "vr_m_opt": (coarse[1], none),
        "nopt_mchs": matches,
    }


def _round_snr(snr: Floats) -> Floats:
    """Return SNRs, from 100,000 rounded to whole numbers, as the columns of the release are wide."""
    return np.where(snr > 99_999.9, np.rint(snr), snr)


def _make_photometry_columns(found: Photometry) -> dict[str, Values]:
    values: dict[str, Values] = {}
    for i, band in enumerate(BANDS):
        no_error, fitted = ~found.with_error[i], found.read[i] == 2
        aperture = ~found.detected[i] | np.isin(found.read[i], (1, 3, 9))
        values |= {
            f"{band}_m": (found.mag[i], found.read[i] == 9),
            f"{band}_cmsig": (found.cmsig[i], no_error),
            f"{band}_msigcom": (found.msigcom[i], no_error),
            f"{band}_snr": (_round_snr(found.snr[i]), no_error),
            f"{band}_psfchi": (found.chi[i], ~fitted),
            f"{band}_m_stdap": (found.aperture[i], aperture),
            f"{band}_msig_stdap": (found.aperture_error[i], aperture),
        }
    values["ph_qual"] = found.quality.T
    values["rd_flg"] = (found.read.T + ord("0")).astype(np.uint8)
    values["ndet"] = found.ndet.reshape(6, -1).T
    return values


def _make_galaxy_columns(
    rows: _PointSources, strips: list[PointSourceStrip], shapes: GalaxyShapes
) -> dict[str, Values]:
    """Return ext_key of rows that are extended sources, and gal_contam of rows that are or lie in large ones."""
    key, ra, dec = (
        np.concatenate([getattr(strip.galaxies, name) for strip in strips]) for name in ("key", "ra", "dec")
    )
    radius = shapes.fiducial
    none = rows.galaxy < 0
    contaminated = np.zeros(rows.ra.size, np.int64)
    for big in np.flatnonzero(radius > 10):
        ellipse = 1.1 * radius[big], shapes.ratio[big], shapes.angle[big]
        contaminated[_find_inside(rows, ra[big], dec[big], *ellipse)] = 2
    own = np.where(none, 0, rows.galaxy)
    if key.size:
        contaminated = np.where(~none & (radius[own] > 10), 1, contaminated)
    return {"ext_key": (key[own] if key.size else own, none), "gal_contam": contaminated}


def _find_inside(rows: _PointSources, ra: int, dec: int, major: float, ratio: float, angle: float) -> Ints:
    """Return the rows inside an ellipse at ra, dec (micro-degrees) of semi-major axis `major` (arcsec)."""
    near = np.flatnonzero(np.abs(rows.dec - dec) < major / 3600e-6)
    east = ((rows.ra[near] - ra + 180_000_000) % 360_000_000 - 180_000_000) * np.cos(np.radians(dec / 1e6)) * 3600e-6
    north = (rows.dec[near] - dec) * 3600e-6
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    along, across = east * sine + north * cosine, east * cosine - north * sine
    return np.asarray(near[np.hypot(along, across / ratio) < major])


def _make_batch(
    plan: ReleasePlan, band: range, strip: Callable[[int], PointSourceStrip], neighbourhood: _NeighbourFinder
) -> pa.RecordBatch:
    """Return all columns of the rows of a band of strips."""
    strips = [strip(s) for s in band]
    rows, shapes, rng = (
        _concatenate_strips(strips),
        concatenate_shapes([s.galaxies.shapes for s in strips]),
        plan.make_rng(7, band.start),
    )
    found, neighbour = neighbourhood.find(band, rows)
    tile = plan.sky.tile[rows.cell]
    field = MeasurementConditions(plan.depths[:, tile], plan.crowding[tile], plan.sky.extinction[rows.cell])
    mags = _draw_magnitudes(rng, field, rows.galaxy, shapes)
    light = measure(rng, field, mags, found.prox < BLEND_ARCSEC)
    position = make_survey_columns(tile, *rows.degrees)
    overlap = position["overlap"]
    assert isinstance(overlap, np.ndarray)
    values = {
        **position,
        **_make_photometry_columns(light),
        **_draw_error_ellipse(rng, light),
        **_draw_optical(rng, mags),
        **_make_galaxy_columns(rows, strips, shapes),
        **draw_overlap_columns(rng, overlap),
        "designation": make_designations(rows.ra, rows.dec),
        "bl_flg": _draw_blends(rng, found.prox, field.crowding, light.detected).T,
        "cc_flg": _draw_contamination(rng, mags, found, field.crowding, light.read).T,
        "prox": found.prox,
        "pxpa": (found.angle, found.alone),
        "pxcntr": neighbour,
        "mp_flg": (rng.random(rows.ra.size) < 3e-5).astype(np.int64),
        "pts_key": rows.key,
    }
    return to_record_batch(PSC_COLUMNS, PSC_SCHEMA, values)


def generate_psc_batches(plan: ReleasePlan, strips: Collection[int] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the catalogue in the order of its files; with `strips` only batches that have rows of these strips."""
    runs = group_strips(plan.strip_rows, BAND_ROWS)
    strip = lru_cache(maxsize=8 + 2 * max(map(len, runs)))(plan.make_strip)
    neighbourhood = _NeighbourFinder(plan, strip)
    for run in runs:
        selected = strips is None or not set(strips).isdisjoint(run)
        if selected and plan.strip_rows[run.start : run.stop].any():
            yield _make_batch(plan, run, strip, neighbourhood)

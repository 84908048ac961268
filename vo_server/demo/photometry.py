"""Magnitudes in J, H, Ks of the synthetic point sources, and the measurements that the survey's software derives.

Arrays have shape (3, n), bands in the order J, H, Ks, or (n,). Numbers are not rounded here: the survey applied its
rules to unrounded numbers, which shows in rows at the thresholds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vo_server.demo.survey import Bools, Floats, Ints

Letters = NDArray[np.uint8]
"""Flag characters as codes."""

MIN_SNR_ONE_BAND, MIN_SNR_ALL_BANDS = 7.0, 5.0
"""Minimum SNR of a row: the first in one band, or the second in all three."""

MAGS_TO_ONE_BAND_LIMIT, MAGS_TO_ALL_BANDS_LIMIT = (
    2.5 * np.log10(10 / snr) - 0.005 for snr in (MIN_SNR_ONE_BAND, MIN_SNR_ALL_BANDS)
)
"""Magnitudes from SNR 10 down to those limits, with a small margin for rounding."""

MIN_DETECTED_SNR = 2.3
"""SNR below which no band is detected, with any noise."""

FLATTENING_MAGS = 0.7
"""Magnitudes above the limit over which the number counts flatten from their slope to none."""

ZERO_POINT_ERROR = np.array([[0.011], [0.007], [0.007]])
FLAT_FIELD_ERROR, SHORT_READ_ERROR = 0.005, 0.012

SATURATION_MAGS = np.array([[9.3, 8.55], [9.05, 8.45], [8.55, 8.05]])
"""Magnitudes at which the first stars saturate the 1.3 s frames, and at which all do, shape (3, 2)."""

SHORT_SATURATION_MAGS = np.array([[4.6], [3.9], [3.5]])
"""Magnitudes at which the 51 ms frames saturate too, shape (3, 1)."""

UNKNOWN_ERROR = 9.999
"""The error of a magnitude without an error estimate (ph_qual F)."""


def _make_depth_table() -> tuple[Floats, Floats]:
    """Return the cumulative distribution of magnitudes above the limit (k,), for counts of slope 0.3 that flatten."""
    depth = np.concatenate((np.linspace(0, 4, 400), np.linspace(4.02, 21, 800)))
    bent = np.where(depth < FLATTENING_MAGS, depth**2 / (2 * FLATTENING_MAGS), depth - FLATTENING_MAGS / 2)
    density = 10 ** (-0.3 * bent)
    steps = np.diff(depth) * (density[1:] + density[:-1]) / 2
    total = np.concatenate(([0.0], np.cumsum(steps)))
    return total / total[-1], depth


DEPTHS = _make_depth_table()


def draw_depths(rng: np.random.Generator, n: int, slope: Floats) -> Floats:
    """Draw how many magnitudes n sources are brighter than the limit, shape (n,); `slope` (n,) is dlogN/dm."""
    return np.asarray(np.interp(rng.random(n), *DEPTHS) * (0.3 / slope))


@dataclass(frozen=True)
class MeasurementConditions:
    """The conditions at the positions of n rows.

    `m10` (3, n) are the magnitudes of SNR 10, `crowding` (n,) is 0 to 1, `dust` (n,) the extinction A_Ks in mag.
    """

    m10: Floats
    crowding: Floats
    dust: Floats

    def compute_snr(self, mags: Floats) -> Floats:
        """Return the SNR (3, n) of magnitudes (3, n)."""
        return np.asarray(10.0 * 10 ** (0.4 * (self.m10 - mags)))


def _draw_colours(rng: np.random.Generator, j: Floats, dust: Floats) -> tuple[Floats, Floats]:
    """Draw J-H and H-Ks (n,) of stars of J magnitude `j` behind extinction `dust`: dwarfs, giants and a faint tail."""
    n = j.size
    dwarf = rng.random(n) < np.interp(j, [14.0, 15.5], [0.5, 0.35])
    jh = np.where(dwarf, 0.35, 0.62) + np.where(dwarf, 0.08, 0.06) * rng.standard_normal(n)
    hk = np.where(dwarf, 0.08, 0.15) + 0.04 * rng.standard_normal(n)
    tail = (j > 15.0) & (rng.random(n) < 0.06)
    reddened = dust * rng.random(n)
    return jh + 0.15 * tail + 0.95 * reddened, hk + 0.15 * tail + 0.55 * reddened


def _selection_limit(field: MeasurementConditions, jh: Floats, hk: Floats) -> Floats:
    """Return the faintest Ks (n,) at which a source of these colours is selected."""
    colours = np.stack((jh + hk, hk, np.zeros(jh.size)))
    one = (field.m10 + MAGS_TO_ONE_BAND_LIMIT - colours).max(axis=0)
    every = (field.m10 + MAGS_TO_ALL_BANDS_LIMIT - colours).min(axis=0)
    return np.asarray(np.maximum(one, every))


def is_selected(snr: Floats) -> Bools:
    """Return whether sources of SNR (3, n) are in the catalogue, shape (n,)."""
    return np.asarray((snr.max(axis=0) > MIN_SNR_ONE_BAND) | (snr.min(axis=0) > MIN_SNR_ALL_BANDS))


def draw_star_magnitudes(rng: np.random.Generator, field: MeasurementConditions) -> Floats:
    """Draw measured magnitudes (3, n) of stars that the catalogue selects."""
    n = field.dust.size
    depth = draw_depths(rng, n, 0.28 + 0.07 * field.crowding)
    jh, hk = _draw_colours(rng, field.m10[0] + MAGS_TO_ONE_BAND_LIMIT - depth, field.dust)
    k = _selection_limit(field, jh, hk) - depth
    true = np.stack((k + jh + hk, k + hk, k))
    return add_noise(rng, field, true)


def add_noise(rng: np.random.Generator, field: MeasurementConditions, true: Floats) -> Floats:
    """Return magnitudes (3, n) with noise where the row is still selected with it, else the true ones."""
    noise = np.minimum(1.0857 / field.compute_snr(true), 0.35)
    noisy = true + noise * rng.standard_normal(true.shape)
    return np.where(is_selected(field.compute_snr(noisy)), noisy, true)


@dataclass(frozen=True)
class Photometry:
    """The measured columns of each band, shape (3, n), and `ndet` (3, 2, n).

    `mag` of a band without a detection is a limit, or NaN if it cannot be measured.
    """

    mag: Floats
    snr: Floats
    cmsig: Floats
    msigcom: Floats
    read: Ints
    quality: Letters
    chi: Floats
    aperture: Floats
    aperture_error: Floats
    ndet: Letters

    @property
    def detected(self) -> Bools:
        """Bands with a detection, shape (3, n)."""
        return np.asarray((self.read != 0) & (self.read != 6))

    @property
    def with_error(self) -> Bools:
        """Bands that have cmsig, msigcom and snr, shape (3, n)."""
        return np.asarray(self.detected & (self.read != 9))


def _draw_read_flags(rng: np.random.Generator, mags: Floats, snr: Floats, close: Bools) -> Ints:
    """Draw rd_flg (3, n): the origin of the default magnitude of each band."""
    first, last = SATURATION_MAGS[:, :1], SATURATION_MAGS[:, 1:]
    saturated = rng.random(mags.shape) < (first - mags) / (first - last)
    detected = (snr + rng.standard_normal(snr.shape) > 3.5) & (snr > MIN_DETECTED_SNR) | (snr > MIN_SNR_ALL_BANDS)
    # The bands that select a row stay unspoilt.
    protected = snr > MIN_SNR_ALL_BANDS
    rare = rng.random(mags.shape)
    read = np.where(rare < 1e-4, 4, 2)
    read = np.where((rare > 1 - 3e-4) & ~protected, 9, read)
    read = np.where(saturated, 1, read)
    read = np.where(mags < SHORT_SATURATION_MAGS, 3, read)
    unsplit = close & ~protected & (rng.random(snr.shape) < 0.05)
    return np.where(detected, np.where(unsplit, 6, read), 0)


def _draw_errors(rng: np.random.Generator, snr: Floats, read: Ints) -> Floats:
    spread = np.exp(0.1 * rng.standard_normal(snr.shape))
    error = np.maximum(np.sqrt(0.02**2 + (1.0857 / snr) ** 2) * spread, 0.015)
    error = np.where(read == 3, rng.uniform(0.15, 0.3, snr.shape), error)
    unknown = ((read == 1) | (read == 3)) & (rng.random(snr.shape) < 0.003)
    return np.where(unknown, UNKNOWN_ERROR, error)


def compute_total_error(cmsig: Floats, read: Ints) -> Floats:
    """Return msigcom (3, n): rounded cmsig with the errors of zero point, flat field and the tie of 51 ms frames."""
    short = np.where(read == 1, SHORT_READ_ERROR**2, 0.0)
    printed = np.rint(cmsig * 1000) / 1000
    return np.asarray(
        np.minimum(np.sqrt(printed**2 + ZERO_POINT_ERROR**2 + FLAT_FIELD_ERROR**2 + short), UNKNOWN_ERROR)
    )


QUALITIES = tuple("XUFEABCD")
"""The letters of ph_qual in the order in which they are tested; D is the rest."""


def classify_quality(read: Ints, snr: Floats, cmsig: Floats, chi: Floats) -> Letters:
    """Return ph_qual (3, n) by the rules of the Explanatory Supplement."""
    tests = [
        read == 9,
        (read == 0) | (read == 6),
        (cmsig > 8) & ((read == 1) | (read == 3)),
        ((read == 2) & (chi > 10)) | (read == 4),
        (snr > 10) & (cmsig < 0.10857),
        (snr > 7) & (cmsig < 0.15510),
        (snr > 5) & (cmsig < 0.21714),
    ]
    letters = np.frombuffer("".join(QUALITIES).encode(), np.uint8)
    return np.asarray(np.select(tests, list(letters[:-1]), letters[-1]), np.uint8)


def _draw_chi(rng: np.random.Generator, snr: Floats) -> Floats:
    """Draw psfchi (3, n): about 1, rarely a poor fit."""
    chi = np.exp(0.22 * rng.standard_normal(snr.shape)) * np.sqrt(1 + (snr / 1000) ** 2)
    poor = rng.random(snr.shape) < 6e-4
    return np.where(poor, 10 + 30 * rng.random(snr.shape), np.clip(chi, 0.3, 9.9))


def _draw_detections(rng: np.random.Generator, snr: Floats, read: Ints) -> Letters:
    """Draw the digits N and M of each band (3, 2, n): the frames that detected the source, and those that could."""
    u = rng.random(snr.shape)
    five = np.array([[0.03], [0.10], [0.24]])
    possible = np.where(u < five, 5, 6) - 2 * (u > 0.98) + (u > 0.9975) * 3
    frames = rng.random((7, *snr.shape), dtype=np.float32) < _frame_detection_probability(snr)
    counted = np.arange(7)[:, None, None] < possible
    detections = (frames & counted).sum(axis=0)
    detections = np.where(read == 3, 0, detections)
    digits = np.stack((detections, possible), axis=1) * (read != 0)[:, None] * (read != 6)[:, None]
    return np.asarray(digits + ord("0"), np.uint8)


def _frame_detection_probability(snr: Floats) -> NDArray[np.float32]:
    """Return the probability (3, n) of 3 sigma in one frame: the normal integral at 0.16 snr - 3, approximated."""
    x = np.clip(0.16 * snr - 3, -8, 8).astype(np.float32)
    return np.asarray(1 / (1 + np.exp(-1.5976 * x - 0.07056 * x**3)), dtype=np.float32)


def measure(rng: np.random.Generator, field: MeasurementConditions, mags: Floats, close: Bools) -> Photometry:
    """Draw the photometry of sources of magnitudes `mags` (3, n); `close` (n,) where a neighbour is within 6 arcsec."""
    snr = np.minimum(field.compute_snr(mags), 1e6)
    read = _draw_read_flags(rng, mags, snr, close)
    limit = (read == 0) | (read == 6)
    cmsig = _draw_errors(rng, snr, read)
    chi = _draw_chi(rng, snr)
    faintest = field.m10 + 2.5 * np.log10(2) + 0.1
    limits = faintest + (0.35 + 0.3 * field.crowding) * rng.standard_normal(mags.shape)
    aperture_error = np.minimum(
        1.15 * np.hypot(0.012, 1.0857 / snr) * np.exp(0.45 * rng.standard_normal(snr.shape)), 8.888
    )
    aperture = mags + np.minimum(aperture_error, 1.0) * rng.standard_normal(mags.shape)
    return Photometry(
        mag=np.where(read == 9, np.nan, np.where(limit, limits, mags)),
        snr=snr,
        cmsig=cmsig,
        msigcom=compute_total_error(cmsig, read),
        read=read,
        quality=classify_quality(read, snr, cmsig, chi),
        chi=chi,
        aperture=aperture,
        aperture_error=aperture_error,
        ndet=_draw_detections(rng, snr, read),
    )

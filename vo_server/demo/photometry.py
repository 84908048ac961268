"""Magnitudes in J, H, Ks of the synthetic point sources, and what the survey's software would have
said of them.

Arrays have the shape (3, n), bands in the order J, H, Ks. Numbers here are not rounded: the survey
applied its rules to unrounded numbers, which shows on rows at the thresholds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vo_server.demo.survey import Bools, Floats, Ints

Letters = NDArray[np.uint8]
"""Flag characters as their codes."""

SNR_ONE, SNR_ALL = 7.0, 5.0
"""A row needs the first in one band or the second in all three."""

TO_SNR_ONE, TO_SNR_ALL = (2.5 * np.log10(10 / snr) - 0.005 for snr in (SNR_ONE, SNR_ALL))
"""Magnitudes from SNR 10 down to those limits, with a little to spare for rounding."""

FAINTEST_SEEN = 2.3
"""No band is detected below this SNR, whatever the noise adds."""

FLATTENING = 0.7
"""Over this many magnitudes above the limit the number counts bend from their slope to none."""

ZERO_POINT_ERROR = np.array([[0.011], [0.007], [0.007]])
FLAT_FIELD_ERROR, SHORT_READ_ERROR = 0.005, 0.012

SATURATION = np.array([[9.3, 8.55], [9.05, 8.45], [8.55, 8.05]])
"""Per band, where the first stars saturate the 1.3 s frames and where all do."""

ALL_SATURATED = np.array([[4.6], [3.9], [3.5]])
"""Per band, where the 51 ms frames saturate too."""

NO_ERROR = 9.999
"""The error that says none could be estimated (ph_qual F)."""


def _depth_table() -> tuple[Floats, Floats]:
    """Cumulative distribution of the magnitudes above the limit, for counts of slope 0.3 that
    flatten."""
    depth = np.concatenate((np.linspace(0, 4, 400), np.linspace(4.02, 21, 800)))
    bent = np.where(depth < FLATTENING, depth**2 / (2 * FLATTENING), depth - FLATTENING / 2)
    density = 10 ** (-0.3 * bent)
    steps = np.diff(depth) * (density[1:] + density[:-1]) / 2
    total = np.concatenate(([0.0], np.cumsum(steps)))
    return total / total[-1], depth


DEPTHS = _depth_table()


def below_limit(rng: np.random.Generator, n: int, slope: Floats) -> Floats:
    """How many magnitudes brighter than the limit each of n sources is; ``slope`` is dlogN/dm."""
    return np.asarray(np.interp(rng.random(n), *DEPTHS) * (0.3 / slope))


@dataclass(frozen=True)
class Field:
    """What the place of each row does to its measurement: m10 of shape (3, n), crowding 0..1,
    extinction A_Ks."""

    m10: Floats
    crowding: Floats
    dust: Floats

    def snr(self, mags: Floats) -> Floats:
        return np.asarray(10.0 * 10 ** (0.4 * (self.m10 - mags)))


def _colours(rng: np.random.Generator, j: Floats, dust: Floats) -> tuple[Floats, Floats]:
    """J-H and H-Ks of stars near this J magnitude behind this extinction: dwarfs, giants and a
    faint tail."""
    n = j.size
    dwarf = rng.random(n) < np.interp(j, [14.0, 15.5], [0.5, 0.35])
    jh = np.where(dwarf, 0.35, 0.62) + np.where(dwarf, 0.08, 0.06) * rng.standard_normal(n)
    hk = np.where(dwarf, 0.08, 0.15) + 0.04 * rng.standard_normal(n)
    tail = (j > 15.0) & (rng.random(n) < 0.06)
    reddened = dust * rng.random(n)
    return jh + 0.15 * tail + 0.95 * reddened, hk + 0.15 * tail + 0.55 * reddened


def _limit(field: Field, jh: Floats, hk: Floats) -> Floats:
    """The faintest Ks at which a source of these colours is still selected."""
    colours = np.stack((jh + hk, hk, np.zeros(jh.size)))
    one = (field.m10 + TO_SNR_ONE - colours).max(axis=0)
    every = (field.m10 + TO_SNR_ALL - colours).min(axis=0)
    return np.asarray(np.maximum(one, every))


def selected(snr: Floats) -> Bools:
    return np.asarray((snr.max(axis=0) > SNR_ONE) | (snr.min(axis=0) > SNR_ALL))


def star_magnitudes(rng: np.random.Generator, field: Field) -> Floats:
    """Measured magnitudes of stars that the catalogue selects."""
    n = field.dust.size
    depth = below_limit(rng, n, 0.28 + 0.07 * field.crowding)
    jh, hk = _colours(rng, field.m10[0] + TO_SNR_ONE - depth, field.dust)
    k = _limit(field, jh, hk) - depth
    true = np.stack((k + jh + hk, k + hk, k))
    return measured(rng, field, true)


def measured(rng: np.random.Generator, field: Field, true: Floats) -> Floats:
    """Magnitudes with noise, where the row is still selected with it."""
    noise = np.minimum(1.0857 / field.snr(true), 0.35)
    noisy = true + noise * rng.standard_normal(true.shape)
    return np.where(selected(field.snr(noisy)), noisy, true)


@dataclass(frozen=True)
class Photometry:
    """The measured columns of each band. ``mag`` of a band not detected is a limit, NaN if
    unmeasurable."""

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
        return np.asarray((self.read != 0) & (self.read != 6))

    @property
    def with_error(self) -> Bools:
        """Bands that have cmsig, msigcom and snr."""
        return np.asarray(self.detected & (self.read != 9))


def _reads(rng: np.random.Generator, mags: Floats, snr: Floats, close: Bools) -> Ints:
    """rd_flg: where the default magnitude of each band comes from."""
    first, last = SATURATION[:, :1], SATURATION[:, 1:]
    saturated = rng.random(mags.shape) < (first - mags) / (first - last)
    seen = (snr + rng.standard_normal(snr.shape) > 3.5) & (snr > FAINTEST_SEEN) | (snr > SNR_ALL)
    # What spoils a band must spare those that select the row.
    spare = snr > SNR_ALL
    rare = rng.random(mags.shape)
    read = np.where(rare < 1e-4, 4, 2)
    read = np.where((rare > 1 - 3e-4) & ~spare, 9, read)
    read = np.where(saturated, 1, read)
    read = np.where(mags < ALL_SATURATED, 3, read)
    unsplit = close & ~spare & (rng.random(snr.shape) < 0.05)
    return np.where(seen, np.where(unsplit, 6, read), 0)


def _errors(rng: np.random.Generator, snr: Floats, read: Ints) -> Floats:
    spread = np.exp(0.1 * rng.standard_normal(snr.shape))
    error = np.maximum(np.sqrt(0.02**2 + (1.0857 / snr) ** 2) * spread, 0.015)
    error = np.where(read == 3, rng.uniform(0.15, 0.3, snr.shape), error)
    unknown = ((read == 1) | (read == 3)) & (rng.random(snr.shape) < 0.003)
    return np.where(unknown, NO_ERROR, error)


def total_error(cmsig: Floats, read: Ints) -> Floats:
    """msigcom: cmsig as printed with the errors of zero point, flat field and, for 51 ms frames,
    their tie."""
    short = np.where(read == 1, SHORT_READ_ERROR**2, 0.0)
    printed = np.rint(cmsig * 1000) / 1000
    return np.asarray(np.minimum(np.sqrt(printed**2 + ZERO_POINT_ERROR**2 + FLAT_FIELD_ERROR**2 + short), NO_ERROR))


QUALITIES = tuple("XUFEABCD")
"""ph_qual letters in the order in which they are tested; D is what remains."""


def quality(read: Ints, snr: Floats, cmsig: Floats, chi: Floats) -> Letters:
    """ph_qual of each band, as the explanatory supplement states it."""
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


def _chi(rng: np.random.Generator, snr: Floats) -> Floats:
    """psfchi: about 1, now and then a poor fit."""
    chi = np.exp(0.22 * rng.standard_normal(snr.shape)) * np.sqrt(1 + (snr / 1000) ** 2)
    poor = rng.random(snr.shape) < 6e-4
    return np.where(poor, 10 + 30 * rng.random(snr.shape), np.clip(chi, 0.3, 9.9))


def _ndet(rng: np.random.Generator, snr: Floats, read: Ints) -> Letters:
    """The digits N and M of each band, shape (3, 2, n): frames that detected the source, of those
    that could."""
    u = rng.random(snr.shape)
    five = np.array([[0.03], [0.10], [0.24]])
    possible = np.where(u < five, 5, 6) - 2 * (u > 0.98) + (u > 0.9975) * 3
    frames = rng.random((7, *snr.shape), dtype=np.float32) < _frame_detection(snr)
    counted = np.arange(7)[:, None, None] < possible
    found = (frames & counted).sum(axis=0)
    found = np.where(read == 3, 0, found)
    digits = np.stack((found, possible), axis=1) * (read != 0)[:, None] * (read != 6)[:, None]
    return np.asarray(digits + ord("0"), np.uint8)


def _frame_detection(snr: Floats) -> NDArray[np.float32]:
    """Chance of 3 sigma on one frame: the normal integral at 0.16 snr - 3, through its logistic
    likeness."""
    x = np.clip(0.16 * snr - 3, -8, 8).astype(np.float32)
    return np.asarray(1 / (1 + np.exp(-1.5976 * x - 0.07056 * x**3)), dtype=np.float32)


def measure(rng: np.random.Generator, field: Field, mags: Floats, close: Bools) -> Photometry:
    """Everything said of a source of these measured magnitudes; ``close``: it has a neighbour
    within 6"."""
    snr = np.minimum(field.snr(mags), 1e6)
    read = _reads(rng, mags, snr, close)
    limit = (read == 0) | (read == 6)
    cmsig = _errors(rng, snr, read)
    chi = _chi(rng, snr)
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
        msigcom=total_error(cmsig, read),
        read=read,
        quality=quality(read, snr, cmsig, chi),
        chi=chi,
        aperture=aperture,
        aperture_error=aperture_error,
        ndet=_ndet(rng, snr, read),
    )

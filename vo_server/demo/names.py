"""Names from positions: ``hhmmssss+ddmmsss``, truncated, in whole numbers since floating point gets
some wrong."""

import numpy as np
from numpy.typing import NDArray

from vo_server.demo.survey import Ints

PAIRS = np.array([[48 + tens, 48 + ones] for tens in range(10) for ones in range(10)], np.uint8)
"""The two character codes of 00 .. 99."""


def _clock(ra: Ints, dec: Ints) -> tuple[Ints, Ints]:
    """Right ascension in 0.01 s and absolute declination in 0.1 arcsec, both truncated."""
    return ra * 24_000 // 1_000_000, np.abs(dec) * 36_000 // 1_000_000


def _characters(time: Ints, arc: Ints, negative: NDArray[np.bool_]) -> NDArray[np.uint8]:
    text = np.empty((time.size, 16), np.uint8)
    for place, divisor in ((0, 360_000), (2, 6_000), (4, 100), (6, 1)):
        text[:, place : place + 2] = PAIRS[time // divisor % 100 if divisor in (360_000, 1) else time // divisor % 60]
    text[:, 8] = np.where(negative, ord("-"), ord("+"))
    tenths = arc % 600
    text[:, 9:11] = PAIRS[arc // 36_000]
    text[:, 11:13] = PAIRS[arc // 600 % 60]
    text[:, 13:15] = PAIRS[tenths // 10]
    text[:, 15] = 48 + tenths % 10
    return text


def _letters(time: Ints, arc: Ints, negative: NDArray[np.bool_]) -> Ints:
    """0 for a name that is the only one of its kind, else 1, 2, .. in the order of the rows."""
    name = (time * 10_000_000 + arc) * 2 + negative
    ordered = np.sort(name)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    letters = np.zeros(name.size, np.int64)
    for same in np.unique(twice):
        rows = np.flatnonzero(name == same)
        letters[rows] = np.arange(1, rows.size + 1)
    return letters


def designations(ra: Ints, dec: Ints) -> NDArray[np.bytes_]:
    """Names of places in micro-degrees, with a letter A, B, .. where several rows share one."""
    time, arc = _clock(ra, dec)
    negative = dec < 0
    text = np.zeros((ra.size, 17), np.uint8)
    text[:, :16] = _characters(time, arc, negative)
    letters = _letters(time, arc, negative)
    text[:, 16] = np.where(letters > 0, 64 + letters, 0)
    return text.view("S17")[:, 0]

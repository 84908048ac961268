"""Designations from positions: `hhmmssss+ddmmsss`, truncated, in integers because floating point gets some wrong."""

import numpy as np
from numpy.typing import NDArray

from vo_server.demo.survey import Ints

DIGIT_PAIRS = np.array([[48 + tens, 48 + ones] for tens in range(10) for ones in range(10)], np.uint8)
"""The character codes of 00 to 99, shape (100, 2)."""


def _to_clock_units(ra: Ints, dec: Ints) -> tuple[Ints, Ints]:
    """Return right ascensions (n,) in 0.01 s and absolute declinations (n,) in 0.1 arcsec, both truncated."""
    return ra * 24_000 // 1_000_000, np.abs(dec) * 36_000 // 1_000_000


def _write_characters(time: Ints, arc: Ints, negative: NDArray[np.bool_]) -> NDArray[np.uint8]:
    text = np.empty((time.size, 16), np.uint8)
    for column, divisor in ((0, 360_000), (2, 6_000), (4, 100), (6, 1)):
        text[:, column : column + 2] = DIGIT_PAIRS[
            time // divisor % 100 if divisor in (360_000, 1) else time // divisor % 60
        ]
    text[:, 8] = np.where(negative, ord("-"), ord("+"))
    tenths = arc % 600
    text[:, 9:11] = DIGIT_PAIRS[arc // 36_000]
    text[:, 11:13] = DIGIT_PAIRS[arc // 600 % 60]
    text[:, 13:15] = DIGIT_PAIRS[tenths // 10]
    text[:, 15] = 48 + tenths % 10
    return text


def _number_duplicates(time: Ints, arc: Ints, negative: NDArray[np.bool_]) -> Ints:
    """Return 0 for a unique designation, else 1, 2, ... in the order of the rows, shape (n,)."""
    name = (time * 10_000_000 + arc) * 2 + negative
    ordered = np.sort(name)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    letters = np.zeros(name.size, np.int64)
    for same in np.unique(twice):
        rows = np.flatnonzero(name == same)
        letters[rows] = np.arange(1, rows.size + 1)
    return letters


def make_designations(ra: Ints, dec: Ints) -> NDArray[np.bytes_]:
    """Return the designations (n,) of positions (n,) in micro-degrees, with a letter A, B, ... where rows share one."""
    time, arc = _to_clock_units(ra, dec)
    negative = dec < 0
    text = np.zeros((ra.size, 17), np.uint8)
    text[:, :16] = _write_characters(time, arc, negative)
    letters = _number_duplicates(time, arc, negative)
    text[:, 16] = np.where(letters > 0, 64 + letters, 0)
    return text.view("S17")[:, 0]

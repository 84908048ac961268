"""Units of VOUnits 1.0 and the factors between them."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import astropy.units as u

LONGEST = 100
"""Characters; no unit is longer."""


class BadUnit(ValueError):
    """A text that is no unit, or units without a way from one to the other; the text says why."""


@lru_cache(maxsize=256)
def factor(source: str, target: str) -> float:
    """By what a number in the one unit is multiplied to be in the other.

    Raises BadUnit for what is no unit of VOUnits, and where the units do not measure the same.
    """
    a, b = unit(source), unit(target)
    try:
        number = float(a.to(b))
    except (u.UnitsError, ArithmeticError):
        raise BadUnit(f"{source!r} cannot be converted to {target!r}") from None
    if number != 1 and {u.mag, u.rad} <= set(_bases(a)):
        raise BadUnit(f"{source!r} cannot be converted to {target!r}: magnitudes are no amounts to be shared out")
    if not math.isfinite(number) or number == 0:
        raise BadUnit(f"{source!r} cannot be converted to {target!r}: the factor is out of range")
    return _whole(number)


def unit(text: str) -> Any:
    """A unit from its text; one that VOUnits deprecates (erg, Angstrom) is still one.

    Raises BadUnit.
    """
    if not text or text != text.strip() or len(text) > LONGEST:
        raise BadUnit(f"{text[:LONGEST]!r} is no unit of VOUnits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        try:
            return u.Unit(text, format="vounit", parse_strict="raise")
        except (ValueError, TypeError, ArithmeticError):
            raise BadUnit(f"{text!r} is no unit of VOUnits") from None


def _bases(of: Any) -> tuple[Any, ...]:
    made = of.decompose(bases={u.mag, *u.si.bases})
    return tuple(made.bases)


def _whole(number: float) -> float:
    """A factor that is a rounding error away from a whole number, as it is for powers of units, is that number."""
    near = round(number) if abs(number) >= 1 else 1 / round(1 / number)
    return float(near) if math.isclose(number, near, rel_tol=1e-15) else number

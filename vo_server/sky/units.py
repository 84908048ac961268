"""Units of VOUnits 1.0 and the factors between them."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import astropy.units as u

MAX_UNIT_CHARACTERS = 100
"""Characters of the longest text that is tried as a unit."""


class UnitError(ValueError):
    """A text that is not a unit, or units that cannot be converted; the message says why."""


@lru_cache(maxsize=256)
def conversion_factor(source: str, target: str) -> float:
    """Return the factor that converts numbers from one unit to another.

    Raises UnitError for a text that is not a unit of VOUnits, and for units of different quantities.
    """
    a, b = parse_unit(source), parse_unit(target)
    try:
        number = float(a.to(b))
    except (u.UnitsError, ArithmeticError):
        raise UnitError(f"{source!r} cannot be converted to {target!r}") from None
    if number != 1 and {u.mag, u.rad} <= set(_base_units(a)):
        raise UnitError(
            f"{source!r} cannot be converted to {target!r}: magnitudes are logarithmic and not proportional to angles"
        )
    if not math.isfinite(number) or number == 0:
        raise UnitError(f"{source!r} cannot be converted to {target!r}: the factor is out of range")
    return _round_factor(number)


def parse_unit(text: str) -> Any:
    """Return the unit of a text, including those that VOUnits deprecates (erg, Angstrom).

    Raises UnitError for a text that is not a unit of VOUnits.
    """
    if not text or text != text.strip() or len(text) > MAX_UNIT_CHARACTERS:
        raise UnitError(f"{text[:MAX_UNIT_CHARACTERS]!r} is not a unit of VOUnits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        try:
            return u.Unit(text, format="vounit", parse_strict="raise")
        except (ValueError, TypeError, ArithmeticError):
            raise UnitError(f"{text!r} is not a unit of VOUnits") from None


def _base_units(of: Any) -> tuple[Any, ...]:
    made = of.decompose(bases={u.mag, *u.si.bases})
    return tuple(made.bases)


def _round_factor(number: float) -> float:
    """Return the whole number, or its inverse, that a factor is within a rounding error of; else the factor."""
    near = round(number) if abs(number) >= 1 else 1 / round(1 / number)
    return float(near) if math.isclose(number, near, rel_tol=1e-15) else number

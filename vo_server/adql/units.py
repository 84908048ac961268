"""Units and UCDs through arithmetic (VOUnits 1.0, UCD1+ 1.5). What cannot be said for certain is not said."""

from __future__ import annotations

import re

_SIMPLE = re.compile(r"[A-Za-z]+\d*")


def same_unit(a: str | None, b: str | None) -> str | None:
    """The unit of a sum or a difference."""
    return a if a == b else None


def times_unit(a: str | None, b: str | None) -> str | None:
    """The unit of a product; a number without a unit leaves the other's."""
    if a is None or b is None:
        return a or b
    return f"{a}.{b}" if _SIMPLE.fullmatch(a) and _SIMPLE.fullmatch(b) else None


def quotient_unit(a: str | None, b: str | None) -> str | None:
    """The unit of a quotient."""
    if b is None or a == b:
        return a if b is None else None
    return f"{a}/{b}" if a and _SIMPLE.fullmatch(a) and _SIMPLE.fullmatch(b) else None


def sum_ucd(operator: str, a: str | None, b: str | None) -> str | None:
    """The UCD of a sum or a difference: that of two magnitudes is a colour."""
    if a == b:
        return a
    bands = [ucd.partition(";")[2] for ucd in (a, b) if ucd and ucd.startswith("phot.mag;em.")]
    if operator == "-" and len(bands) == 2:
        return f"phot.color;{bands[0]};{bands[1]}"
    return None

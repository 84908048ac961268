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
    if a == b:
        return power_unit(a, 2)
    return f"{a}.{b}" if _SIMPLE.fullmatch(a) and _SIMPLE.fullmatch(b) else None


def quotient_unit(a: str | None, b: str | None) -> str | None:
    """The unit of a quotient."""
    if b is None or a == b:
        return a if b is None else None
    return f"{a}/{b}" if a and _SIMPLE.fullmatch(a) and _SIMPLE.fullmatch(b) else None


def power_unit(unit: str | None, n: float) -> str | None:
    """The unit of a whole power."""
    if n == 1:
        return unit
    return f"{unit}**{n:.0f}" if n and n == int(n) and abs(n) < 100 and unit and _SIMPLE.fullmatch(unit) else None


def root_unit(unit: str | None) -> str | None:
    """The unit of a square root."""
    found = re.fullmatch(r"([A-Za-z]+)\*\*2", unit or "")
    return found and found[1]


def sum_ucd(operator: str, a: str | None, b: str | None) -> str | None:
    """The UCD of a sum or a difference: that of two magnitudes is a colour."""
    a, b = computed_ucd(a), computed_ucd(b)
    if a is None or b is None:
        return None
    if a == b:
        return f"{a};{'arith.sum' if operator == '+' else 'arith.diff'}"
    bands = [match[1] for match in (_MAGNITUDE.fullmatch(a), _MAGNITUDE.fullmatch(b)) if match]
    return f"phot.color;{';'.join(bands)}" if operator == "-" and len(bands) == 2 else None


def ratio_ucd(a: str | None, b: str | None) -> str | None:
    """The UCD of a quotient: known for that of two quantities of a kind."""
    a, b = computed_ucd(a), computed_ucd(b)
    return f"{a};arith.ratio" if a and a == b else None


_MAGNITUDE = re.compile(r"phot\.mag;(em\.[^;]+)")


def statistic_ucd(word: str, ucd: str | None) -> str | None:
    """The UCD of a statistic: the word may stand after the quantity (UCD1+ 1.5, letters P, S and Q)."""
    return f"{computed_ucd(ucd)};{word}" if ucd else None


def computed_ucd(ucd: str | None) -> str | None:
    """The UCD of what is computed from a column: clients take the one that is marked as main for the column itself."""
    return None if ucd is None else ";".join(word for word in ucd.split(";") if word != "meta.main") or None

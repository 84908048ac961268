"""Units and UCDs of computed values (VOUnits 1.0, UCD1+ 1.5); None where they are uncertain."""

from __future__ import annotations

import re

_SIMPLE = re.compile(r"[A-Za-z]+\d*")


def sum_unit(a: str | None, b: str | None) -> str | None:
    """Return the unit of a sum or a difference."""
    return a if a == b else None


def product_unit(a: str | None, b: str | None) -> str | None:
    """Return the unit of a product; a number without a unit leaves the other's."""
    if a is None or b is None:
        return a or b
    if a == b:
        return power_unit(a, 2)
    return f"{a}.{b}" if _SIMPLE.fullmatch(a) and _SIMPLE.fullmatch(b) else None


def quotient_unit(a: str | None, b: str | None) -> str | None:
    """Return the unit of a quotient."""
    if b is None or a == b:
        return a if b is None else None
    return f"{a}/{b}" if a and _SIMPLE.fullmatch(a) and _SIMPLE.fullmatch(b) else None


def power_unit(unit: str | None, n: float) -> str | None:
    """Return the unit of an integer power."""
    if n == 1:
        return unit
    return f"{unit}**{n:.0f}" if n and n == int(n) and abs(n) < 100 and unit and _SIMPLE.fullmatch(unit) else None


def root_unit(unit: str | None) -> str | None:
    """Return the unit of a square root."""
    match = re.fullmatch(r"([A-Za-z]+)\*\*2", unit or "")
    return match and match[1]


def sum_ucd(operator: str, a: str | None, b: str | None) -> str | None:
    """Return the UCD of a sum or a difference: that of two magnitudes is a colour."""
    a, b = without_main(a), without_main(b)
    if a is None or b is None:
        return None
    if a == b:
        return f"{a};{'arith.sum' if operator == '+' else 'arith.diff'}"
    bands = [match[1] for match in (_MAGNITUDE.fullmatch(a), _MAGNITUDE.fullmatch(b)) if match]
    return f"phot.color;{';'.join(bands)}" if operator == "-" and len(bands) == 2 else None


def ratio_ucd(a: str | None, b: str | None) -> str | None:
    """Return the UCD of a quotient, which is known if both UCDs are the same."""
    a, b = without_main(a), without_main(b)
    return f"{a};arith.ratio" if a and a == b else None


_MAGNITUDE = re.compile(r"phot\.mag;(em\.[^;]+)")


def statistic_ucd(word: str, ucd: str | None) -> str | None:
    """Return the UCD of a statistic: the word may stand after the quantity (UCD1+ 1.5, letters P, S and Q)."""
    return f"{without_main(ucd)};{word}" if ucd else None


def without_main(ucd: str | None) -> str | None:
    """Remove meta.main from the UCD of a computed value: clients take the marked column for the original one."""
    return None if ucd is None else ";".join(word for word in ucd.split(";") if word != "meta.main") or None

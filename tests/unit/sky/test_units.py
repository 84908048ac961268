from __future__ import annotations

import pytest

from vo_server.sky.units import UnitError, conversion_factor


@pytest.mark.parametrize(
    ("source", "target", "number"),
    [
        ("deg", "arcsec", 3600),
        ("deg**2", "arcsec**2", 3600**2),
        ("arcsec", "deg", 1 / 3600),
        ("mag", "mmag", 1000),
        ("yr", "d", 365.25),
        ("Angstrom", "nm", 0.1),
        ("mag.arcsec**-2", "mag.arcsec**-2", 1),
        ("mag.yr**-1", "mag.d**-1", 1 / 365.25),
    ],
)
def test_factor_has_double_precision(source: str, target: str, number: float) -> None:
    assert conversion_factor(source, target) == number


@pytest.mark.parametrize("text", ["", " deg", "furlong", "m" * 101, "%", "deg;", "km**400", "((((", "dex"])
def test_rejects_invalid_units(text: str) -> None:
    with pytest.raises(UnitError, match="VOUnits"):
        conversion_factor("deg", text)


@pytest.mark.parametrize("target", ["mag", "'foo'", "m", "rad**2"])
def test_rejects_incompatible_units(target: str) -> None:
    with pytest.raises(UnitError, match="cannot be converted"):
        conversion_factor("deg", target)


def test_rejects_magnitudes_per_area() -> None:
    with pytest.raises(UnitError, match="magnitudes"):
        conversion_factor("mag.arcsec**-2", "mag.deg**-2")


def test_rejects_factor_out_of_range() -> None:
    with pytest.raises(UnitError):
        conversion_factor("Gm**300", "m**300")

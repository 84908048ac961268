from __future__ import annotations

import pytest

from vo_server.sky.units import BadUnit, factor


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
def test_a_factor_is_as_exact_as_a_double_is(source: str, target: str, number: float) -> None:
    assert factor(source, target) == number


@pytest.mark.parametrize("text", ["", " deg", "furlong", "m" * 101, "%", "deg;", "km**400", "((((", "dex"])
def test_what_is_no_unit(text: str) -> None:
    with pytest.raises(BadUnit, match="is no unit of VOUnits"):
        factor("deg", text)


@pytest.mark.parametrize("target", ["mag", "'foo'", "m", "rad**2"])
def test_what_cannot_be_converted(target: str) -> None:
    with pytest.raises(BadUnit, match="cannot be converted"):
        factor("deg", target)


def test_a_surface_brightness_in_magnitudes_is_not_multiplied() -> None:
    with pytest.raises(BadUnit, match="magnitudes"):
        factor("mag.arcsec**-2", "mag.deg**-2")


def test_a_factor_that_no_double_holds() -> None:
    with pytest.raises(BadUnit):
        factor("Gm**300", "m**300")

"""What a record covers, as VODataService 1.2 (section 3.2) writes it."""

from __future__ import annotations

import astropy.units as u
import pytest
from lxml import etree

from vo_server.documents.voresource import Coverage


def told(coverage: Coverage) -> list[tuple[str, str]]:
    resource = etree.Element("resource")
    coverage.write(resource)
    found = resource.find("coverage")
    return [] if found is None else [(e.tag, e.text) for e in found]


def test_nothing_known_is_nothing_said() -> None:
    assert told(Coverage()) == []


def test_spans_that_overlap_or_touch_are_one() -> None:
    spans = ((50700.0, 50800.0), (50606, 50650), (50640, 50660), (50660, 50670), (50610, 50611), (50800.5, 50900))
    assert told(Coverage(times=spans)) == [
        *(("temporal", "50606 50670"), ("temporal", "50700 50800"), ("temporal", "50800.5 50900"))
    ]


def test_energies_are_those_of_photons() -> None:
    """Disjoint bands stay so, the lesser energy first; astropy knows the energies."""
    found = told(Coverage(wavelengths=((0.48, 0.73), (1.066, 1.404), (1.400, 1.924))))
    assert [name for name, _ in found] == ["spectral", "spectral"]
    for (_, text), (long, short) in zip(found, ((1.924, 1.066), (0.73, 0.48)), strict=True):
        wanted = [(x * u.um).to_value(u.J, equivalencies=u.spectral()) for x in (long, short)]
        assert [float(word) for word in text.split()] == pytest.approx(wanted, rel=1e-3)


def test_the_order_is_that_of_the_schema() -> None:
    whole = Coverage("6/1", ((1.0, 2.0),), ((1.0, 2.0),), "https://vo.example.org/moc.fits", ("Infrared", "Optical"))
    assert [name for name, _ in told(whole)] == [
        *("spatial", "temporal", "spectral", "footprint", "waveband", "waveband")
    ]

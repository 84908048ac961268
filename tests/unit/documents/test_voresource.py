"""The coverage of a record (VODataService 1.2 section 3.2)."""

from __future__ import annotations

import astropy.units as u
import pytest
from lxml import etree

from vo_server.documents.voresource import Coverage


def write_elements(coverage: Coverage) -> list[tuple[str, str]]:
    resource = etree.Element("resource")
    coverage.write(resource)
    coverage_element = resource.find("coverage")
    return [] if coverage_element is None else [(e.tag, e.text) for e in coverage_element]


def test_empty_coverage_is_not_written() -> None:
    assert write_elements(Coverage()) == []


def test_merges_intervals() -> None:
    spans = ((50700.0, 50800.0), (50606, 50650), (50640, 50660), (50660, 50670), (50610, 50611), (50800.5, 50900))
    assert write_elements(Coverage(times=spans)) == [
        *(("temporal", "50606 50670"), ("temporal", "50700 50800"), ("temporal", "50800.5 50900"))
    ]


def test_bands_as_photon_energies() -> None:
    """Disjoint bands stay disjoint, the lower energy first; energies agree with astropy."""
    elements = write_elements(Coverage(wavelengths=((0.48, 0.73), (1.066, 1.404), (1.400, 1.924))))
    assert [name for name, _ in elements] == ["spectral", "spectral"]
    for (_, text), (long, short) in zip(elements, ((1.924, 1.066), (0.73, 0.48)), strict=True):
        expected = [(x * u.um).to_value(u.J, equivalencies=u.spectral()) for x in (long, short)]
        assert [float(word) for word in text.split()] == pytest.approx(expected, rel=1e-3)


def test_order_of_elements() -> None:
    coverage = Coverage("6/1", ((1.0, 2.0),), ((1.0, 2.0),), "https://vo.example.org/moc.fits", ("Infrared", "Optical"))
    assert [name for name, _ in write_elements(coverage)] == [
        *("spatial", "temporal", "spectral", "footprint", "waveband", "waveband")
    ]

"""Regions in words, as archives write them."""

from __future__ import annotations

import pytest
from astropy.coordinates import SkyCoord

from vo_server.sky import regions, shapes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("POLYGON ICRS 1 2 3 4 5 7", [("polygon", (1, 2, 3, 4, 5, 7))]),
        ("Polygon J2000 TOPOCENTER 1.0 2 3e0 4 5 7", [("polygon", (1, 2, 3, 4, 5, 7))]),
        ("circle 10 20 0.5", [("circle", (10, 20, 0.5))]),
        ("CIRCLE ICRS GEOCENTER SPHERICAL2 10, 20, 0.5", [("circle", (10, 20, 0.5))]),
        ("Position ICRS 10 20", [("point", (10, 20))]),
        ("UNION ICRS (CIRCLE 1 2 3 CIRCLE 4 5 6)", [("circle", (1, 2, 3)), ("circle", (4, 5, 6))]),
        ("Union ICRS ( Circle 1 2 3 Position 4 5 )", [("circle", (1, 2, 3)), ("point", (4, 5))]),
        (
            "POLYGON ICRS 1 2 3 4 5 7 POLYGON ICRS 11 2 13 4 15 7",
            [("polygon", (1, 2, 3, 4, 5, 7)), ("polygon", (11, 2, 13, 4, 15, 7))],
        ),
    ],
)
def test_shapes(text: str, expected: list[shapes.Shape]) -> None:
    assert list(regions.parse_region(text)) == expected
    assert shapes.split_region(("region", regions.parse_outline(text))) == tuple(expected)
    assert regions.parse_outline(regions.format_shape("region", regions.parse_outline(text))) == pytest.approx(
        regions.parse_outline(text), nan_ok=True
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "ICRS", "CIRCLE", "CIRCLE 1 2", "CIRCLE 1 2 3 4", "CIRCLE 1 2 x", "CIRCLE 1 95 3", "CIRCLE 1 2 -3"),
        *("CIRCLE 1 2 inf", "POLYGON 1 2 3 4", "POLYGON 0 0 1 1 0 1 1 0", "ELLIPSE ICRS 1 2 3 4 5", "12 13"),
        *("INTERSECTION (CIRCLE 1 2 3)", "NOT (CIRCLE 1 2 3)", "CIRCLE HELIOGRAPHIC 1 2 3", "RANGE 1 2 3 4"),
        "UNION ICRS (CIRCLE 1 2 3 CIRCLE 4 5)",
    ],
)
def test_rejects_invalid_regions(text: str) -> None:
    with pytest.raises(shapes.ShapeError):
        regions.parse_region(text)


def test_other_frames_are_rotated_in_queries_and_rejected_in_columns() -> None:
    ((_, (lon, lat, radius)),) = regions.parse_region("CIRCLE GALACTIC 33 -44 1")
    there = SkyCoord(33, -44, unit="deg", frame="galactic").icrs
    assert (lon, lat, radius) == pytest.approx((there.ra.deg, there.dec.deg, 1), abs=1e-9)
    with pytest.raises(shapes.ShapeError):
        regions.parse_outline("CIRCLE GALACTIC 33 -44 1")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("point", "1 2", (1, 2)),
        ("circle", "CIRCLE 1 2 3", (1, 2, 3)),
        ("circle", "1 2", None),
        ("point", "circle 1 2 3", None),
        ("polygon", "1 2 3 4 5 7 POLYGON 1 2 3 4 5 7", None),
    ],
)
def test_parses_single_shape(kind: str, text: str, expected: tuple[float, ...] | None) -> None:
    if expected is None:
        with pytest.raises(shapes.ShapeError):
            regions.parse_single_shape(kind, text)
    else:
        assert regions.parse_single_shape(kind, text) == expected


def test_unions() -> None:
    union = ("region", regions.parse_outline("CIRCLE 10 20 1 CIRCLE 50 20 2"))
    assert shapes.area(union) == pytest.approx(
        shapes.area(("circle", (10, 20, 1))) + shapes.area(("circle", (50, 20, 2)))
    )
    assert shapes.contains(union, ("point", (50.5, 20)))
    assert not shapes.contains(union, ("point", (30, 20)))
    assert shapes.contains(("circle", (30, 20, 30)), union)
    assert not shapes.contains(("circle", (10, 20, 5)), union)
    assert shapes.intersects(("circle", (48, 20, 1)), union)
    for function, reason in ((shapes.area, "overlap"), (shapes.centroid, "centroid")):
        with pytest.raises(shapes.ShapeError, match=reason):
            function(("region", regions.parse_outline("CIRCLE 10 20 1 CIRCLE 10 20 2")))

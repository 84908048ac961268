"""Regions and MOCs as values: an engine agrees with S2 and HEALPix on columns of them, row by row."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import mocpy
import numpy as np
import pytest
from astropy.coordinates import Latitude, Longitude, SkyCoord

from vo_server.errors import Code, QueryError
from vo_server.sky import cover, mocs, regions, shapes


def parse_region(text: str | None) -> shapes.Shape | None:
    """Return the region of a text by sky/, which its own tests compare with S2."""
    try:
        return None if text is None else ("region", regions.parse_outline(text))
    except shapes.ShapeError:
        return None


def to_shape(kind: str, numbers: list[float] | None) -> shapes.Shape | None:
    return None if numbers is None else (kind, tuple(numbers))


def expected_results(rows: list[shapes.Shape | None], test: Any) -> list[int | None]:
    return [None if s is None else int(test(s)) for s in rows]


SHAPES = {
    "POINT(10.2, 20.1)": ("point", (10.2, 20.1)),
    "CIRCLE(10, 20, 1.5)": ("circle", (10.0, 20.0, 1.5)),
    "CIRCLE(10, 20, 20)": ("circle", (10.0, 20.0, 20.0)),
    "CIRCLE(0, 90, 3)": ("circle", (0.0, 90.0, 3.0)),
    "POLYGON(5, 15, 15, 15, 15, 25, 5, 25)": ("polygon", (5.0, 15, 15, 15, 15, 25, 5, 25)),
    "POLYGON(357, -3, 3, -3, 3, 3, 357, 3)": ("polygon", (357.0, -3, 3, -3, 3, 3, 357, 3)),
    "REGION('UNION ICRS (CIRCLE 10 20 1.1 CIRCLE 190 -20 2)')": ("region", (10.0, 20, 1.1, np.nan, 190, -20, 2)),
}


@pytest.mark.parametrize("text", SHAPES)
def test_region_columns_against_constant_shapes(world: Any, text: str) -> None:
    """Conditions with and without the index, and values of each row, agree with sky/."""
    other = SHAPES[text]
    rows = [parse_region(r) for r in world.footprints["s_region"]]
    outlines = [to_shape("polygon", r) for r in world.footprints["outline"]]
    for column, column_shapes in (("s_region", rows), ("outline", outlines)):
        tests = {
            f"INTERSECTS({column}, {text})": expected_results(column_shapes, lambda s: shapes.intersects(s, other)),
            f"INTERSECTS({text}, {column})": expected_results(column_shapes, lambda s: shapes.intersects(s, other)),
            f"CONTAINS({column}, {text})": expected_results(column_shapes, lambda s: shapes.contains(other, s)),
            f"CONTAINS({text}, {column})": expected_results(column_shapes, lambda s: shapes.contains(s, other)),
        }
        for call, expected in tests.items():
            assert world.fetch_values(f"SELECT {call} FROM sky.footprints ORDER BY id") == expected, call
            where = f"SELECT id FROM sky.footprints WHERE 1 = {call} ORDER BY id"
            hits = [i for i, is_hit in enumerate(expected) if is_hit]
            assert world.fetch_values(where) == world.fetch_values(where, planned=False) == hits, call


def test_index_finds_regions_of_known_reach(world: Any) -> None:
    for call in (
        "INTERSECTS(s_region, CIRCLE(10, 20, 1))",
        "CONTAINS(POINT(10, 20), outline)",
        "CONTAINS(POINT(10, 20), CIRCLE(ra, dec, 0.5))",
        "CONTAINS(POINT(10, 20), BOX(ra, dec, 0.5, 1))",
        "CONTAINS(POINT(ra, dec), MOC('6/1-3'))",
    ):
        assert "IndexRanges" in repr(world.resolve(f"SELECT id FROM sky.footprints WHERE 1 = {call}")), call
        assert "IndexRanges" not in repr(world.resolve(f"SELECT id FROM sky.footprints WHERE 0 = {call}")), call
    derived = "SELECT id FROM (SELECT id, ra AS x, dec AS y, s_region AS r FROM sky.footprints) AS f WHERE {} = 1"
    assert "IndexRanges" in repr(world.resolve(derived.format("CONTAINS(POINT(10, 20), r)")))
    other = (
        "SELECT 1 FROM (SELECT a.ra, a.dec, b.s_region FROM sky.footprints AS a, sky.footprints AS b) AS f WHERE {} = 1"
    )
    assert "IndexRanges" not in repr(world.resolve(other.format("CONTAINS(POINT(10, 20), s_region)")))
    view = "SELECT id FROM sky.fp_footprints WHERE 1 = CONTAINS(POINT(10, 20), footprint)"
    assert "IndexRanges" in repr(world.resolve(view))
    assert world.fetch_values(view) == world.fetch_values(view, planned=False)


@pytest.mark.parametrize(
    "circle", ["CIRCLE(ra, dec, 1.5)", "BOX(ra, dec, 2, 1)", "CIRCLE(POINT(ra, dec), 170)", "CIRCLE(ra, dec, 0)"]
)
@pytest.mark.parametrize(
    "other", ["POINT(10, 20)", "POINT(0, 90)", "CIRCLE(359.5, 0, 0.8)", "POLYGON(5,15,15,15,15,25)"]
)
def test_shapes_about_position_use_index(world: Any, circle: str, other: str) -> None:
    for call in (f"CONTAINS({other}, {circle})", f"INTERSECTS({circle}, {other})"):
        text = f"SELECT id FROM sky.stars WHERE 1 = {call} ORDER BY id"
        assert world.fetch_values(text) == world.fetch_values(text, planned=False)


def test_columns_against_columns(world: Any) -> None:
    rows = world.footprints
    pairs = zip(map(parse_region, rows["s_region"]), rows["outline"], rows["place"], rows["disk"], strict=True)
    results = world.ask(
        "SELECT CONTAINS(place, disk), INTERSECTS(s_region, outline), CONTAINS(s_region, outline), "
        "DISTANCE(place, POINT(ra, dec)), CONTAINS(place, s_region), INTERSECTS(s_region, s_region) "
        "FROM sky.footprints ORDER BY id"
    )
    for (region, ring, position, disk), row in zip(pairs, results, strict=True):
        a, b, c = to_shape("polygon", ring), to_shape("point", position), to_shape("circle", disk)
        assert row[0] == (None if b is None or c is None else int(shapes.contains(c, b)))
        assert row[1] == (None if region is None or a is None else int(shapes.intersects(region, a)))
        assert row[2] == (None if region is None or a is None else int(shapes.contains(a, region)))
        assert (row[3] is None) == (b is None)
        assert row[4] == (None if region is None or b is None else int(shapes.contains(region, b)))
        assert row[5] == (None if region is None else 1)


def test_measures_of_columns(world: Any) -> None:
    results = world.ask(
        "SELECT AREA(s_region), AREA(outline), AREA(disk), CENTROID(s_region) FROM sky.footprints ORDER BY id"
    )
    for text, ring, disk, (a, b, c, centroid) in zip(
        *(world.footprints[name] for name in ("s_region", "outline", "disk")), results, strict=True
    ):
        region = parse_region(text)
        assert_area(a, region)
        assert_area(b, to_shape("polygon", ring))
        assert_area(c, to_shape("circle", disk))
        union = region is not None and len(shapes.split_region(region)) > 1
        assert (centroid is None) == (region is None or union)
        if centroid is not None:
            assert_near(centroid, shapes.centroid(region))


def assert_near(a: Any, b: Any) -> None:
    x, y = (
        np.array([np.cos(d) * np.cos(r), np.cos(d) * np.sin(r), np.sin(d)]) for r, d in (np.radians(a), np.radians(b))
    )
    assert np.linalg.norm(x - y) < 1e-9


def assert_area(area: float | None, shape: shapes.Shape | None) -> None:
    try:
        expected = None if shape is None else shapes.area(shape)
    except shapes.ShapeError:
        expected = None
    assert area == (None if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-9))


# ----------------------------------------------------------------- values


def test_selected_geometries_are_unchanged(world: Any) -> None:
    names = ("s_region", "outline", "disk", "place", "coverage")
    text = f"SELECT {', '.join(names)} FROM sky.footprints ORDER BY id"
    assert world.fetch_result(text).to_pydict() == {str(n): world.footprints[name] for n, name in enumerate(names)}
    assert [c.xtype for c in world.resolve(text).columns] == ["adql:REGION", "polygon", "circle", "point", "moc"]


PASSED_THROUGH = [
    ("SELECT COALESCE(s_region, 'none') FROM sky.footprints", None),
    ("SELECT COALESCE(s_region, s_region) AS r FROM sky.footprints ORDER BY id", "s_region"),
    ("SELECT CASE WHEN id >= 0 THEN outline ELSE outline END AS r FROM sky.footprints ORDER BY id", "outline"),
    ("SELECT r FROM (SELECT id, s_region AS r FROM sky.footprints) AS f ORDER BY id", "s_region"),
    (
        "SELECT id, s_region FROM footprints WHERE id < 999 UNION SELECT id, s_region FROM footprints ORDER BY id",
        "s_region",
    ),
    ("SELECT id, place FROM sky.footprints UNION ALL SELECT id, NULL FROM sky.stars WHERE id < 0 ORDER BY id", "place"),
    ("SELECT CAST(coverage AS VARCHAR) FROM sky.footprints ORDER BY id", "coverage"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column"), PASSED_THROUGH)
def test_regions_pass_through_queries(world: Any, text: str, column: str | None) -> None:
    if column is None:
        with pytest.raises(QueryError) as raised:
            world.resolve(text)
        assert raised.value.code == Code.ADQL_TYPE_MISMATCH
        return
    assert [row[-1] for row in world.ask(text)] == world.footprints[column]


def test_nulls_and_texts(world: Any) -> None:
    empty = [i for i, r in enumerate(world.footprints["s_region"]) if r is None]
    assert world.fetch_values("SELECT id FROM sky.footprints WHERE s_region IS NULL ORDER BY id") == empty
    circles = [i for i, r in enumerate(world.footprints["s_region"]) if (r or "").startswith("Circle")]
    assert world.fetch_values("SELECT id FROM sky.footprints WHERE s_region LIKE 'Circle%' ORDER BY id") == circles


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("CAST('10 20' AS POINT)", [10, 20]),
        ("CAST('circle 10 20 1' AS CIRCLE)", [10, 20, 1]),
        ("CAST('1 2 3 4 5 7' AS POLYGON)", [1, 2, 3, 4, 5, 7]),
        ("CAST(LOWER('10 20') AS POINT)", [10, 20]),
        ("CAST(LOWER('CIRCLE 10 20') AS POINT)", None),
        ("CAST(POINT(10, 20) AS VARCHAR)", "10.0 20.0"),
        ("CAST(CIRCLE(10, 20, 1) AS VARCHAR(4))", "10.0"),
        ("CAST(CIRCLE(10, 20, 1) AS REGION)", "circle 10.0 20.0 1.0"),
        ("CAST(POINT(id + 10, 20) AS VARCHAR)", "10.0 20.0"),
        ("CAST(POLYGON(id + 1, 2, 3, 4, 5, 7) AS REGION)", "polygon 1.0 2.0 3.0 4.0 5.0 7.0"),
        ("CAST(CAST('CIRCLE ICRS 10 20 1' AS REGION) AS CIRCLE)", [10, 20, 1]),
        ("CAST(NULL AS POINT)", None),
        ("COORD1(CAST(CAST(id AS VARCHAR) || ' 20' AS POINT))", 0),
        ("AREA(CAST('UNION (CIRCLE 10 20 1 CIRCLE 50 20 1)' AS REGION))", pytest.approx(2 * 3.14151290)),
        ("CONTAINS(POINT(10, 20), CAST('CIRCLE 10 20 ' || CAST(id + 1 AS VARCHAR) AS REGION))", 1),
    ],
)
def test_casts(world: Any, expression: str, expected: Any) -> None:
    assert world.evaluate(expression) == expected


def test_casts_of_column(world: Any) -> None:
    texts = world.footprints["words"]
    results = world.ask(
        "SELECT CAST(words AS POINT), CAST(words AS CIRCLE), CAST(words AS POLYGON) FROM sky.footprints ORDER BY id"
    )
    expected = {
        "10 20": ([10, 20], None, None),
        "10 20 1": (None, [10, 20, 1], None),
        "circle 10 20 2": (None, [10, 20, 2], None),
        "1 2 3 4 5 6": (None, None, [1, 2, 3, 4, 5, 6]),
    }
    assert results == [expected.get(w, (None, None, None)) for w in texts]


# ------------------------------------------------------------------- MOCs


def make_cone_moc(lon: float, lat: float, radius: float, order: int) -> str:
    """Return the MOC of a cone by mocpy."""
    cone = mocpy.MOC.from_cone(Longitude(lon, u.deg), Latitude(lat, u.deg), radius=radius * u.deg, max_depth=order)
    return str(cone.to_string("ascii")).strip()


MOCS = [
    "6/1-3 7/20",
    "0/0-11",
    "0/4 3/0-20 44",
    "29/1 2 3",
    "5/",
    make_cone_moc(10, 20, 3, 11),
    make_cone_moc(0, 90, 3, 9),
    make_cone_moc(0.01, 0, 40, 6),
    make_cone_moc(190, -20, 0.01, 15),
]


@pytest.mark.parametrize("text", MOCS)
def test_positions_in_moc(world: Any, text: str) -> None:
    moc = mocpy.MOC.from_string(text)
    stars = world.stars
    inside = moc.contains_lonlat(np.array(stars["ra"]) * u.deg, np.array(stars["dec"]) * u.deg)
    uncertain = find_border_positions(moc, stars)
    condition = f"id NOT IN (-1, {', '.join(map(str, np.flatnonzero(uncertain)))})".replace(", )", ")")
    certain = inside & ~uncertain
    for call in ("CONTAINS(POINT(ra, dec), MOC('{}'))", "INTERSECTS(MOC('{}'), POINT(ra, dec))"):
        where = f"SELECT id FROM sky.stars WHERE 1 = {call.format(text)} ORDER BY id"
        assert world.fetch_values(where) == np.flatnonzero(inside).tolist()
        assert world.fetch_values(where.replace("1 =", "0 =")) == np.flatnonzero(~inside).tolist()
        unplanned = where.replace("WHERE", f"WHERE {condition} AND")
        assert world.fetch_values(unplanned, planned=False) == np.flatnonzero(certain).tolist()
        value = f"SELECT {call.format(text)} FROM sky.stars ORDER BY id"
        assert world.fetch_values(value) == inside.astype(int).tolist()
    nulls = f"SELECT CONTAINS(POINT(mag, 20), MOC('{text}')) FROM sky.stars ORDER BY id"
    assert [v is None for v in world.fetch_values(nulls)] == [m is None for m in stars["mag"]]
    call = f"CONTAINS(POINT(ra, dec), MOC(LOWER('{text}')))"
    computed = f"SELECT id FROM sky.stars WHERE 1 = {call} AND {condition} ORDER BY id"
    assert world.fetch_values(computed) == np.flatnonzero(certain).tolist()
    joined = (
        f"SELECT s.id FROM sky.spots AS p LEFT JOIN sky.stars AS s ON s.id = p.spot AND "
        f"1 = CONTAINS(POINT(s.ra, s.dec), MOC('{text}')) WHERE s.id IS NOT NULL ORDER BY s.id"
    )
    assert world.fetch_values(joined) == [i for i in world.spots["spot"] if inside[i]]


def find_border_positions(moc: mocpy.MOC, rows: dict[str, list[Any]]) -> np.ndarray:
    """Return which positions lie within 1e-9 degrees of a border of the MOC, where rounding decides, shape (rows,)."""
    ra, dec = np.array(rows["ra"]), np.array(rows["dec"])
    near = [
        moc.contains_lonlat((ra + x) * u.deg, np.clip(dec + y, -90, 90) * u.deg)
        for x in (-1e-9, 0, 1e-9)
        for y in (-1e-9, 0, 1e-9)
    ]
    return np.any(near, axis=0) & ~np.all(near, axis=0)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT CONTAINS(POINT(ra, dec), MOC('{}')) AS c, COUNT(*) FROM stars GROUP BY c ORDER BY c",
        "SELECT 1 - CONTAINS(POINT(ra, dec), MOC('{0}')) AS c, COUNT(*) FROM stars"
        " GROUP BY CONTAINS(POINT(ra, dec), MOC('{0}')) ORDER BY c DESC",
        "SELECT c, COUNT(*) FROM (SELECT CONTAINS(POINT(ra, dec), MOC('{}')) AS c FROM stars) AS s"
        " GROUP BY c ORDER BY c",
        "SELECT 0, COUNT(*) FROM stars WHERE NOT 1 = CONTAINS(POINT(ra, dec), MOC('{0}')) UNION ALL"
        " SELECT 1, SUM(CONTAINS(POINT(ra, dec), MOC('{0}'))) FROM stars",
    ],
)
def test_groups_by_moc(world: Any, text: str) -> None:
    moc = mocpy.MOC.from_string(MOCS[2])
    inside = moc.contains_lonlat(np.array(world.stars["ra"]) * u.deg, np.array(world.stars["dec"]) * u.deg)
    assert [n for _, n in world.ask(text.format(MOCS[2]))] == [int((~inside).sum()), int(inside.sum())]


def test_moc_columns(world: Any) -> None:
    rows, texts = world.footprints, world.footprints["coverage"]
    results = world.ask(
        "SELECT CONTAINS(POINT(ra, dec), coverage), CONTAINS(place, coverage), AREA(coverage), "
        "CONTAINS(coverage, MOC('0/0-5')), CONTAINS(MOC('5/37'), coverage), INTERSECTS(coverage, MOC('3/10-200')) "
        "FROM sky.footprints ORDER BY id"
    )
    for i, (text, row) in enumerate(zip(texts, results, strict=True)):
        if text in (None, "abc"):
            assert row == (None,) * 6
            continue
        moc = mocpy.MOC.from_string(text)
        is_covered = moc.contains_lonlat(np.array([rows["ra"][i]]) * u.deg, np.array([rows["dec"][i]]) * u.deg)[0]
        assert row[0] == is_covered
        position = rows["place"][i]
        inside = None if position is None else moc.contains_lonlat([position[0]] * u.deg, [position[1]] * u.deg)[0]
        assert row[1] == inside
        assert row[2] == pytest.approx(moc.sky_fraction * 41252.96124941928)
        half, cell, band = (mocpy.MOC.from_string(t) for t in ("0/0-5", "5/37", "3/10-200"))
        assert row[3] == (moc.intersection(half) == moc)
        assert row[4] == (cell.intersection(moc) == cell)
        assert row[5] == (not moc.intersection(band).empty())


CIRCLES = [
    (10.0, 20.0, 0.1),
    (10.0, 20.0, 5.0),
    (0.0, 90.0, 2.0),
    (200.0, -70.0, 40.0),
    (359.9, 0.0, 0.3),
    (10.0, 20.0, 100.0),
]


@pytest.mark.parametrize("circle", CIRCLES)
@pytest.mark.parametrize("text", MOCS)
def test_constant_shapes_and_mocs(world: Any, circle: tuple[float, ...], text: str) -> None:
    """Results agree with those computed from the cells of the MOC and random positions in the circle."""
    moc, shape = mocpy.MOC.from_string(text), ("circle", circle)
    points = sample_circle(circle)
    inside = moc.contains_lonlat(points[0] * u.deg, points[1] * u.deg)
    disk = f"CIRCLE{circle}"
    ((meets, holds, within),) = world.ask(
        f"SELECT INTERSECTS({disk}, MOC('{text}')), CONTAINS({disk}, MOC('{text}')), CONTAINS(MOC('{text}'), {disk})"
        " FROM sky.stars WHERE id = 0"
    )
    assert meets >= inside.any()
    assert holds <= inside.all()
    cells = cover.normalise_ranges(mocs.parse_moc(text)[1])
    lon, lat = cover.cell_centres(np.concatenate([cells[:, 0], cells[:, 1] - 1]), 29)
    assert within <= bool((shapes.distance_function(shape)(lon, lat) <= 1e-8).all())
    inner_moc = mocs.moc_of_shape(9, ("circle", (*circle[:2], circle[2] * 0.9)))  # a MOC well inside the circle
    if len(inner_moc) and mocs.contains_moc(inner_moc, mocs.parse_moc(text)[1]):
        assert within == 1
    if not len(cells):
        assert (meets, holds, within) == (0, 0, 1)


def sample_circle(circle: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    lon, lat, radius = circle
    rng = np.random.default_rng(5)
    turn, part = rng.uniform(0, 2 * np.pi, 5000), np.sqrt(rng.uniform(0, 1, 5000))
    offset = 2 * np.arcsin(part * np.sin(np.radians(radius) / 2)) * (1 - 1e-9)
    positions = SkyCoord(lon * u.deg, lat * u.deg).directional_offset_by(turn * u.rad, offset * u.rad)
    return positions.ra.deg, positions.dec.deg


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MOC('6/1-3 7/20')", "6/1-3 7/20"),
        ("MOC('7/4-7 ,8 6/3')", "6/1 3 7/8"),
        (
            "MOC(3, POINT(10, 20))",
            mocpy.MOC.from_lonlat([10] * u.deg, [20] * u.deg, max_norder=3).to_string("ascii").strip(),
        ),
        ("AREA(MOC('0/0-11'))", pytest.approx(41252.96124941928)),
        ("AREA(MOC('1/0'))", pytest.approx(41252.96124941928 / 48)),
        ("CONTAINS(MOC('6/1'), MOC('5/0'))", 1),
        ("CONTAINS(MOC('5/0'), MOC('6/1'))", 0),
        ("INTERSECTS(MOC('5/0'), MOC('6/1'))", 1),
        ("INTERSECTS(MOC('5/0'), MOC('6/4'))", 0),
        ("CONTAINS(POINT(10, 20), MOC(6, CIRCLE(10, 20, 1)))", 1),
        ("CONTAINS(CIRCLE(10, 20, 1), MOC(6, CIRCLE(10, 20, 1)))", 1),
        ("CONTAINS(MOC(6, CIRCLE(10, 20, 1)), CIRCLE(10, 20, 1))", 0),
        ("CAST(MOC('6/1') AS VARCHAR)", "6/1"),
        ("COALESCE(MOC('6/1'), MOC('6/2'))", "6/1"),
        ("CAST('6/1' AS MOC)", "6/1"),
        ("COORDSYS(MOC('6/1'))", "ICRS"),
    ],
)
def test_mocs_as_values(world: Any, expression: str, expected: Any) -> None:
    assert world.evaluate(expression) == expected


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("MOC('6/1-')", Code.ADQL_BAD_LITERAL),
        ("MOC('')", Code.ADQL_BAD_LITERAL),
        ("MOC('6/49152')", Code.ADQL_BAD_LITERAL),
        ("MOC('30/1')", Code.ADQL_BAD_LITERAL),
        ("MOC(30, POINT(1, 2))", Code.ADQL_WRONG_ARGUMENTS),
        ("MOC(id, POINT(1, 2))", Code.ADQL_WRONG_ARGUMENTS),
        ("MOC(29, CIRCLE(1, 2, 10))", Code.ADQL_BAD_LITERAL),
        ("MOC(5, 6)", Code.ADQL_WRONG_ARGUMENTS),
        ("MOC(5)", Code.ADQL_WRONG_ARGUMENTS),
        ("CENTROID(MOC('6/1'))", Code.ADQL_WRONG_ARGUMENTS),
        ("ivo_geom_transform('ICRS', 'GALACTIC', MOC('6/1'))", Code.ADQL_WRONG_ARGUMENTS),
        ("DISTANCE(MOC('6/1'), POINT(1, 2))", Code.ADQL_WRONG_ARGUMENTS),
        ("CAST(MOC('6/1') AS POLYGON)", Code.ADQL_TYPE_MISMATCH),
        ("COALESCE(MOC('6/1'), POINT(1, 2))", Code.ADQL_TYPE_MISMATCH),
    ],
)
def test_rejects_invalid_mocs(world: Any, expression: str, code: Code) -> None:
    with pytest.raises(QueryError) as raised:
        world.resolve(f"SELECT {expression} FROM sky.stars")
    assert raised.value.code in (code, Code.ADQL_UNKNOWN_FUNCTION)  # the latter where an engine has no MOCs
    assert raised.value.span is not None


BORDER_ROWS = range(30)
"""The rows whose positions lie on borders."""


def apply_or_none(test: Any, *arguments: Any) -> bool | None:
    return None if any(argument is None for argument in arguments) else test(*arguments)


HALF_SKY_MOC, CELL_MOC = mocs.parse_moc("3/0-200")[1], mocs.parse_moc("9/1100000")[1]
RESULTS_OF_ROWS = {
    "MOC(6, CIRCLE(ra, dec, 0.5))": lambda disk, region, moc: mocs.format_moc(mocs.moc_of_shape(6, disk), 6),
    "MOC(5, s_region)": lambda disk, region, moc: apply_or_none(
        lambda r: mocs.format_moc(mocs.moc_of_shape(5, r), 5), region
    ),
    "CONTAINS(CIRCLE(ra, dec, 0.5), MOC('3/0-200'))": lambda disk, region, moc: mocs.contains_shape(HALF_SKY_MOC, disk),
    "CONTAINS(s_region, MOC('3/0-200'))": lambda disk, region, moc: apply_or_none(
        lambda r: mocs.contains_shape(HALF_SKY_MOC, r), region
    ),
    "CONTAINS(MOC('9/1100000'), s_region)": lambda disk, region, moc: apply_or_none(
        lambda r: mocs.is_within_shape(CELL_MOC, r), region
    ),
    "CONTAINS(MOC(9, POINT(10, 20)), CIRCLE(ra, dec, 0.5))": lambda disk, region, moc: mocs.is_within_shape(
        mocs.moc_of_shape(9, ("point", (10.0, 20.0))), disk
    ),
    "INTERSECTS(s_region, coverage)": lambda disk, region, moc: apply_or_none(
        lambda r, m: mocs.intersects_shape(m, r), region, moc
    ),
    "CONTAINS(s_region, coverage)": lambda disk, region, moc: apply_or_none(
        lambda r, m: mocs.contains_shape(m, r), region, moc
    ),
}


@pytest.mark.parametrize("call", RESULTS_OF_ROWS)
def test_shapes_of_rows_and_mocs(world: Any, call: str) -> None:
    """Results agree with those of sky/ for each row, which its tests compare with mocpy."""
    rows = world.footprints
    values = world.fetch_values(f"SELECT {call} FROM sky.footprints ORDER BY id")
    for i, value in enumerate(values):
        disk = ("circle", (rows["ra"][i], rows["dec"][i], 0.5))
        region = parse_region(rows["s_region"][i])
        text = rows["coverage"][i]
        coverage = None if text in (None, "abc") else mocs.parse_moc(text)[1]
        uncertain = region is not None and len(region[1]) == 2 and i in BORDER_ROWS  # a point on a border of cells
        assert uncertain or value == RESULTS_OF_ROWS[call](disk, region, coverage), i


# ----------------------------------------------------------------- frames


@pytest.mark.parametrize(
    ("frame", "astropy_frame"),
    [
        ("GALACTIC", "galactic"),
        ("ECLIPTIC", "barycentricmeanecliptic"),
        ("FK4", "fk4noeterms"),
        ("SUPER_GALACTIC", "supergalactic"),
    ],
)
def test_rotates_other_frames(world: Any, frame: str, astropy_frame: str) -> None:
    """The deprecated first argument agrees with astropy."""
    position = SkyCoord(33.0 * u.deg, -44.0 * u.deg, frame=astropy_frame).icrs
    for call in (
        f"POINT('{frame}', 33, -44)",
        f"CENTROID(CIRCLE('{frame}', 33, -44, 1))",
        f"CENTROID(REGION('CIRCLE {frame} 33 -44 1'))",
    ):
        assert_near(world.evaluate(call), (position.ra.deg, position.dec.deg))
    square = world.evaluate(f"POLYGON('{frame} GEOCENTER', 33, -44, 35, -44, 35, -40)")
    assert_near(square[:2], (position.ra.deg, position.dec.deg))
    inner = world.evaluate(f"CENTROID(CIRCLE('{frame}', POINT('{frame}', 33, -44), 1))")
    assert_near(inner, (position.ra.deg, position.dec.deg))
    text = f"SELECT id FROM sky.stars WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('{frame}', 33, -44, 30))"
    assert world.fetch_values(text) == world.fetch_values(text, planned=False)
    assert "IndexRanges" in repr(world.resolve(text))

"""An inventory queried through each engine: footprints compared with brute force on the sphere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mocpy import MOC

from tests.engines.conftest import ENGINE_NAMES, World, create_engine, get_engine_url
from vo_server import answer
from vo_server.adql.semantics import query as q
from vo_server.answer import prepare
from vo_server.catalogue.load import load_catalogue
from vo_server.catalogue.obscore import add_obscore
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.engines import open_sink
from vo_server.engines.data_directory import DataDirectory
from vo_server.engines.sky_postgres import WITHOUT_PGSPHERE
from vo_server.http.dali import Parameters
from vo_server.load.inventory.walk import Walk
from vo_server.load.load import load
from vo_server.model.urls import SiteUrls
from vo_server.obscore.query import ImageUrls
from vo_server.protocols.images import sia1, sia2

FRAMES = """
id = "frames"
[schema]
name = "obs"
[table]
name = "frames"
identifier = "frame"
position = { ra = "ra", dec = "dec" }
reaches = { footprint = 0.16 }
[columns.frame]
type = "INTEGER"
description = "Number of the frame"
nullable = false
[columns.ra]
type = "DOUBLE PRECISION"
description = "Right ascension"
nullable = false
[columns.dec]
type = "DOUBLE PRECISION"
description = "Declination"
nullable = false
[columns.footprint]
type = "POLYGON"
description = "Outline"
nullable = false
[columns.fov]
type = "DOUBLE PRECISION"
description = "Diameter"
[columns.path]
type = "VARCHAR(*)"
description = "Path"
nullable = false
[images]
collection = "Frames"
product = "image"
calibration = 2
title = "Frame {frame}"
facility = "Here"
instrument = "Camera"
names = ['f(?P<frame>\\d+)']
[images.bands.V]
low = 5e-7
reference = 5.5e-7
high = 6e-7
[images.fill]
ra = { sky = "ra" }
dec = { sky = "dec" }
footprint = { sky = "footprint" }
fov = { sky = "fov" }
path = { file = "path" }
[origin]
title = "Frames"
publisher = "Nobody"
"""

CENTRES = [(0, 0), (359.95, 0.1), (0.05, -0.1), (0, 90), (77, 89.9), (200, -90), (10, -89.8), (180, 45), (10, 20)]

PATHS = {"images": "/images", "preview": "/preview", "datalink": "/datalink", "soda": "/soda"}
"""The paths of the services of images."""


class Frames:
    """The engine, and the corners of each frame as unit vectors of shape (n, 4, 3), counterclockwise from outside."""

    def __init__(self, world: World, corners: np.ndarray, centres: np.ndarray) -> None:
        self.world, self.corners, self.centres = world, corners, centres

    @cached_property
    def grid_degrees(self) -> tuple[np.ndarray, np.ndarray]:
        """Return longitudes and latitudes of the grid, in degrees, each of shape (n, 1369)."""
        points = make_grid(self.corners)
        return np.degrees(np.arctan2(points[..., 1], points[..., 0])), np.degrees(np.arcsin(points[..., 2]))

    def frames(self, condition: str) -> set[int]:
        text = f"SELECT frame FROM obs.frames WHERE {condition}"
        found = self.world.fetch_values(text)
        assert sorted(found) == sorted(self.world.fetch_values(text, planned=False)), "the index leaves nothing out"
        return set(found)


def to_vector(ra: Any, dec: Any) -> np.ndarray:
    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def frame_headers() -> list[fits.Header]:
    rng = np.random.default_rng(5)
    near = [(r + a, float(np.clip(d + b, -90, 90))) for r, d in CENTRES for a, b in rng.normal(0, 0.2, (6, 2))]
    headers = []
    for n, (ra, dec) in enumerate([*CENTRES, *near]):
        header = fits.Header(
            {"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": 512, "NAXIS2": 1024 if n % 3 else 698}
        )
        header["CTYPE1"], header["CTYPE2"], header["CROTA2"] = "RA---SIN", "DEC--SIN", float(rng.uniform(-180, 180))
        header["CRVAL1"], header["CRVAL2"], header["CRPIX1"], header["CRPIX2"] = ra % 360, dec, 256.5, 512.5
        header["CDELT1"], header["CDELT2"] = -1 / 3600, 1 / 3600
        headers.append(header)
    return headers


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def frames(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frames]:
    url = get_engine_url(request)
    folder = tmp_path_factory.mktemp("frames")
    (folder / "frames.toml").write_text(FRAMES)
    (folder / "files").mkdir()
    for n, header in enumerate(frame_headers()):
        # A header alone: the walk reads no further.
        (folder / "files" / f"f{n}.fits").write_bytes(header.tostring().encode())
    catalogue = load_catalogue([folder / "frames.toml"])
    walk = Walk(str(folder / "files"), [str(folder / "files")])
    store = DataDirectory(folder / "data")
    load(catalogue.get_collection("frames"), walk, store, sink=open_sink(url))
    catalogue = add_tap_schema(catalogue)
    engine = create_engine(url, store, catalogue)
    if engine.unsupported_functions() & WITHOUT_PGSPHERE:
        engine.close()
        pytest.skip("pgSphere is not installed (Debian: apt install postgresql-15-pgsphere, or of another version)")
    world = World(catalogue, engine, store, {}, {}, Path(folder))
    rows = world.ask("SELECT footprint, ra, dec FROM obs.frames ORDER BY frame")
    corners = np.array([[to_vector(*pair) for pair in np.reshape(row[0], (4, 2))] for row in rows])[:, ::-1]
    yield Frames(world, corners, to_vector(*np.array([row[1:] for row in rows]).T))
    engine.close()


def distance_inside_edges(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return how far (radians) m points lie inside each edge of n frames, negative outside, shape (n, 4, m)."""
    normals = np.cross(corners, np.roll(corners, -1, axis=1))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.asarray(np.arcsin(np.clip(normals @ points.T, -1, 1)))


def distance_to_border(corners: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return the distance in degrees from a point to the border of each frame."""
    ends = np.roll(corners, -1, axis=1)
    share = np.linspace(0, 1, 4001)[:, None, None, None]
    along = corners * (1 - share) + ends * share
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    chord = np.linalg.norm(along - point, axis=-1).min(axis=(0, 2))
    return np.asarray(np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1))))


def check_found(found: set[int], inside: np.ndarray, tolerance: float) -> None:
    """Check which frames were found.

    `inside` is the distance (degrees) by which each lies inside the region; within `tolerance` either result is right.
    """
    assert set(np.flatnonzero(inside > tolerance)) <= found
    assert found <= set(np.flatnonzero(inside > -tolerance))


def test_footprint_is_around_centre(frames: Frames) -> None:
    assert len(frames.corners) == len(CENTRES) * 7
    assert (np.diagonal(distance_inside_edges(frames.corners, frames.centres).min(axis=1)) > 0).all()
    areas = np.array(frames.world.fetch_values("SELECT AREA(footprint) FROM obs.frames ORDER BY frame"))
    pixels = np.array([h["NAXIS1"] * h["NAXIS2"] for h in frame_headers()]) / 3600**2
    assert areas == pytest.approx(pixels, rel=1e-4)


def test_coverage_is_that_of_footprints(frames: Frames) -> None:
    """Every position in a frame is covered, and no covered one is farther from it than a cell of order 10 is wide."""
    facts = frames.world.engine.get_facts(frames.world.catalogue.get_collection("frames").table)
    moc = MOC.from_string(facts.coverage)
    rng = np.random.default_rng(8)
    near = frames.centres[rng.integers(0, len(frames.centres), 20_000)] + rng.normal(0, np.radians(0.2), (20_000, 3))
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    lon, lat = np.degrees(np.arctan2(near[:, 1], near[:, 0])) % 360, np.degrees(np.arcsin(near[:, 2]))
    depth = np.degrees(distance_inside_edges(frames.corners, near).min(axis=1).max(axis=0))
    covered = moc.contains_lonlat(lon * u.deg, lat * u.deg)
    assert (depth > 0).sum() > 3_000
    assert covered[depth > 1e-9].all()
    assert (depth[covered] > -0.115).all()
    assert 0 < (covered & (depth < 0)).sum() < 6_000
    ra, dec = (np.array(frames.world.fetch_values(f"SELECT {name} FROM obs.frames")) * u.deg for name in ("ra", "dec"))
    centres = MOC.from_lonlat(ra, dec, max_norder=10)
    assert moc.sky_fraction > 3 * centres.sky_fraction
    assert (facts.times, facts.bands) == ((), ())


position = st.sampled_from(CENTRES).flatmap(
    lambda c: st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)).map(
        lambda off: ((c[0] + off[0]) % 360, float(np.clip(c[1] + off[1], -90, 90)))
    )
)
FEW_EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW_EXAMPLES
@given(position)
def test_images_at_position(frames: Frames, position: tuple[float, float]) -> None:
    ra, dec = position
    inside = np.degrees(distance_inside_edges(frames.corners, to_vector(ra, dec)[None])[:, :, 0].min(axis=1))
    check_found(frames.frames(f"1 = CONTAINS(POINT({ra!r}, {dec!r}), footprint)"), inside, 1e-9)
    check_found(frames.frames(f"0 = CONTAINS(POINT({ra!r}, {dec!r}), footprint)"), -inside, 1e-9)


@FEW_EXAMPLES
@given(position, st.sampled_from([1e-4, 0.02, 0.08, 0.25, 1.5]))
def test_images_of_circle(frames: Frames, position: tuple[float, float], radius: float) -> None:
    """OVERLAPS, COVERS and ENCLOSED of SIA, expressed in ADQL."""
    ra, dec = position
    point, circle = to_vector(ra, dec), f"CIRCLE({ra!r}, {dec!r}, {radius!r})"
    depth = np.degrees(distance_inside_edges(frames.corners, point[None])[:, :, 0].min(axis=1))
    edge = distance_to_border(frames.corners, point)
    signed = np.where(depth >= 0, edge, -edge)
    check_found(frames.frames(f"1 = INTERSECTS({circle}, footprint)"), radius + signed, 1e-6)
    check_found(frames.frames(f"1 = CONTAINS({circle}, footprint)"), signed - radius, 1e-6)
    corner = np.degrees(np.arccos(np.clip(frames.corners @ point, -1, 1))).max(axis=1)
    check_found(frames.frames(f"1 = CONTAINS(footprint, {circle})"), radius - corner, 1e-6)


@FEW_EXAMPLES
@given(position, st.floats(0.02, 0.5))
def test_images_of_polygon(frames: Frames, position: tuple[float, float], side: float) -> None:
    """Convex polygons overlap unless an edge of one separates them; one contains another if it has all corners."""
    ra, dec = position
    point = to_vector(ra, dec)
    east = np.cross([0, 0, 1], point) if abs(dec) < 89.999 else np.cross([1, 0, 0], point)
    east /= np.linalg.norm(east)
    north = np.cross(point, east)
    half = np.radians(side) / 2
    field = np.array([point + half * (a * east + b * north) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    field /= np.linalg.norm(field, axis=1, keepdims=True)
    numbers = (
        ", ".join(
            f"{np.degrees(np.arctan2(v[1], v[0])) % 360!r}, {np.degrees(np.arctan2(v[2], np.hypot(v[0], v[1])))!r}"
            for v in field
        )
        .replace("np.float64(", "")
        .replace(")", "")
    )
    ours = np.degrees(distance_inside_edges(frames.corners, field))
    theirs = np.degrees(distance_inside_edges(field[None], frames.corners.reshape(-1, 3))[0]).reshape(4, -1, 4)
    # On the other side of the sphere, edges do not separate polygons.
    facing = np.where(frames.centres @ point > 0, np.inf, -1)
    separation = np.minimum(np.minimum(ours.max(axis=2).min(axis=1), theirs.max(axis=2).min(axis=0)), facing)
    check_found(frames.frames(f"1 = INTERSECTS(footprint, POLYGON({numbers}))"), separation, 1e-6)
    check_found(frames.frames(f"1 = CONTAINS(footprint, POLYGON({numbers}))"), theirs.min(axis=(0, 2)), 1e-6)
    check_found(frames.frames(f"1 = CONTAINS(POLYGON({numbers}), footprint)"), ours.min(axis=(1, 2)), 1e-6)


# --------------------------------------------------------------- protocols

FEWER_EXAMPLES = settings(FEW_EXAMPLES, max_examples=10)


def make_box(ra: float, dec: float, width: float, height: float) -> np.ndarray:
    """Return the corners of a region of SIA 1.0, counterclockwise: a rectangle in the tangent plane."""
    point = to_vector(ra, dec)
    a, d = np.radians(ra), np.radians(dec)
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    x, y = (np.tan(np.radians(side) / 2) for side in (width, height))
    corners = np.array([point + i * x * east + j * y * north for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    return np.asarray(corners / np.linalg.norm(corners, axis=1, keepdims=True))


def fetch_column(frames: Frames, query: q.Query, column: int) -> list[Any]:
    """Return a column of the result of a query that a protocol has built."""
    prepared = prepare(query, frames.world.engine, 10_000)
    batches = frames.world.engine.run(prepared.statement, prepared.parameters, brief=prepared.is_small).read_batches()
    return [value for batch in batches for value in batch.column(column).to_pylist()]


def search_sia1(frames: Frames, **parameters: str) -> set[int]:
    """Return the frames that SIA 1.0 finds."""
    collection = frames.world.catalogue.get_collection("frames")
    request_parameters = Parameters(tuple(parameters.items()))
    files, all_formats = (
        sia1.build_query(collection, request_parameters, ImageUrls(SiteUrls("http://x", PATHS)), [format])
        for format in ("image/fits", "ALL")
    )
    ids = [int(url.rpartition("/")[2]) for url in fetch_column(frames, files, DOWNLOAD)]
    assert len(ids) == len(set(ids))
    urls = [url.partition("&FORMAT=") for url in fetch_column(frames, all_formats, DOWNLOAD)]
    assert [kind for _, _, kind in urls] == ["", "jpeg", "png"] * len(ids), (
        "one row for the file and one for each picture"
    )
    assert sorted(int(url.rpartition("/")[2]) for url, _, _ in urls) == sorted(ids * 3)
    return set(ids)


DOWNLOAD = 1
"""The number of the column of SIA 1.0 that has the URL."""


def search_sia2(frames: Frames, *parameters: tuple[str, str]) -> set[int]:
    """Return the frames that SIA 2.0 finds."""
    collection = frames.world.catalogue.get_collection("frames")
    query = sia2.build_query(Parameters(parameters), [collection], ImageUrls(SiteUrls("http://example.org", PATHS)))
    names = [c.name for c in query.columns]
    return {int(did.rpartition("/")[2]) for did in fetch_column(frames, query, names.index("obs_publisher_did"))}


@FEWER_EXAMPLES
@given(position, st.sampled_from([1e-3, 0.05, 0.2, 0.7]), st.sampled_from([1e-3, 0.1, 0.4, 1.2]))
def test_sia1_intersect_modes(frames: Frames, position: tuple[float, float], width: float, height: float) -> None:
    ra, dec = position
    parameters = {"POS": f"{ra!r},{dec!r}", "SIZE": f"{width},{height}"}
    point, field = to_vector(ra, dec), make_box(ra, dec, width, height)
    ours = np.degrees(distance_inside_edges(frames.corners, field))
    theirs = np.degrees(distance_inside_edges(field[None], frames.corners.reshape(-1, 3))[0]).reshape(4, -1, 4)
    facing = np.where(frames.centres @ point > 0, np.inf, -1)
    separation = np.minimum(np.minimum(ours.max(axis=2).min(axis=1), theirs.max(axis=2).min(axis=0)), facing)
    centre = np.degrees(distance_inside_edges(frames.corners, point[None])[:, :, 0].min(axis=1))
    check_found(search_sia1(frames, **parameters), separation, 1e-6)
    check_found(search_sia1(frames, INTERSECT="OVERLAPS", **parameters), separation, 1e-6)
    check_found(search_sia1(frames, INTERSECT="COVERS", **parameters), ours.min(axis=(1, 2)), 1e-6)
    check_found(search_sia1(frames, INTERSECT="ENCLOSED", **parameters), theirs.min(axis=(0, 2)), 1e-6)
    check_found(search_sia1(frames, INTERSECT="CENTER", **parameters), centre, 1e-6)
    check_found(search_sia1(frames, POS=parameters["POS"], SIZE="0"), centre, 1e-6)
    assert search_sia1(frames, POS=parameters["POS"], SIZE="0", INTERSECT="ENCLOSED") == set()
    numbers = " ".join(repr(float(x)) for v in field for x in to_degrees(v))
    check_found(search_sia2(frames, ("POS", f"POLYGON {numbers}")), separation, 1e-6)


@FEWER_EXAMPLES
@given(position, st.sampled_from([1e-4, 0.08, 0.5]))
def test_sia2_circles_and_polygons(frames: Frames, position: tuple[float, float], radius: float) -> None:
    ra, dec = position
    point = to_vector(ra, dec)
    depth = np.degrees(distance_inside_edges(frames.corners, point[None])[:, :, 0].min(axis=1))
    edge = distance_to_border(frames.corners, point)
    circle = ("POS", f"CIRCLE {ra!r} {dec!r} {radius}")
    ids = search_sia2(frames, circle)
    check_found(ids, radius + np.where(depth >= 0, edge, -edge), 1e-6)
    elsewhere = ("POS", "CIRCLE 300 10 0.01")
    assert search_sia2(frames, circle, elsewhere) == ids
    assert search_sia2(frames, elsewhere) == set()
    assert search_sia2(frames, circle, ("BAND", "5.5e-7")) == ids
    assert search_sia2(frames, circle, ("BAND", "7e-7 +Inf")) == set()


def to_degrees(v: np.ndarray) -> tuple[float, float]:
    return float(np.degrees(np.arctan2(v[1], v[0])) % 360), float(np.degrees(np.arctan2(v[2], np.hypot(v[0], v[1]))))


def make_grid(corners: np.ndarray) -> np.ndarray:
    """Return positions all over each frame and its border, 0.008 degrees apart, shape (n, 1369, 3)."""
    x, y = (share.reshape(-1)[:, None, None] for share in np.meshgrid(np.linspace(0, 1, 37), np.linspace(0, 1, 37)))
    a, b, c, d = (corners[:, n] for n in range(4))
    points = (1 - x) * (1 - y) * a + x * (1 - y) * b + x * y * c + (1 - x) * y * d
    return np.asarray((points / np.linalg.norm(points, axis=-1, keepdims=True)).transpose(1, 0, 2))


@pytest.mark.slow
@FEWER_EXAMPLES
@given(position, st.sampled_from([0.05, 0.5, 40.0, 359.0]), st.sampled_from([0.05, 0.6]))
def test_sia2_ranges(frames: Frames, position: tuple[float, float], width: float, height: float) -> None:
    """A frame is found if a position in it is in the range, and not if none is in a slightly larger range."""
    ra, dec = position
    low, high = max(dec - height / 2, -90.0), min(dec + height / 2, 90.0)
    west, east = (ra - width / 2) % 360, (ra + width / 2) % 360
    found = search_sia2(frames, ("POS", f"RANGE {west!r} {east!r} {low!r} {high!r}"))
    lon, lat = frames.grid_degrees
    longitude_excess = np.abs((lon - ra + 180) % 360 - 180) - width / 2

    def inside(by: float) -> set[int]:
        rows = np.flatnonzero(((lat >= low - by) & (lat <= high + by)).any(axis=1))  # most frames lie elsewhere
        margin = by / np.maximum(np.cos(np.radians(lat[rows])), 1e-9)
        hit = (lat[rows] >= low - by) & (lat[rows] <= high + by) & (longitude_excess[rows] <= np.minimum(margin, 180))
        return set(rows[hit.any(axis=1)])

    assert inside(-5e-4) <= found <= inside(0.02)


def test_open_ranges(frames: Frames) -> None:
    everything = set(range(len(frames.corners)))
    assert search_sia2(frames, ("POS", "RANGE -Inf +Inf -Inf +Inf")) == everything
    north = search_sia2(frames, ("POS", "RANGE 0 360 -0.0 +Inf"))
    assert north == set(np.flatnonzero((make_grid(frames.corners)[..., 2] >= 0).any(axis=1)))
    assert search_sia2(frames) == everything


def test_region_bounds_inventory_index(frames: Frames) -> None:
    """A condition on the region bounds the index of the inventory behind it."""
    text = "SELECT obs_id FROM ivoa.obscore WHERE 1 = INTERSECTS(s_region, CIRCLE(10, 20, 0.01))"
    catalogue = add_obscore(frames.world.catalogue)
    resolved = answer.expand_obscore(
        answer.compile_query(text, catalogue),
        catalogue,
        frames.world.engine,
        ImageUrls(SiteUrls("http://example.org", PATHS)),
    )
    prepared = prepare(resolved.query, frames.world.engine, 100)
    assert prepared.expected_rows == 0
    assert prepared.is_short
    ids = {int(row) for row in fetch_column(frames, resolved.query, 0)}
    assert ids == frames.frames("1 = INTERSECTS(footprint, CIRCLE(10, 20, 0.01))") != set()

"""A small catalogue that is loaded into every registered engine, for the suite over the engines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.load import load_catalogue
from vo_server.catalogue.tap_schema import add_tap_schema, build_rows
from vo_server.engines import ENGINES, EngineOptions, open_engine, open_sink
from vo_server.engines.data_directory import DataDirectory
from vo_server.engines.engine import Engine, EngineLimits
from vo_server.engines.sky_postgres import WITHOUT_PGSPHERE
from vo_server.load.load import load

STARS = """
id = "stars"
[schema]
name = "sky"
[table]
name = "stars"
identifier = "id"
position = { ra = "ra", dec = "dec" }
[columns.id]
type = "INTEGER"
ucd = "meta.id;meta.main"
description = "The number of the star."
nullable = false
[columns.ra]
type = "DOUBLE PRECISION"
unit = "deg"
ucd = "pos.eq.ra;meta.main"
description = "Right ascension."
nullable = false
[columns.dec]
type = "DOUBLE PRECISION"
unit = "deg"
ucd = "pos.eq.dec;meta.main"
description = "Declination."
nullable = false
[columns.mag]
type = "REAL"
unit = "mag"
ucd = "phot.mag;em.IR.J"
description = "Magnitude."
[columns.kmag]
type = "REAL"
unit = "mag"
ucd = "phot.mag;em.IR.K"
description = "Another magnitude."
[columns.small]
type = "SMALLINT"
description = "A small number."
[columns.big]
type = "BIGINT"
description = "A large number."
[columns.x]
type = "DOUBLE PRECISION"
unit = "arcsec"
description = "A number."
[columns.flag]
type = "CHAR(3)"
description = "A flag."
[columns.name]
type = "VARCHAR(12)"
ucd = "meta.id"
description = "A name."
[columns.date]
type = "DATE"
ucd = "time.epoch"
description = "A day."
[columns.moment]
type = "TIMESTAMP"
description = "A moment."
[[views]]
name = "fp_stars"
rename = { id = "cntr", date = "xdate", ra = "raj2000" }
[origin]
title = "Stars"
publisher = "Nobody"
"""

SPOTS = """
id = "spots"
[schema]
name = "sky"
[table]
name = "spots"
identifier = "spot"
position = { ra = "ra", dec = "dec" }
[columns.spot]
type = "INTEGER"
description = "The number of the spot."
nullable = false
[columns.ra]
type = "DOUBLE PRECISION"
unit = "deg"
description = "Right ascension."
nullable = false
[columns.dec]
type = "DOUBLE PRECISION"
unit = "deg"
description = "Declination."
nullable = false
[columns.id]
type = "INTEGER"
description = "A star."
[columns.radius]
type = "REAL"
unit = "deg"
description = "How large it is."
[origin]
title = "Spots"
publisher = "Nobody"
"""

FOOTPRINTS = """
id = "footprints"
[schema]
name = "sky"
[table]
name = "footprints"
identifier = "id"
position = { ra = "ra", dec = "dec" }
reaches = { s_region = 3.0, outline = 3.0 }
[columns.id]
type = "INTEGER"
description = "The number of the observation."
nullable = false
[columns.ra]
type = "DOUBLE PRECISION"
unit = "deg"
description = "Right ascension."
nullable = false
[columns.dec]
type = "DOUBLE PRECISION"
unit = "deg"
description = "Declination."
nullable = false
[columns.s_region]
type = "VARCHAR(*)"
xtype = "adql:REGION"
ucd = "pos.outline;obs.field"
description = "What was seen, in the words of STC-S."
[columns.outline]
type = "POLYGON"
description = "The same as a polygon."
[columns.disk]
type = "CIRCLE"
description = "A circle anywhere."
[columns.place]
type = "POINT"
description = "A point anywhere."
[columns.coverage]
type = "MOC"
description = "Cells of the sky."
[columns.words]
type = "VARCHAR(*)"
description = "Numbers in a text."
[[views]]
name = "fp_footprints"
rename = { ra = "s_ra", dec = "s_dec", s_region = "footprint" }
[origin]
title = "Footprints"
publisher = "Nobody"
"""

EDGE = (
    *((ra, dec) for ra in (0.0, 360.0 - 1e-9, 180.0, 90.0, 270.0, 45.0) for dec in (0.0, 90.0, -90.0, 1e-9, -45.0)),
    *((10.0, 20.0), (10.0, 20.0), (190.0, -20.0), (10.0 + 1e-9, 20.0), (10.0, 20.0 + 1e-9), (10.0, 21.0)),
    *((359.999999, 89.999999), (0.000001, -89.999999), (10.5, 20.5), (350.0, 0.5), (0.1, 41.8103)),
)
"""Critical positions: the poles, RA 0 and 360, antipodes, duplicates, borders of HEALPix cells."""


def make_positions(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ra and dec, each (n,): the edge cases, then random positions, half over the sky, half about (10, 20)."""
    rng = np.random.default_rng(seed)
    sky = rng.uniform(0, 360, count // 2), np.degrees(np.arcsin(rng.uniform(-1, 1, count // 2)))
    near = 10 + rng.normal(0, 2, count // 2), 20 + rng.normal(0, 2, count // 2)
    edge = np.array(EDGE).T
    return np.concatenate([edge[0], sky[0], near[0] % 360]), np.concatenate([edge[1], sky[1], near[1]])


def make_stars(count: int = 600) -> pa.Table:
    """Return rows with nulls in every nullable column."""
    rng = np.random.default_rng(7)
    ra, dec = make_positions(count, 1)
    n = len(ra)
    numbers = np.arange(n)
    gap = numbers % 11 == 3
    texts = np.array(["abc", "Abc", "a%c", "a_c", "a\\c", "\\%", "it's", "ÄÖ", "x y", "000"])
    columns: dict[str, Any] = {
        "id": pa.array(numbers, pa.int32()),
        "ra": ra,
        "dec": dec,
        "mag": pa.array(np.round(rng.uniform(5, 17, n), 3).astype(np.float32), mask=gap),
        "kmag": pa.array(np.round(rng.uniform(5, 17, n), 3).astype(np.float32), mask=numbers % 7 == 0),
        "small": pa.array((numbers % 40 - 20).astype(np.int16), mask=numbers % 13 == 5),
        "big": pa.array(numbers.astype(np.int64) * 10**12, mask=numbers % 17 == 5),
        "x": pa.array(np.round(rng.normal(0, 50, n), 2), mask=numbers % 9 == 4),
        "flag": pa.array(np.array(["000", "0c0", "AAA", "UUU"])[numbers % 4]),
        "name": pa.array(texts[numbers % 10], mask=numbers % 19 == 1),
        "date": pa.array([dt.date(2000, 1, 1) + dt.timedelta(int(i) % 400) for i in numbers], mask=numbers % 23 == 2),
        "moment": pa.array(
            [dt.datetime(2000, 1, 1, 12) + dt.timedelta(minutes=int(i)) for i in numbers],
            pa.timestamp("us"),
            mask=numbers % 29 == 2,
        ),
    }
    return pa.table(columns)


def make_spots() -> pa.Table:
    """Return rows with positions and radii, some of them null."""
    ra, dec = make_positions(40, 2)
    n = len(ra)
    numbers = np.arange(n)
    return pa.table(
        {
            "spot": pa.array(numbers, pa.int32()),
            "ra": ra,
            "dec": dec,
            "id": pa.array(numbers * 3, pa.int32(), mask=numbers % 5 == 4),
            "radius": pa.array((numbers % 6).astype(np.float32) / 4, mask=numbers % 8 == 7),
        }
    )


def make_polygon(ra: float, dec: float, radius: float, corners: int = 4) -> list[float]:
    """Return a regular polygon about a position in degrees, as a flat list; `radius` is in radians."""
    a, d, turns = *np.radians([ra, dec]), np.arange(corners) * 2 * np.pi / corners + 0.3
    centre = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    east, north = (
        np.array([-np.sin(a), np.cos(a), 0]),
        np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)]),
    )
    away = np.sin(radius) * (np.outer(np.cos(turns), east) + np.outer(np.sin(turns), north))
    x, y, z = (np.cos(radius) * centre + away).T
    places = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
    return [float(x) for pair in zip(*places, strict=True) for x in pair]


DOUBLES = pa.list_(pa.float64())
WORDS = ("10 20", "10 20 1", "circle 10 20 2", "1 2 3 4 5 6", "no", None)


def make_footprints() -> pa.Table:
    """Return regions in all notations, with nulls and invalid texts."""
    ra, dec = make_positions(150, 3)
    rng, regions, outlines = np.random.default_rng(9), [], []
    for i, (x, y) in enumerate(zip(ra, dec, strict=True)):
        size = float(rng.uniform(0.05, 2.9))
        corners = make_polygon(x, y, np.radians(size), 3 + i % 4)
        numbers = " ".join(map(str, corners))
        half = " ".join(map(str, make_polygon(x, y, np.radians(size / 2))))
        texts = (
            f"POLYGON ICRS {numbers}",
            f"Circle ICRS {x} {y} {size}",
            f"polygon {numbers}",
            f"UNION ICRS (CIRCLE {x} {y} {size / 3} POLYGON {half})",
            f"POLYGON ICRS {half} POLYGON ICRS {numbers}",
            f"POSITION ICRS {x} {y}",
            f"BOX ICRS TOPOCENTER {x} {y} {size} {size / 2}",
            f"POLYGON ICRS {numbers} {corners[0]} {corners[1]}",
            "ELLIPSE ICRS 1 2 3 4 5",
            None,
        )
        regions.append(texts[i % len(texts)])
        outlines.append(None if i % 7 == 3 else corners)
    n = len(ra)
    numbers = np.arange(n)
    lon, lat = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    places = np.stack([lon, lat], axis=-1).tolist()
    mocs = [f"3/{i % 300}-{i % 300 + 2} 5/{6000 + (i * 37) % 3000} {9000 + (i * 91) % 3000}" for i in numbers]
    return pa.table(
        {
            "id": pa.array(numbers, pa.int32()),
            "ra": ra,
            "dec": dec,
            "s_region": pa.array(regions, pa.string()),
            "outline": pa.array(outlines, DOUBLES),
            "disk": pa.array([[*p, float(i % 90)] if i % 6 else None for i, p in enumerate(places)], DOUBLES),
            "place": pa.array([p if i % 8 else None for i, p in enumerate(places)], DOUBLES),
            "coverage": pa.array([None if i % 9 == 4 else "abc" if i % 9 == 5 else m for i, m in enumerate(mocs)]),
            "words": pa.array([WORDS[i % len(WORDS)] for i in numbers]),
        }
    )  # fmt: skip


@dataclass(repr=False)
class World:
    """An engine with three loaded tables; `stars`, `spots` and `footprints` are the loaded rows."""

    catalogue: Catalogue
    engine: Engine
    store: DataDirectory
    stars: dict[str, list[Any]]
    spots: dict[str, list[Any]]
    folder: Path
    footprints: dict[str, list[Any]] = field(default_factory=dict)

    def resolve(self, text: str, planned: bool = True) -> q.Query:
        """Return a query resolved and, with `planned`, planned."""
        query = resolve(parse(text), self.catalogue, text, self.engine.unsupported_functions()).query
        return plan(query, self.engine.count_rows) if planned else query

    def fetch_result(self, text: str, planned: bool = True, **options: Any) -> pa.Table:
        """Return the result of a query, its columns named by number."""
        return self.fetch_table(self.resolve(text, planned), **options)

    def fetch_table(self, query: q.Query, **options: Any) -> pa.Table:
        """Return the result of a resolved query, its columns named by number."""
        statement, slots = translate(query, self.engine.locate)
        run = self.engine.run(statement, slots, **options)
        batches = list(run.read_batches())
        names = [str(n) for n in range(len(batches[0].columns))] if batches else []
        return pa.table([pa.chunked_array(c) for c in zip(*(b.columns for b in batches), strict=True)], names=names)

    def ask(self, text: str, planned: bool = True, **options: Any) -> list[tuple[Any, ...]]:
        """Return the rows of the result of a query."""
        return self.fetch_rows(self.resolve(text, planned), **options)

    def fetch_rows(self, query: q.Query, **options: Any) -> list[tuple[Any, ...]]:
        """Return the rows of the result of a resolved query."""
        columns = self.fetch_table(query, **options).to_pydict().values()
        return list(zip(*columns, strict=True))

    def fetch_values(self, text: str, planned: bool = True) -> list[Any]:
        """Return the first column of the result of a query."""
        return [row[0] for row in self.ask(text, planned)]

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression without columns."""
        ((value,),) = self.ask(f"SELECT {expression} AS v FROM sky.stars WHERE id = 0")
        return value


ENGINE_NAMES = [kind.name for kind in ENGINES]
"""The registered engines: the suite runs over each of them."""


def get_engine_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of the engine of the test: empty for the embedded one, else that of the fixture of its name."""
    (kind,) = (kind for kind in ENGINES if kind.name == request.param)
    return "" if "" in kind.schemes else str(request.getfixturevalue(kind.name))


def create_engine(url: str, store: DataDirectory, catalogue: Catalogue) -> Engine:
    """Return the engine of a URL, with TAP_SCHEMA."""
    static = {f"tap_schema.{name}": rows for name, rows in build_rows(catalogue).items()}
    return open_engine(EngineOptions(url, store.data, EngineLimits("1GB", threads=2), catalogue, static))


@contextmanager
def create_world(url: str, folder: Path) -> Iterator[World]:
    """Load the tables into an engine, and yield them with the engine."""
    sink = open_sink(url)
    (folder / "schemas").mkdir()
    (folder / "schemas/stars.toml").write_text(STARS)
    (folder / "schemas/spots.toml").write_text(SPOTS)
    (folder / "schemas/footprints.toml").write_text(FOOTPRINTS)
    catalogue = load_catalogue([folder / "schemas"])
    store = DataDirectory(folder / "data")
    tables = {"stars": make_stars(), "spots": make_spots(), "footprints": make_footprints()}
    for id, rows in tables.items():
        pq.write_table(rows, folder / f"{id}.parquet")
        load(catalogue.get_collection(id), [folder / f"{id}.parquet"], store, sink=sink)
    catalogue = add_tap_schema(catalogue)
    engine = create_engine(url, store, catalogue)
    if engine.unsupported_functions() & WITHOUT_PGSPHERE:
        engine.close()
        pytest.skip("pgSphere is not installed (Debian: apt install postgresql-15-pgsphere, or of another version)")
    yield World(
        catalogue,
        engine,
        store,
        tables["stars"].to_pydict(),
        tables["spots"].to_pydict(),
        folder,
        tables["footprints"].to_pydict(),
    )
    engine.close()


@pytest.fixture(scope="session", params=ENGINE_NAMES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with create_world(get_engine_url(request), tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="session")
def worlds(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """Load the same rows into DuckDB and PostgreSQL."""
    with (
        create_world("", tmp_path_factory.mktemp("one")) as one,
        create_world(postgresql, tmp_path_factory.mktemp("other")) as other,
    ):
        yield one, other

"""How fast headers come in, and how fast an inventory of the whole survey answers.

    python tests/bench/bench_images.py [--files 4000] [--rows 4121439] [--folder DIR] [--queries 200]
    python tests/bench/bench_images.py --files 500 --rows 100000 --queries 50     a quick look

Files are made with the headers of synthetic Atlas images, gzipped as the release's are. The inventory has the survey's
own geometry: 59,731 scans of 23 images in three bands. Both are kept in the folder for the next time. It is asked in
the process and, as clients do, through HTTP by SIA 1 and SIA 2; CPU is that of the processes that work.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_http import Client, Process, serving

from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.load import builtin_schemas, load_catalogue
from vo_server.catalogue.tap_schema import describe, with_tap_schema
from vo_server.demo.field import Coadd, coadd
from vo_server.demo.header import Conditions, cards, native_path
from vo_server.demo.survey import (
    IMAGE_NUMBERS,
    IMAGE_STEP,
    LAST_ROWS,
    MARGIN,
    ROWS,
    SCAN_LENGTH,
    TILES,
    survey,
)
from vo_server.engines.database import Limits
from vo_server.engines.duckdb import DuckDBEngine
from vo_server.engines.engine import Engine
from vo_server.engines.store import Store
from vo_server.load.inventory.headers import read_all
from vo_server.load.inventory.walk import Walk
from vo_server.load.load import load
from vo_server.processes import processors
from vo_server.storage.listing import listing

SEEN = Conditions(90.0, 0.6, 20.9, 1.05, 0.01, 1.1)
LEVELS = np.linspace(88, 95, 9)


def main() -> None:
    options = arguments()
    folder = options.folder or Path(tempfile.gettempdir()) / "bench_images"
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = load_catalogue([builtin_schemas() / "catalogues"])
    walk_headers(catalogue, made_files(folder / f"files-{options.files}", options.files), folder)
    if options.rows:
        store = made_inventory(catalogue, folder, options.rows)
        ask(catalogue, store, options.queries)
        ask_by_http(store, options.queries)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=3 * 23 * TILES, help="0 leaves the inventory out")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


def made_files(home: Path, count: int) -> Path:
    if not (home / "done").exists():
        shutil.rmtree(home, ignore_errors=True)
        pixels = bytes(512 * 1024 * 4)
        for which, band in _some(count):
            path = home / native_path(which, band)
            path.parent.mkdir(parents=True, exist_ok=True)
            header = cards(which, band, SEEN, LEVELS).tostring().encode()
            path.write_bytes(gzip.compress(header + pixels, 1, mtime=0))
        (home / "done").touch()
    return home


def _some(count: int) -> Iterator[tuple[Coadd, int]]:
    return ((coadd(n * TILES // count, 1 + n % 23), n % 3) for n in range(count))


def walk_headers(catalogue: Catalogue, home: Path, folder: Path) -> None:
    atlas = catalogue.collection("atlas")
    assert atlas.images is not None
    files = list(listing(str(home), [str(home)]))
    read_all(atlas.images, str(home), files[:50])
    wall, processor = time.perf_counter(), time.process_time()
    found = read_all(atlas.images, str(home), files)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    assert all(read.row is not None for read in found), next(read.reason for read in found if read.row is None)
    count = len(files)
    print(f"headers, one process   {count / wall:8,.0f}/s   {count / processor:8,.0f} for a second of processor time")
    for processes in sorted({1, processors()}):
        data = folder / "data-files"
        shutil.rmtree(data, ignore_errors=True)
        begun, cpu = time.perf_counter(), processor_time()
        loaded = load(atlas, Walk(str(home), [str(home)], processes=processes), Store(data))
        wall, cpu = time.perf_counter() - begun, processor_time() - cpu
        named = f"load, {processes} process{'es' if processes > 1 else ''}"
        print(f"{named:22} {loaded.rows / wall:8,.0f}/s   {cpu:5.1f} s of CPU in {wall:5.1f} s, to rows that serve")


def processor_time() -> float:
    """Seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def made_inventory(catalogue: Catalogue, folder: Path, rows: int) -> Store:
    store = Store(folder / f"data-{rows}")
    if store.current("atlas") is None:
        file = folder / "inventory.parquet"
        with pq.ParquetWriter(file, inventory(0, 1).schema) as writer:
            tiles = -(-rows // 69)
            for first in range(0, tiles, 2000):
                writer.write_table(inventory(first, min(first + 2000, tiles)))
        begun, cpu = time.perf_counter(), processor_time()
        loaded = load(catalogue.collection("atlas"), [file], store)
        wall, cpu = time.perf_counter() - begun, processor_time() - cpu
        print(f"inventory loaded       {loaded.rows / wall:8,.0f} rows/s, {loaded.rows / cpu:,.0f} for a second of CPU")
    path = store.current("atlas")
    assert path is not None
    print(f"                       {path.stat().st_size / rows:8,.0f} bytes a row")
    return store


def inventory(first: int, last: int) -> pa.Table:
    """The images of some tiles in all bands: 69 rows a tile."""
    scans = survey()
    tile = np.repeat(np.arange(first, last), 69)
    k = np.tile(np.repeat(np.arange(23), 3), last - first)
    band = np.tile(np.array(["J", "H", "K"]), 23 * (last - first))
    height = np.where(k == 22, LAST_ROWS, ROWS)
    along = IMAGE_STEP * k + height / 2
    north = np.where(scans.northward[tile], along, SCAN_LENGTH - along)
    ra, dec = scans.centre[tile] % 360, scans.lower(tile) + (north - MARGIN) / 3600
    corners = [_offset(ra, dec, x * 256 / 3600, y * height / 7200) for x, y in ((1, -1), (-1, -1), (-1, 1), (1, 1))]
    outline = np.stack([v for corner in corners for v in corner], axis=1)
    constant = {
        "naxis1": 512, "crval1": 0.0, "crval2": 0.0, "crpix1": 256.5, "crpix2": 512.5, "cdelt1": -1 / 3600,
        "cdelt2": 1 / 3600, "crota2": 0.01, "fov": 0.318, "seeing": 2.8, "magzp": 20.9, "skyval": 90.0, "skysig": 0.6,
        "media_type": "image/fits", "f_size": 1_600_000,
    }  # fmt: skip
    n = len(tile)
    hemis, scan, number = np.where(scans.south[tile], "s", "n"), scans.scan[tile], IMAGE_NUMBERS[k]
    names = [f"a{b}_asky_{t:05}{h}{s:03}{c:04}" for b, t, h, s, c in zip(band, tile, hemis, scan, number, strict=True)]
    return pa.table(
        {
            "image": names, "ra": ra, "dec": dec, "band": band, "hemis": hemis, "scan": scan, "coadd": number,
            "date": pa.array(scans.night[tile].astype(np.int32)).cast(pa.date32()), "naxis2": height,
            "scan_key": scans.scan_key[tile], "coadd_key": 23 * (scans.scan_key[tile] - 1) + k + 1,
            "jdate": scans.start[tile] + along / 57 / 86400, "path": names,
            "footprint": pa.FixedSizeListArray.from_arrays(outline.ravel(), 8).cast(pa.list_(pa.float64())),
            **{f"{axis}{c + 1}": corners[c][a] for c in range(4) for a, axis in enumerate(("ra", "dec"))},
            **{name: pa.array([value] * n) for name, value in constant.items()},
        }
    )  # fmt: skip


def _offset(ra: np.ndarray, dec: np.ndarray, east: float, north: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A place so many degrees east and north of another, on the plane that touches the sphere there."""
    x, y = np.radians(east), np.radians(north)
    d = np.radians(dec)
    z = np.sqrt(1 - x**2 - y**2)
    away = np.degrees(np.arctan2(x, z * np.cos(d) - y * np.sin(d)))
    return (ra + away) % 360, np.degrees(np.arcsin(np.clip(z * np.sin(d) + y * np.cos(d), -1, 1)))


QUERIES = {
    "images of a place, CONTAINS": "1 = CONTAINS(POINT({ra}, {dec}), footprint)",
    "images that meet 0.1 deg": "1 = INTERSECTS(CIRCLE({ra}, {dec}, 0.1), footprint)",
    "images that meet 1 deg": "1 = INTERSECTS(CIRCLE({ra}, {dec}, 1), footprint)",
    "centres within 0.2 deg": "1 = CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, 0.2))",
}


def ask(catalogue: Catalogue, store: Store, count: int) -> None:
    whole = with_tap_schema(catalogue)
    static = {f"tap_schema.{name}": rows for name, rows in describe(whole).items()}
    engine = DuckDBEngine(store, whole, static=static, limits=Limits("2GB", threads=1))
    asked = places(count)
    for name, condition in QUERIES.items():
        times, rows = [], 0
        for n, (ra, dec) in enumerate([*asked[:5], *asked]):
            begun = time.perf_counter()
            rows += _answer(
                engine, whole, f"SELECT image, band, path FROM atlas WHERE {condition.format(ra=ra, dec=dec)}"
            )
            if n >= 5:
                times.append(1e3 * (time.perf_counter() - begun))
        say(name, times, rows / (count + 5))
    engine.close()


def places(count: int) -> list[tuple[float, float]]:
    """Some of the whole sky, degrees."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    return [(float(a), float(d)) for a, d in zip(ra, dec, strict=True)]


def say(name: str, times: list[float], rows: float, more: str = "") -> None:
    times.sort()
    middle, late = statistics.median(times), times[int(0.95 * len(times))]
    print(f"{name:28} median {middle:7.1f} ms, p95 {late:7.1f} ms, {rows:6.1f} rows{more}")


REQUESTS = {
    "SIA 1, images of a place": "/sia1/atlas?POS={ra},{dec}&SIZE=0",
    "SIA 1, 1 deg": "/sia1/atlas?POS={ra},{dec}&SIZE=1",
    "SIA 1, 1 deg, one band": "/sia1/atlas?POS={ra},{dec}&SIZE=1&band=K",
    "SIA 2, images of a place": "/sia2/query?POS=CIRCLE+{ra}+{dec}+0.0003",
    "SIA 2, 1 deg": "/sia2/query?POS=CIRCLE+{ra}+{dec}+0.5",
    "SIA 2, 1 deg, one band": "/sia2/query?POS=CIRCLE+{ra}+{dec}+0.5&BAND=2.15e-6",
}


def ask_by_http(store: Store, count: int) -> None:
    with serving(store.data, 1, 0) as (url, pid):
        client, server = Client(url), Process(pid)
        for name, path in REQUESTS.items():
            for ra, dec in places(5):
                client.get(path.format(ra=ra, dec=dec))
            before = server.cpu()
            answers = [client.get(path.format(ra=ra, dec=dec)) for ra, dec in places(count)]
            cpu = 1e3 * (server.cpu() - before) / count
            rows = sum(a.content.count(b"<TR>") for a in answers) / count
            say(name, [1e3 * a.last for a in answers], rows, f", CPU {cpu:6.1f} ms")


def _answer(engine: Engine, catalogue: Catalogue, text: str) -> int:
    query = plan(resolve(parse(text), catalogue, text, engine.lacks()).query, engine.rows)
    statement, slots = translate(query, engine.locate)
    return sum(batch.num_rows for batch in engine.run(statement, slots).batches())


if __name__ == "__main__":
    main()

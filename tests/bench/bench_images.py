"""Rate at which image headers are read, and response times of an inventory of the whole survey.

    python tests/bench/bench_images.py [--files 4000] [--rows 4121439] [--folder DIR] [--queries 200]
    python tests/bench/bench_images.py --files 500 --rows 100000 --queries 50     a short run

The files have the headers of synthetic Atlas images and are gzipped like those of the release. The inventory has the
geometry of the survey: 59,731 scans of 23 images in three bands. Both stay in the folder for the next run. The
inventory is queried in this process, and through HTTP by SIA 1 and SIA 2; CPU is that of the working processes.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import Client, ServerProcess, make_demo, serve, summarise

from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import translate
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.catalogue.tap_schema import add_tap_schema, build_rows
from vo_server.demo.image_field import Coadd, make_coadd
from vo_server.demo.image_header import ObservingConditions, make_header, release_path
from vo_server.demo.survey import (
    IMAGE_NUMBERS,
    IMAGE_ROWS,
    IMAGE_STEP_ARCSEC,
    LAST_IMAGE_ROWS,
    SCAN_LENGTH_ARCSEC,
    SCAN_MARGIN_ARCSEC,
    TILES,
    make_survey,
)
from vo_server.engines.data_directory import DataDirectory
from vo_server.engines.duckdb import DuckDBEngine
from vo_server.engines.engine import Engine, EngineLimits
from vo_server.load.inventory.headers import read_headers
from vo_server.load.inventory.walk import Walk
from vo_server.load.load import load
from vo_server.processes import count_processors
from vo_server.storage.listing import list_fits_files

CONDITIONS = ObservingConditions(90.0, 0.6, 20.9, 1.05, 0.01, 1.1)
LEVELS = np.linspace(88, 95, 9)


def main() -> None:
    options = parse_arguments()
    folder = options.folder or Path(tempfile.gettempdir()) / "bench_images"
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = load_catalogue([find_builtin_schemas() / "catalogues"])
    measure_headers(catalogue, make_files(folder / f"files-{options.files}", options.files), folder)
    if options.rows:
        store = make_inventory(catalogue, folder, options.rows)
        measure_queries(catalogue, store, options.queries)
        measure_http(store, options.queries)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=3 * 23 * TILES, help="rows of the inventory; 0 leaves it out")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


def make_files(home: Path, count: int) -> Path:
    """Make image files with empty pixels, unless they exist."""
    if not (home / "done").exists():
        shutil.rmtree(home, ignore_errors=True)
        pixels = bytes(512 * 1024 * 4)
        for which, band in _choose_coadds(count):
            path = home / release_path(which, band)
            path.parent.mkdir(parents=True, exist_ok=True)
            header = make_header(which, band, CONDITIONS, LEVELS).tostring().encode()
            path.write_bytes(gzip.compress(header + pixels, 1, mtime=0))
        (home / "done").touch()
    return home


def _choose_coadds(count: int) -> Iterator[tuple[Coadd, int]]:
    return ((make_coadd(n * TILES // count, 1 + n % 23), n % 3) for n in range(count))


def measure_headers(catalogue: Catalogue, home: Path, folder: Path) -> None:
    """Measure the reading of headers, alone and as a load."""
    atlas = catalogue.get_collection("atlas")
    assert atlas.images is not None
    files = list(list_fits_files(str(home), [str(home)]))
    read_headers(atlas.images, str(home), files[:50])
    wall, processor = time.perf_counter(), time.process_time()
    headers = read_headers(atlas.images, str(home), files)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    assert all(header.row is not None for header in headers), [h.reason for h in headers if h.row is None][:1]
    count = len(files)
    print(f"headers, one process   {count / wall:8,.0f}/s   {count / processor:8,.0f} per second of CPU")
    for processes in sorted({1, count_processors()}):
        data = folder / "data-files"
        shutil.rmtree(data, ignore_errors=True)
        start, cpu = time.perf_counter(), processor_time()
        summary = load(atlas, Walk(str(home), [str(home)], processes=processes), DataDirectory(data))
        wall, cpu = time.perf_counter() - start, processor_time() - cpu
        name = f"load, {processes} process{'es' if processes > 1 else ''}"
        print(
            f"{name:22} {summary.rows / wall:8,.0f}/s   {cpu:5.1f} s of CPU in {wall:5.1f} s, until the rows are served"
        )


def processor_time() -> float:
    """Return the CPU seconds of this process and of its ended children."""
    return sum(os.times()[:4])


def make_inventory(catalogue: Catalogue, folder: Path, rows: int) -> DataDirectory:
    """Load an inventory of images, unless it is loaded, and print the rate."""
    store = DataDirectory(folder / f"data-{rows}")
    if store.find_current_file("atlas") is None:
        file = folder / "inventory.parquet"
        with pq.ParquetWriter(file, make_rows(0, 1).schema) as writer:
            tiles = -(-rows // 69)
            for first in range(0, tiles, 2000):
                writer.write_table(make_rows(first, min(first + 2000, tiles)))
        start, cpu = time.perf_counter(), processor_time()
        summary = load(catalogue.get_collection("atlas"), [file], store)
        wall, cpu = time.perf_counter() - start, processor_time() - cpu
        print(f"inventory loaded       {summary.rows / wall:8,.0f} rows/s, {summary.rows / cpu:,.0f} per second of CPU")
    path = store.find_current_file("atlas")
    assert path is not None
    print(f"                       {path.stat().st_size / rows:8,.0f} bytes per row")
    return store


def make_rows(first: int, last: int) -> pa.Table:
    """Return the images of tiles in all bands: 69 rows per tile."""
    scans = make_survey()
    tile = np.repeat(np.arange(first, last), 69)
    k = np.tile(np.repeat(np.arange(23), 3), last - first)
    band = np.tile(np.array(["J", "H", "K"]), 23 * (last - first))
    height = np.where(k == 22, LAST_IMAGE_ROWS, IMAGE_ROWS)
    along = IMAGE_STEP_ARCSEC * k + height / 2
    north = np.where(scans.northward[tile], along, SCAN_LENGTH_ARCSEC - along)
    ra, dec = scans.centre[tile] % 360, scans.southern_edge(tile) + (north - SCAN_MARGIN_ARCSEC) / 3600
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
    """Return the positions at offsets in degrees east and north, on the tangent plane (gnomonic projection)."""
    x, y = np.radians(east), np.radians(north)
    d = np.radians(dec)
    z = np.sqrt(1 - x**2 - y**2)
    delta_ra = np.degrees(np.arctan2(x, z * np.cos(d) - y * np.sin(d)))
    return (ra + delta_ra) % 360, np.degrees(np.arcsin(np.clip(z * np.sin(d) + y * np.cos(d), -1, 1)))


QUERIES = {
    "images at a position": "1 = CONTAINS(POINT({ra}, {dec}), footprint)",
    "images within 0.1 deg": "1 = INTERSECTS(CIRCLE({ra}, {dec}, 0.1), footprint)",
    "images within 1 deg": "1 = INTERSECTS(CIRCLE({ra}, {dec}, 1), footprint)",
    "centres within 0.2 deg": "1 = CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, 0.2))",
}


def measure_queries(catalogue: Catalogue, store: DataDirectory, count: int) -> None:
    """Measure queries of the inventory in this process."""
    whole = add_tap_schema(catalogue)
    static = {f"tap_schema.{name}": rows for name, rows in build_rows(whole).items()}
    engine = DuckDBEngine(store, whole, static=static, limits=EngineLimits("2GB", threads=1))
    positions = random_positions(count)
    for name, condition in QUERIES.items():
        times, rows = [], 0
        for n, (ra, dec) in enumerate([*positions[:5], *positions]):
            start = time.perf_counter()
            rows += _count_rows(
                engine, whole, f"SELECT image, band, path FROM atlas WHERE {condition.format(ra=ra, dec=dec)}"
            )
            if n >= 5:
                times.append(time.perf_counter() - start)
        print(f"{name:28} {summarise(times)}   {rows / (count + 5):6.1f} rows")
    engine.close()


def random_positions(count: int) -> list[tuple[float, float]]:
    """Return positions on the whole sky, in degrees."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    return [(float(a), float(d)) for a, d in zip(ra, dec, strict=True)]


REQUESTS = {
    "SIA 1, images at a position": "/sia1/atlas?POS={ra},{dec}&SIZE=0",
    "SIA 1, 1 deg": "/sia1/atlas?POS={ra},{dec}&SIZE=1",
    "SIA 1, 1 deg, one band": "/sia1/atlas?POS={ra},{dec}&SIZE=1&band=K",
    "SIA 2, images at a position": "/sia2/query?POS=CIRCLE+{ra}+{dec}+0.0003",
    "SIA 2, 1 deg": "/sia2/query?POS=CIRCLE+{ra}+{dec}+0.5",
    "SIA 2, 1 deg, one band": "/sia2/query?POS=CIRCLE+{ra}+{dec}+0.5&BAND=2.15e-6",
}


def measure_http(store: DataDirectory, count: int) -> None:
    """Measure SIA requests through HTTP."""
    make_demo(store.data, 1)
    with serve(store.data) as (url, pid):
        client, server = Client(url), ServerProcess(pid)
        for name, path in REQUESTS.items():
            for ra, dec in random_positions(5):
                client.get(path.format(ra=ra, dec=dec))
            cpu_before = server.cpu_seconds()
            responses = [client.get(path.format(ra=ra, dec=dec)) for ra, dec in random_positions(count)]
            cpu = 1e3 * (server.cpu_seconds() - cpu_before) / count
            rows = sum(r.content.count(b"<TR>") for r in responses) / count
            print(f"{name:28} {summarise([r.last_byte for r in responses])}   {rows:6.1f} rows, CPU {cpu:6.1f} ms")


def _count_rows(engine: Engine, catalogue: Catalogue, text: str) -> int:
    query = plan(resolve(parse(text), catalogue, text, engine.unsupported_functions()).query, engine.count_rows)
    statement, slots = translate(query, engine.locate)
    return sum(batch.num_rows for batch in engine.run(statement, slots).read_batches())


if __name__ == "__main__":
    main()

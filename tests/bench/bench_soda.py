"""Times of cutouts over HTTP: a server of the demo's Atlas images on loopback, one client.

    python tests/bench/bench_soda.py [--times 100] [--inventory FILE]

One image after another is cut in the middle, from gzipped and from plain files. `--inventory` is a Parquet file of
bench_images.py, whose images are added to the inventory: the survey has 4,121,439 rows. Times are those of the client,
CPU is that of the server.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from common import ServerProcess, serve, summarise

from vo_server import demo
from vo_server.assembly import load_site_catalogue
from vo_server.commands.images import plan_walk
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.load import load
from vo_server.settings import Settings, find_image_root

DEMO_ROWS = 20_000
"""Point sources of the demo, which determine the number of its images."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--inventory", type=Path)
    options = parser.parse_args()
    for plain in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            load_images(Path(folder), plain, options.inventory)
            with serve(Path(folder)) as (url, pid):
                print("plain files" if plain else "gzipped files")
                parts = urlsplit(url)
                connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
                measure(connection, ServerProcess(pid), options.times)


def load_images(folder: Path, plain: bool, inventory: Path | None) -> None:
    """Make and load the images of the demo."""
    settings = Settings(data=folder)
    catalogue = load_site_catalogue(settings)
    root = Path(find_image_root(settings, "atlas"))
    for path in demo.write_images(root, DEMO_ROWS):
        if plain:
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    atlas = catalogue.get_collection("atlas")
    load(atlas, plan_walk(atlas, [], settings, catalogue), DataDirectory(folder))
    if inventory is not None:
        load(atlas, [inventory], DataDirectory(folder), append=True)


def measure(connection: HTTPConnection, server: ServerProcess, times: int) -> None:
    """Measure each kind of request."""
    table = fetch(connection, "/sia2/query?" + urlencode({"POS": "CIRCLE 129.1 19.6 1", "RESPONSEFORMAT": "csv"}))
    rows = [row for row in csv.DictReader(io.StringIO(table.decode())) if has_file(connection, row)]
    works: dict[str, Callable[[dict[str, str]], str]] = {
        "cutout of 60 arcsec": lambda row: cutout(row, 30),
        "cutout of 300 arcsec": lambda row: cutout(row, 150),
        "whole image": lambda row: "/soda/sync?" + urlencode({"ID": row["obs_publisher_did"]}),
        "PNG of 300 arcsec": lambda row: cutout(row, 150, RESPONSEFORMAT="png"),
        "links of an image": lambda row: "/datalink/links?" + urlencode({"ID": row["obs_publisher_did"]}),
    }
    for name, path in works.items():
        report(name, connection, server, [path(row) for row in rows], times)


def has_file(connection: HTTPConnection, row: dict[str, str]) -> bool:
    """Tell whether an image has a file; those of the inventory have none."""
    connection.request("HEAD", f"/images/atlas/{row['obs_publisher_did'].rpartition('/')[2]}")
    response = connection.getresponse()
    response.read()
    return response.status == 200


def cutout(row: dict[str, str], radius: float, **more: str) -> str:
    """Return the path of a cutout; `radius` in arcsec."""
    circle = f"{row['s_ra']} {row['s_dec']} {radius / 3600}"
    return "/soda/sync?" + urlencode({"ID": row["obs_publisher_did"], "CIRCLE": circle, **more})


def report(name: str, connection: HTTPConnection, server: ServerProcess, paths: list[str], times: int) -> None:
    """Request each path once to warm up, then measure and print."""
    for path in paths:
        fetch(connection, path)
    durations, cpu_before = [], server.cpu_seconds()
    for path, _ in zip(cycle(paths), range(times), strict=False):
        start = time.perf_counter()
        fetch(connection, path)
        durations.append(time.perf_counter() - start)
    cpu = 1e3 * (server.cpu_seconds() - cpu_before) / times
    print(f"  {name:22} {summarise(durations)}   CPU {cpu:6.1f} ms")


def fetch(connection: HTTPConnection, path: str) -> bytes:
    """Return the body of a response of status 200."""
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body[:500]
    return body


if __name__ == "__main__":
    main()

"""How fast cutouts are over HTTP: a server of the sample's Atlas images on loopback, one client.

    PYTHONPATH=. python tests/bench/bench_soda.py [--times 100] [--inventory FILE]

Each image is cut in the middle, one after another, gzipped files and plain ones. `--inventory` is a Parquet file of
bench_images.py, whose images are beside those that are cut: the survey's have 4,121,439 rows. Times are those of the
client, CPU is the server's.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench_http import Process

from vo_server import demo
from vo_server.app import catalogue_of
from vo_server.commands.images import walk
from vo_server.engines.store import Store
from vo_server.load.load import load
from vo_server.settings import Settings, image_root

PSC_ROWS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--inventory", type=Path)
    options = parser.parse_args()
    for plain in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            prepared(Path(folder), plain, options.inventory)
            with served(Path(folder)) as (link, process):
                print("plain files" if plain else "gzipped files")
                measure(link, process, options.times)


def prepared(folder: Path, plain: bool, inventory: Path | None) -> None:
    settings = Settings(data=folder)
    catalogue = catalogue_of(settings)
    root = Path(image_root(settings, "atlas"))
    for path in demo.write_images(root, PSC_ROWS):
        if plain:
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    atlas = catalogue.collection("atlas")
    load(atlas, walk(atlas, [], settings, catalogue), Store(folder))
    if inventory is not None:
        load(atlas, [inventory], Store(folder), append=True)


@contextmanager
def served(folder: Path) -> Iterator[tuple[HTTPConnection, Process]]:
    command = [sys.executable, "-m", "vo_server", "serve", "--port", "0", "--data", str(folder)]
    alone = os.environ | {"VO_SERVER_JOB_WORKERS": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=alone) as process:
        try:
            assert process.stdout is not None
            url = urlsplit(process.stdout.readline().split()[-1])
            yield HTTPConnection(url.hostname or "", url.port, timeout=60), Process(process.pid)
        finally:
            process.terminate()


def measure(link: HTTPConnection, process: Process, times: int) -> None:
    images = got(link, "/sia2/query?" + urlencode({"POS": "CIRCLE 129.1 19.6 1", "RESPONSEFORMAT": "csv"}))
    found = [row for row in csv.DictReader(io.StringIO(images.decode())) if there(link, row)]
    works: dict[str, Callable[[dict[str, str]], str]] = {
        "cutout of 60 arcsec": lambda row: cutout(row, 30),
        "cutout of 300 arcsec": lambda row: cutout(row, 150),
        "all of an image": lambda row: "/soda/sync?" + urlencode({"ID": row["obs_publisher_did"]}),
        "PNG of 300 arcsec": lambda row: cutout(row, 150, RESPONSEFORMAT="png"),
        "links of an image": lambda row: "/datalink/links?" + urlencode({"ID": row["obs_publisher_did"]}),
    }
    for name, path in works.items():
        report(name, link, process, [path(row) for row in found], times)


def there(link: HTTPConnection, row: dict[str, str]) -> bool:
    """Has the image a file? Those of the inventory have none."""
    link.request("HEAD", f"/images/atlas/{row['obs_publisher_did'].rpartition('/')[2]}")
    answer = link.getresponse()
    answer.read()
    return answer.status == 200


def cutout(row: dict[str, str], radius: float, **more: str) -> str:
    circle = f"{row['s_ra']} {row['s_dec']} {radius / 3600}"
    return "/soda/sync?" + urlencode({"ID": row["obs_publisher_did"], "CIRCLE": circle, **more})


def report(name: str, link: HTTPConnection, process: Process, paths: list[str], times: int) -> None:
    for path in paths:
        got(link, path)
    taken, before = [], process.cpu()
    for path, _ in zip(cycle(paths), range(times), strict=False):
        begun = time.perf_counter()
        got(link, path)
        taken.append(1e3 * (time.perf_counter() - begun))
    cpu = 1e3 * (process.cpu() - before) / times
    late = sorted(taken)[int(0.95 * times)]
    print(f"  {name:22} median {statistics.median(taken):7.1f} ms   p95 {late:7.1f} ms   CPU {cpu:6.1f} ms")


def got(link: HTTPConnection, path: str) -> bytes:
    link.request("GET", path)
    answer = link.getresponse()
    body = answer.read()
    assert answer.status == 200, body[:500]
    return body


if __name__ == "__main__":
    main()

"""Rate at which Quicklook images and stamps are made from gzipped Atlas images, in one process and in several.

    python tests/bench/bench_collections.py [--folder DIR] [--rows 500000] [--images 180] [--stamps 200]

The Atlas images are those of the synthetic sky, each under several names. Stamps are made around point sources of the
images, which are loaded as extended sources of 21 to 61 pixels.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vo_server.__main__ import main as command
from vo_server.assembly import load_site_catalogue
from vo_server.commands import quicklook, stamp_batches
from vo_server.commands.batch_files import BatchReport
from vo_server.commands.query_client import QueryClient
from vo_server.processes import count_processors
from vo_server.settings import Settings

SOURCES = """
SELECT TOP {} p.designation, p.ra, p.dec, p."date", p.hemis, p.scan, p.coadd, p.pts_key
FROM twomass.psc AS p JOIN twomass.atlas AS a ON a.coadd_key = p.coadd_key WHERE a.band = 'J'"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "bench_collections")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--images", type=int, default=180)
    parser.add_argument("--stamps", type=int, default=200)
    options = parser.parse_args()
    settings = Settings(data=options.folder)
    assert command(["demo", "--no-serve", "--rows", str(options.rows), "--data", str(options.folder)]) == 0
    link_images(options.folder / "images" / "atlas", options.images)
    load_galaxies(settings, options.stamps)
    for collection, make in (("quicklook", quicklook.make_quicklook_images), ("stamps", stamp_batches.make_stamps)):
        for processes in sorted({1, count_processors()}):
            shutil.rmtree(options.folder / "images" / collection, ignore_errors=True)
            measure(f"{collection}, {processes} process{'es' if processes > 1 else ''}", make, settings, processes)


def link_images(folder: Path, count: int) -> None:
    """Link the same files under other names, in folders of their own."""
    files = sorted(folder.rglob("*.fits.gz"))[:18]
    for n in range(18, count):
        link = folder / f"copy{n // 18:03}" / files[n % 18].name
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.hardlink_to(files[n % 18])


def load_galaxies(settings: Settings, count: int) -> None:
    """Load point sources as extended ones of random sizes."""
    with QueryClient(settings, load_site_catalogue(settings)) as client:
        rows = list(client.fetch_rows(SOURCES.format(count)))
    random = np.random.default_rng(1)
    file = settings.data / "galaxies.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow("designation ra dec date hemis scan coadd ext_key id r_k20fe sup_ba sup_phi im_nx".split())
        for n, row in enumerate(rows, 1):
            side = int(random.integers(10, 31)) * 2 + 1
            writer.writerow([*row, n, side / 6, 0.7, 30, side])
    assert command(["load", "xsc", str(file), "--data", str(settings.data)]) == 0


def measure(name: str, make: Callable[..., BatchReport], settings: Settings, processes: int) -> None:
    """Run a command and print its rate and CPU time."""
    start, before = time.perf_counter(), sum(os.times()[:4])
    report = make(settings, processes=processes)
    wall, cpu = time.perf_counter() - start, sum(os.times()[:4]) - before
    assert report.written and not report.failed
    ratio = f", {report.pixel_bytes / report.file_bytes:.1f} to 1" if report.pixel_bytes else ""
    print(f"{name:24} {report.written / wall:7.1f}/s, {1e3 * cpu / report.written:6.1f} ms of CPU each{ratio}")


if __name__ == "__main__":
    main()

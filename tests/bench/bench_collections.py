"""How fast Quicklook images and stamps are made of gzipped Atlas images, in one process and in several.

    python tests/bench/bench_collections.py [--folder DIR] [--rows 500000] [--images 180] [--stamps 200]

The Atlas images are those of the synthetic sky, each under several names. Stamps are made about point sources of the
images, which are loaded as extended ones of 21 to 61 pixels.
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
from vo_server.app import catalogue_of
from vo_server.commands import quicklook, stamp_batches
from vo_server.commands.batch_files import Report
from vo_server.commands.query_client import Asking
from vo_server.processes import processors
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
    more_images(options.folder / "images" / "atlas", options.images)
    more_galaxies(settings, options.stamps)
    for made, make in (("quicklook", quicklook.make), ("stamps", stamp_batches.make)):
        for processes in sorted({1, processors()}):
            shutil.rmtree(options.folder / "images" / made, ignore_errors=True)
            measured(f"{made}, {processes} process{'es' if processes > 1 else ''}", make, settings, processes)


def more_images(folder: Path, count: int) -> None:
    """The same files under other names, in folders of their own."""
    files = sorted(folder.rglob("*.fits.gz"))[:18]
    for n in range(18, count):
        link = folder / f"copy{n // 18:03}" / files[n % 18].name
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.hardlink_to(files[n % 18])


def more_galaxies(settings: Settings, count: int) -> None:
    with Asking(settings, catalogue_of(settings)) as asking:
        rows = list(asking.rows(SOURCES.format(count)))
    random = np.random.default_rng(1)
    file = settings.data / "galaxies.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow("designation ra dec date hemis scan coadd ext_key id r_k20fe sup_ba sup_phi im_nx".split())
        for n, row in enumerate(rows, 1):
            side = int(random.integers(10, 31)) * 2 + 1
            writer.writerow([*row, n, side / 6, 0.7, 30, side])
    assert command(["load", "xsc", str(file), "--data", str(settings.data)]) == 0


def measured(name: str, make: Callable[..., Report], settings: Settings, processes: int) -> None:
    begun, before = time.perf_counter(), sum(os.times()[:4])
    report = make(settings, processes=processes)
    wall, cpu = time.perf_counter() - begun, sum(os.times()[:4]) - before
    assert report.made and not report.refused
    ratio = f", {report.plain / report.size:.1f} to 1" if report.plain else ""
    print(f"{name:24} {report.made / wall:7.1f}/s, {1e3 * cpu / report.made:6.1f} ms of processor time each{ratio}")


if __name__ == "__main__":
    main()

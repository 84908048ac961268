"""How long the pixels take: cutouts, pictures, quicklook images, stamps; of real Atlas images or of made-up ones.

python tests/bench/bench_cutouts.py [FOLDER of *.fits.gz]

Times are CPU time of one process. The images lie on the local disk and are warm; the size of a quicklook image is
compared with the plain image.
"""

from __future__ import annotations

import gzip
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.io import fits

from tests.atlas import atlas_header, atlas_pixels
from vo_server.images import cutout, image, preview, quicklook, stamp

TIMES = 40


def measured(what: str, work: Callable[[], object]) -> None:
    work()
    taken = []
    for _ in range(TIMES):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    middle, late = statistics.median(taken), sorted(taken)[int(0.95 * TIMES)]
    print(f"{what:55s} {1e3 * middle:8.1f} ms  p95 {1e3 * late:8.1f} ms  {1 / middle:8.0f} a second")


def plain(folder: Path, into: Path) -> list[Path]:
    """The images of a folder, unpacked; made-up ones where there are none."""
    found = []
    for file in sorted(folder.glob("*.fits.gz")):
        found.append(into / file.stem)
        found[-1].write_bytes(gzip.decompress(file.read_bytes()))
    if not found:
        found = [into / "atlas.fits"]
        fits.PrimaryHDU(atlas_pixels(1024, 512), atlas_header(rows=1024, columns=512)).writeto(found[0])
    return found


def pixels(path: Path, packed: Path) -> None:
    where, zipped = str(path), str(packed)
    with image.opened(where) as opened:
        _, rows, columns = opened.shape
        (ra,), (dec,) = opened.sky.positions(columns / 2, rows / 2)

    def cut(name: str, size: float) -> Callable[[], bytes]:
        def work() -> bytes:
            with image.opened(name) as opened:
                return cutout.cut(opened, ("circle", (ra, dec, size / 2 / 3600)))

        return work

    def exact() -> bytes:
        with image.opened(where) as opened:
            return cutout.exact(opened, ra, dec, 60, 60)

    def gray(look: preview.Look) -> Callable[[], bytes]:
        def work() -> bytes:
            with image.opened(where) as opened:
                return preview.gray((opened, 0), None, look)

        return work

    def colour(look: preview.Look) -> Callable[[], bytes]:
        def work() -> bytes:
            with image.opened(where) as opened:
                return preview.colour([(opened, 0)] * 3, None, look)

        return work

    measured('cutout of 60", plain', cut(where, 60))
    measured('cutout of 60", gzip', cut(zipped, 60))
    measured('cutout of 300", plain', cut(where, 300))
    measured("exactly 60 x 60 pixels", exact)
    measured("thumbnail of 128, JPEG", gray(preview.Look(preview.THUMBNAIL, "jpeg")))
    measured("grey picture of the whole, PNG", gray(preview.Look()))
    measured("colour picture of 512, JPEG", colour(preview.Look(512, "jpeg")))
    measured("colour picture of the whole, PNG", colour(preview.Look()))


def stamps(path: Path) -> None:
    random = np.random.default_rng(5)
    with image.opened(str(path)) as opened:
        _, rows, columns = opened.shape
        lon, lat = opened.sky.positions(random.uniform(0, columns, 60), random.uniform(0, rows, 60))
        (ra,), (dec,) = opened.sky.positions(columns / 2, rows / 2)
    faint = random.uniform(12, 16, 60)
    stars = stamp.Stars(lon, lat, np.stack([faint, faint, faint], axis=1))

    def work(side: int) -> Callable[[], bytes]:
        def made() -> bytes:
            with image.opened(str(path)) as j, image.opened(str(path)) as h, image.opened(str(path)) as k:
                return stamp.stamp([(j, h, k)], stamp.Galaxy("x", float(ra), float(dec), 8.0, 0.7, 30.0, side), stars)

        return made

    measured('stamp of 29", three bands', work(29))
    measured('stamp of 301", three bands', work(301))


def looks(paths: list[Path]) -> None:
    ratios = []
    for path in paths:
        with image.opened(str(path)) as opened:
            if opened.header.get("SKYSIG") is None:
                continue
            packed = quicklook.compress(opened)
        ratios.append(path.stat().st_size / len(packed))
        print(f"quicklook {path.name:50s} {ratios[-1]:5.1f} : 1")
    print(f"quicklook, all {len(ratios)}: median {statistics.median(ratios):.1f} : 1")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    with TemporaryDirectory() as temporary:
        paths = plain(folder, Path(temporary))
        path = next((p for p in paths if "ngc309_aJ" in p.name), paths[0])
        packed = path.with_suffix(".fits.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        pixels(path, packed)
        stamps(path)
        with image.opened(str(path)) as opened:
            measured("quicklook image, made", lambda: quicklook.compress(opened))
        looks(paths)


if __name__ == "__main__":
    main()

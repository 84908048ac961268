"""CPU time of cutouts, pictures, Quicklook images and stamps, from real Atlas images or from one synthetic image.

    python tests/bench/bench_cutouts.py [FOLDER] [--runs 40]

FOLDER has gzipped Atlas images (*.fits.gz). Times are CPU time of one process. The images are on the local disk and in
its cache. The size of a Quicklook image is compared with that of the uncompressed image.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.io import fits
from common import summarise

from tests.atlas import atlas_header, atlas_pixels
from vo_server.images import cutout, image, preview, quicklook, stamp


def measure(name: str, work: Callable[[], object], runs: int) -> None:
    """Run once to warm up, then measure and print the CPU time."""
    work()
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    print(f"{name:55s} {summarise(times)}  {1 / statistics.median(times):8.0f} per second")


def decompress_images(folder: Path, target: Path) -> list[Path]:
    """Return the decompressed images of a folder; a synthetic one where there are none."""
    paths = []
    for file in sorted(folder.glob("*.fits.gz")):
        paths.append(target / file.stem)
        paths[-1].write_bytes(gzip.decompress(file.read_bytes()))
    if not paths:
        paths = [target / "atlas.fits"]
        fits.PrimaryHDU(atlas_pixels(1024, 512), atlas_header(rows=1024, columns=512)).writeto(paths[0])
    return paths


def measure_pictures(path: Path, compressed: Path, runs: int) -> None:
    """Measure cutouts and pictures of an image."""
    plain, gzipped = str(path), str(compressed)
    with image.open_image(plain) as opened:
        _, rows, columns = opened.shape
        (ra,), (dec,) = opened.wcs.to_positions(columns / 2, rows / 2)

    def cut(name: str, size: float) -> Callable[[], bytes]:
        def work() -> bytes:
            with image.open_image(name) as opened:
                return cutout.cut(opened, ("circle", (ra, dec, size / 2 / 3600)))

        return work

    def cut_to_size() -> bytes:
        with image.open_image(plain) as opened:
            return cutout.cut_to_size(opened, ra, dec, 60, 60)

    def render_gray(style: preview.PictureStyle) -> Callable[[], bytes]:
        def work() -> bytes:
            with image.open_image(plain) as opened:
                return preview.render_gray((opened, 0), None, style)

        return work

    def render_colour(style: preview.PictureStyle) -> Callable[[], bytes]:
        def work() -> bytes:
            with image.open_image(plain) as opened:
                return preview.render_colour([(opened, 0)] * 3, None, style)

        return work

    works = {
        'cutout of 60", plain': cut(plain, 60),
        'cutout of 60", gzip': cut(gzipped, 60),
        'cutout of 300", plain': cut(plain, 300),
        "cutout of 60 x 60 pixels": cut_to_size,
        "thumbnail of 128 pixels, JPEG": render_gray(preview.PictureStyle(preview.THUMBNAIL_PIXELS, "jpeg")),
        "grey picture of all pixels, PNG": render_gray(preview.PictureStyle()),
        "colour picture of 512 pixels, JPEG": render_colour(preview.PictureStyle(512, "jpeg")),
        "colour picture of all pixels, PNG": render_colour(preview.PictureStyle()),
    }
    for name, work in works.items():
        measure(name, work, runs)


def measure_stamps(path: Path, runs: int) -> None:
    """Measure stamps of an image, with 60 stars."""
    random = np.random.default_rng(5)
    with image.open_image(str(path)) as opened:
        _, rows, columns = opened.shape
        lon, lat = opened.wcs.to_positions(random.uniform(0, columns, 60), random.uniform(0, rows, 60))
        (ra,), (dec,) = opened.wcs.to_positions(columns / 2, rows / 2)
    faint = random.uniform(12, 16, 60)
    stars = stamp.Stars(lon, lat, np.stack([faint, faint, faint], axis=1))

    def work(side: int) -> Callable[[], bytes]:
        def build() -> bytes:
            with image.open_image(str(path)) as j, image.open_image(str(path)) as h, image.open_image(str(path)) as k:
                return stamp.build_stamp(
                    [(j, h, k)], stamp.Galaxy("x", float(ra), float(dec), 8.0, 0.7, 30.0, side), stars
                )

        return build

    measure('stamp of 29", three bands', work(29), runs)
    measure('stamp of 301", three bands', work(301), runs)


def print_ratios(paths: list[Path]) -> None:
    """Print the compression ratios of the Quicklook images."""
    ratios = []
    for path in paths:
        with image.open_image(str(path)) as opened:
            if opened.header.get("SKYSIG") is None:
                continue
            compressed = quicklook.compress(opened)
        ratios.append(path.stat().st_size / len(compressed))
        print(f"quicklook {path.name:50s} {ratios[-1]:5.1f} : 1")
    print(f"quicklook, all {len(ratios)}: median {statistics.median(ratios):.1f} : 1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="a folder of *.fits.gz (default: a synthetic image)")
    parser.add_argument("--runs", type=int, default=40)
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        paths = decompress_images(options.folder or Path(temporary), Path(temporary))
        path = next((p for p in paths if "ngc309_aJ" in p.name), paths[0])
        compressed = path.with_suffix(".fits.gz")
        compressed.write_bytes(gzip.compress(path.read_bytes()))
        measure_pictures(path, compressed, options.runs)
        measure_stamps(path, options.runs)
        with image.open_image(str(path)) as opened:
            measure("Quicklook image", lambda: quicklook.compress(opened), options.runs)
        print_ratios(paths)


if __name__ == "__main__":
    main()

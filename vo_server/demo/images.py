"""Atlas images of a field of the synthetic sky, drawn from the rows of its two catalogues.

A star is drawn at the position of its row, with the light that follows from its magnitude and the zero point of the
image; a galaxy has the shape from which its row was measured. So the catalogues match the images, and photometry of an
image reproduces the magnitudes of the catalogues.
"""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.io import fits
from astropy.wcs import Wcsprm

from vo_server.demo.bulk_files import GZIP_LEVEL
from vo_server.demo.columns import BANDS
from vo_server.demo.galaxies import GalaxyShapes, concatenate_shapes
from vo_server.demo.image_field import Coadd, is_in_field, list_coadds
from vo_server.demo.image_header import PERCENTILES, ObservingConditions, make_header, make_wcs_cards, release_path
from vo_server.demo.pixels import ImageSources, Pixels, draw_image
from vo_server.demo.psc import generate_psc_batches
from vo_server.demo.release_plan import ReleasePlan
from vo_server.demo.survey import IMAGE_COLUMNS, Floats

SKY_DN = (90.0, 330.0, 520.0)
NOISE_DN = (0.55, 0.85, 1.05)
ZERO_POINT_MAGS = (20.92, 20.45, 19.95)
"""Typical sky (DN), noise (DN) and zero point (mag) in each band."""

LIMIT_FRACTION = 0.5
"""The light of a source that was not detected in a band, as a fraction of its limit."""

BLOCK_BYTES = 2880
"""Bytes of a block of a FITS file."""

MARGIN_PIXELS = 300.0
"""Pixels outside an image within which sources are drawn."""


@dataclass(frozen=True)
class Scene:
    """The sources around the field.

    Positions of stars (n,) and galaxies (m,) are in degrees; `mags` (3, n) are NaN where a star has none; `shapes` are
    those of the m galaxies.
    """

    ra: Floats
    dec: Floats
    mags: Floats
    galaxy_ra: Floats
    galaxy_dec: Floats
    shapes: GalaxyShapes


def make_scene(plan: ReleasePlan) -> Scene:
    """Return the sources that the images of the field show."""
    field = is_in_field(plan.sky)
    strip = np.repeat(np.arange(plan.sky.strips), np.diff(plan.sky.first))
    strips = sorted({int(s) for s in strip[field]})
    stars = pa.Table.from_batches(_select_near_field(batch) for batch in generate_psc_batches(plan, strips))
    stars = stars.filter(pc.is_null(stars["ext_key"]))
    galaxies = [plan.make_galaxies(s) for s in strips]
    cell = np.concatenate([g.cell for g in galaxies])
    inside = np.flatnonzero(field[cell])
    return Scene(
        stars["ra"].to_numpy(),
        stars["decl"].to_numpy(),
        np.stack([_drawn_magnitudes(stars, n) for n in range(3)]),
        np.concatenate([g.ra for g in galaxies])[inside] / 1e6,
        np.concatenate([g.dec for g in galaxies])[inside] / 1e6,
        concatenate_shapes([g.shapes for g in galaxies]).take(inside),
    )


def _select_near_field(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows of a batch within 0.4 degrees of the centres of the images in ra and dec."""
    ra, dec = ([getattr(c, name) for c in list_coadds()] for name in ("ra", "dec"))
    inside = None
    for name, positions in (("ra", ra), ("decl", dec)):
        for bound, compare in ((min(positions) - 0.4, pc.greater), (max(positions) + 0.4, pc.less)):
            test = compare(batch[name], bound)
            inside = test if inside is None else pc.and_(inside, test)
    return batch.filter(inside)


def _drawn_magnitudes(stars: pa.Table, band: int) -> Floats:
    """Return the magnitudes (n,) to draw in a band: those of the rows, fainter where they are limits."""
    mags = stars[f"{BANDS[band]}_m"].to_numpy().astype(np.float64)
    read = pc.utf8_slice_codeunits(stars["rd_flg"], band, band + 1).to_numpy(zero_copy_only=False).astype(str)
    return np.asarray(np.where(np.isin(read, ["0", "6"]), mags - 2.5 * np.log10(LIMIT_FRACTION), mags))


def draw_conditions(plan: ReleasePlan, coadd: Coadd, band: int) -> ObservingConditions:
    """Draw the conditions of an exposure: equal for all images of a scan, except for the sky."""
    rng = plan.make_rng(10, coadd.tile)
    turn = round(float(rng.uniform(-0.02, 0.02)), 8)
    airmass = round(float(rng.uniform(1.02, 1.3)), 6)
    zero, shape, sky = rng.normal(0, 1, (3, 3))[:, band]
    drift = float(plan.make_rng(11, coadd.tile, coadd.number, band).normal())
    return ObservingConditions(
        sky=round(SKY_DN[band] * float(np.exp(0.08 * sky + 0.01 * drift)), 4),
        noise=round(NOISE_DN[band] * float(np.exp(0.04 * sky)), 6),
        zero_point=round(ZERO_POINT_MAGS[band] + 0.03 * float(zero), 4),
        shape=round(1.05 + 0.01 * float(np.clip(shape, -2, 2)), 2),
        turn=turn,
        airmass=airmass,
    )


def make_image(plan: ReleasePlan, scene: Scene, coadd: Coadd, band: int) -> tuple[fits.Header, Pixels]:
    """Return the header and the pixels (rows, 512) in DN of an image of the field in a band (0 to 2)."""
    conditions = draw_conditions(plan, coadd, band)
    rng = plan.make_rng(12, coadd.tile, coadd.number, band)
    pixels = draw_image(
        rng,
        coadd.rows,
        _select_sources(scene, coadd, band, conditions),
        conditions.width,
        conditions.sky,
        conditions.noise,
    )
    levels = np.nanpercentile(pixels[::4, ::4].astype(np.float64), PERCENTILES)
    return make_header(coadd, band, conditions, levels), pixels


def _select_sources(scene: Scene, coadd: Coadd, band: int, conditions: ObservingConditions) -> ImageSources:
    x, y = _to_pixels(coadd, conditions.turn, scene.ra, scene.dec)
    mags = scene.mags[band]
    near = (
        np.isfinite(mags)
        & (np.abs(x - IMAGE_COLUMNS / 2) < IMAGE_COLUMNS / 2 + MARGIN_PIXELS)
        & (np.abs(y) < coadd.rows + MARGIN_PIXELS)
    )
    galaxy_x, galaxy_y = _to_pixels(coadd, conditions.turn, scene.galaxy_ra, scene.galaxy_dec)
    return ImageSources(
        x[near],
        y[near],
        10 ** (0.4 * (conditions.zero_point - mags[near])),
        galaxy_x,
        galaxy_y,
        10 ** (0.4 * (conditions.zero_point - scene.shapes.total[band])),
        scene.shapes,
        np.radians(scene.shapes.angle - conditions.turn),
    )


def _to_pixels(coadd: Coadd, turn: float, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    text = "".join(str(fits.Card(*card)) for card in make_wcs_cards(coadd, turn)) + "END".ljust(80)
    if not ra.size:
        return ra, dec
    found = Wcsprm(text.encode()).s2p(np.stack((ra, dec), axis=1), 1)["pixcrd"]
    return found[:, 0], found[:, 1]


def write_field_images(folder: Path, plan: ReleasePlan) -> list[Path]:
    """Write all images of the field below a folder, with the paths of the release's image server."""
    scene = make_scene(plan)

    def write(which: tuple[Coadd, int]) -> Path:
        path = folder / release_path(*which)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_pack(*make_image(plan, scene, *which)))
        return path

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(write, _list_images()))


def _list_images() -> Iterator[tuple[Coadd, int]]:
    return ((coadd, band) for coadd in list_coadds() for band in range(3))


def _pack(header: fits.Header, pixels: Pixels) -> bytes:
    """Return the compressed file; astropy would change the order of the cards."""
    data = pixels.astype(">f4").tobytes()
    content = header.tostring().encode("ascii") + data + bytes(-len(data) % BLOCK_BYTES)
    # No name and no time in the header: the same image gives the same bytes.
    return gzip.compress(content, GZIP_LEVEL, mtime=0)

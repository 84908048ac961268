"""Atlas images of the field of the synthetic sky, drawn from the very rows of its two catalogues.

A star is drawn where its row has it, with the light that its magnitude and the image's zero point
say; a galaxy with the shape from which its row was measured. So a catalogue laid over an image fits,
and photometry on it gives the catalogue's magnitudes back.
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

from vo_server.demo.columns import BANDS
from vo_server.demo.field import Coadd, coadds, is_field
from vo_server.demo.files import GZIP_LEVEL
from vo_server.demo.galaxies import Shapes, join_shapes
from vo_server.demo.header import PERCENTILES, Conditions, cards, native_path, wcs_cards
from vo_server.demo.pixels import Pixels, Sources, draw
from vo_server.demo.plan import Plan
from vo_server.demo.psc import psc_record_batches
from vo_server.demo.survey import COLUMNS, Floats

SKY = (90.0, 330.0, 520.0)
NOISE = (0.55, 0.85, 1.05)
ZERO_POINT = (20.92, 20.45, 19.95)
"""The usual sky (DN), noise (DN) and zero point (mag) in each band."""

LIMIT_LIGHT = 0.5
"""What is drawn of a source that was not detected in a band: half of the light of its limit."""

BLOCK = 2880
"""FITS files are made of blocks of so many bytes."""

REACH = 300.0
"""How far outside an image a source may lie and still be looked at, pixels."""


@dataclass(frozen=True)
class Scene:
    """The rows and galaxies about the field; places in degrees, ``mags`` of shape (3, n), NaN where
    there is none."""

    ra: Floats
    dec: Floats
    mags: Floats
    galaxy_ra: Floats
    galaxy_dec: Floats
    shapes: Shapes


def scene(plan: Plan) -> Scene:
    """What the images of the field show."""
    field = is_field(plan.sky)
    strip = np.repeat(np.arange(plan.sky.strips), np.diff(plan.sky.first))
    strips = sorted({int(s) for s in strip[field]})
    stars = pa.Table.from_batches(_near(batch) for batch in psc_record_batches(plan, strips))
    stars = stars.filter(pc.is_null(stars["ext_key"]))
    galaxies = [plan.galaxies(s) for s in strips]
    cell = np.concatenate([g.cell for g in galaxies])
    shown = np.flatnonzero(field[cell])
    return Scene(
        stars["ra"].to_numpy(),
        stars["decl"].to_numpy(),
        np.stack([_magnitudes(stars, n) for n in range(3)]),
        np.concatenate([g.ra for g in galaxies])[shown] / 1e6,
        np.concatenate([g.dec for g in galaxies])[shown] / 1e6,
        join_shapes([g.shapes for g in galaxies]).rows(shown),
    )


def _near(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows within a degree or so of the images."""
    ra, dec = ([getattr(c, name) for c in coadds()] for name in ("ra", "dec"))
    inside = None
    for name, places in (("ra", ra), ("decl", dec)):
        for bound, compare in ((min(places) - 0.4, pc.greater), (max(places) + 0.4, pc.less)):
            test = compare(batch[name], bound)
            inside = test if inside is None else pc.and_(inside, test)
    return batch.filter(inside)


def _magnitudes(stars: pa.Table, band: int) -> Floats:
    """The magnitudes that are drawn: those of the rows, fainter where they are limits."""
    mags = stars[f"{BANDS[band]}_m"].to_numpy().astype(np.float64)
    read = pc.utf8_slice_codeunits(stars["rd_flg"], band, band + 1).to_numpy(zero_copy_only=False).astype(str)
    return np.asarray(np.where(np.isin(read, ["0", "6"]), mags - 2.5 * np.log10(LIMIT_LIGHT), mags))


def conditions(plan: Plan, coadd: Coadd, band: int) -> Conditions:
    """How an image was taken: the same for all images of a scan but for the sky."""
    rng = plan.stream(10, coadd.tile)
    turn = round(float(rng.uniform(-0.02, 0.02)), 8)
    airmass = round(float(rng.uniform(1.02, 1.3)), 6)
    zero, shape, sky = rng.normal(0, 1, (3, 3))[:, band]
    drift = float(plan.stream(11, coadd.tile, coadd.number, band).normal())
    return Conditions(
        sky=round(SKY[band] * float(np.exp(0.08 * sky + 0.01 * drift)), 4),
        noise=round(NOISE[band] * float(np.exp(0.04 * sky)), 6),
        zero_point=round(ZERO_POINT[band] + 0.03 * float(zero), 4),
        shape=round(1.05 + 0.01 * float(np.clip(shape, -2, 2)), 2),
        turn=turn,
        airmass=airmass,
    )


def image(plan: Plan, shown: Scene, coadd: Coadd, band: int) -> tuple[fits.Header, Pixels]:
    """An image of the field in a band (0 to 2)."""
    seen = conditions(plan, coadd, band)
    rng = plan.stream(12, coadd.tile, coadd.number, band)
    pixels = draw(rng, coadd.rows, _sources(shown, coadd, band, seen), seen.width, seen.sky, seen.noise)
    levels = np.nanpercentile(pixels[::4, ::4].astype(np.float64), PERCENTILES)
    return cards(coadd, band, seen, levels), pixels


def _sources(shown: Scene, coadd: Coadd, band: int, seen: Conditions) -> Sources:
    x, y = _pixels(coadd, seen.turn, shown.ra, shown.dec)
    mags = shown.mags[band]
    near = np.isfinite(mags) & (np.abs(x - COLUMNS / 2) < COLUMNS / 2 + REACH) & (np.abs(y) < coadd.rows + REACH)
    galaxy_x, galaxy_y = _pixels(coadd, seen.turn, shown.galaxy_ra, shown.galaxy_dec)
    return Sources(
        x[near],
        y[near],
        10 ** (0.4 * (seen.zero_point - mags[near])),
        galaxy_x,
        galaxy_y,
        10 ** (0.4 * (seen.zero_point - shown.shapes.total[band])),
        shown.shapes,
        np.radians(shown.shapes.angle - seen.turn),
    )


def _pixels(coadd: Coadd, turn: float, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    text = "".join(str(fits.Card(*card)) for card in wcs_cards(coadd, turn)) + "END".ljust(80)
    if not ra.size:
        return ra, dec
    found = Wcsprm(text.encode()).s2p(np.stack((ra, dec), axis=1), 1)["pixcrd"]
    return found[:, 0], found[:, 1]


def write_field(folder: Path, plan: Plan) -> list[Path]:
    """Write all images of the field below a folder, named as at the release's image server."""
    shown = scene(plan)

    def write(which: tuple[Coadd, int]) -> Path:
        path = folder / native_path(*which)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_packed(*image(plan, shown, *which)))
        return path

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(write, _each()))


def _each() -> Iterator[tuple[Coadd, int]]:
    return ((coadd, band) for coadd in coadds() for band in range(3))


def _packed(header: fits.Header, pixels: Pixels) -> bytes:
    """The file. Astropy would put the cards into an order of its own."""
    data = pixels.astype(">f4").tobytes()
    whole = header.tostring().encode("ascii") + data + bytes(-len(data) % BLOCK)
    # No name and no time in the header: the same image gives the same bytes.
    return gzip.compress(whole, GZIP_LEVEL, mtime=0)

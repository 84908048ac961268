"""The images of the synthetic sky: agreement with its catalogues, and headers like those of the release."""

from __future__ import annotations

import csv
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from vo_server.demo import SEED, count_xsc_rows, generate_psc, generate_xsc, write_images
from vo_server.demo.density import PSC_ROWS
from vo_server.demo.galaxies import GalaxyShapes
from vo_server.demo.image_field import MAX_ROW_SHARE, is_in_field, list_coadds
from vo_server.demo.images import Scene, make_image
from vo_server.demo.pixels import star_profile
from vo_server.demo.release_plan import ReleasePlan

ROWS = 200_000
BANDS = "jhk"


@cache
def make_plan() -> ReleasePlan:
    return ReleasePlan(ROWS, count_xsc_rows(ROWS), SEED)


@cache
def make_psc() -> pa.Table:
    return pa.Table.from_batches(generate_psc(ROWS))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_images(tmp_path_factory.mktemp("images"), ROWS)


def open_image(path: Path) -> tuple[np.ndarray, fits.Header, WCS]:
    with fits.open(path) as units, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return units[0].data.astype(float), units[0].header, WCS(units[0].header)


def test_names_and_sizes_of_files(files: list[Path]) -> None:
    assert len(files) == len(set(files)) == 18
    assert sum(f.stat().st_size for f in files) < 18e6
    for path in files:
        _, header, _ = open_image(path)
        scan = f"{header['SCANNO']:03}"
        assert path.name.startswith(f"{header['FILTER']}i{scan}")
        hemisphere = "n" if header["TELNAME"] == "Hopkins" else "s"
        assert path.parts[-4:-1] == (f"{header['ORDATE']}{hemisphere}", f"s{scan}", "image")


def test_seed_determines_files(files: list[Path], tmp_path: Path) -> None:
    second = write_images(tmp_path, ROWS)
    assert [f.read_bytes() for f in second] == [f.read_bytes() for f in files]
    assert [f.read_bytes() for f in write_images(tmp_path / "other", ROWS, 7)] != [f.read_bytes() for f in files]


def test_headers_agree_with_release(files: list[Path], shared: Path) -> None:
    with (shared / "facts" / "atlas_header_keywords.csv").open(encoding="utf-8", newline="") as rows:
        real = {row["keyword"]: row for row in csv.DictReader(rows)}
    kinds = {"bool": bool, "int": int, "float": float, "str": str}
    for path in files:
        _, header, _ = open_image(path)
        assert len(header) == 112
        keywords = [k for k in header if k not in ("COMMENT", "HISTORY", "")]
        assert keywords == [k for k in real if k in keywords] and set(keywords) == set(real)
        for keyword, row in real.items():
            assert isinstance(header[keyword], kinds[row["type"]]), keyword
            if row["constant"] == "yes" and not keyword.startswith(("W", "SEE", "NAXIS")):
                assert str(header[keyword]) == row["values"], keyword


def test_background_and_noise(files: list[Path]) -> None:
    for path in files:
        pixels, header, _ = open_image(path)
        assert pixels.shape == (1024, 512) == (header["NAXIS2"], header["NAXIS1"])
        sides = np.isnan(pixels).all(axis=0)
        assert 4 <= sides.sum() <= 8 and sides[0] and sides[-1]
        assert not np.isnan(pixels[:, ~sides]).any()
        good = pixels[:, ~sides]
        assert np.median(good) == pytest.approx(header["SKYVAL"], abs=2 * header["SKYSIG"])
        levels = [header[k] for k in header if k.startswith("QT")]
        assert levels == sorted(levels)
        assert np.percentile(good, 50) == pytest.approx(header["QT5000"], abs=0.3)
        rough = [np.std(b) for b in good[:1000, :480].reshape(40, 25, 20, 24).swapaxes(1, 2).reshape(-1, 600)]
        assert 0.85 < np.median(rough) / header["SKYSIG"] < 1.15


def test_noise_is_correlated(files: list[Path]) -> None:
    pixels, _, _ = open_image(files[0])
    good = pixels[:1000, 8:488].reshape(20, 50, 10, 48).swapaxes(1, 2).reshape(-1, 50, 48)
    quiet = good[np.argsort(good.std(axis=(1, 2)))[:100]]
    grain = quiet - quiet.mean(axis=(1, 2), keepdims=True)
    lags = [float((grain[:, :, :-n] * grain[:, :, n:]).mean() / (grain**2).mean()) for n in (1, 2, 4)]
    assert lags == pytest.approx([0.8, 0.42, 0.1], abs=0.12)


def select_stars(header: fits.Header, wcs: WCS, shape: tuple[int, ...], min_distance: float) -> tuple[np.ndarray, ...]:
    """Return columns, rows and magnitudes of the bright stars in an image without other sources nearby, each (n,)."""
    rows, band = make_psc(), BANDS[["j", "h", "k"].index(header["FILTER"])]
    ra, dec = rows["ra"].to_numpy(), rows["decl"].to_numpy()
    nearby = np.flatnonzero((np.abs(ra - header["CRVAL1"]) < 0.2) & (np.abs(dec - header["CRVAL2"]) < 0.2))
    x, y = wcs.all_world2pix(ra[nearby], dec[nearby], 0)
    mags = rows[f"{band}_m"].to_numpy()[nearby]
    galaxies = SkyCoord(*list_galaxy_positions(), unit="deg")
    is_far = SkyCoord(ra[nearby], dec[nearby], unit="deg").match_to_catalog_sky(galaxies)[1].arcsec > 60
    separation = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(separation, np.inf)
    inside = (x > 30) & (x < shape[1] - 30) & (y > 30) & (y < shape[0] - 30)
    selected = inside & is_far & (separation.min(axis=1) > min_distance) & (mags > 8) & (mags < 12.5)
    return x[selected], y[selected], mags[selected]


@cache
def list_galaxy_positions() -> tuple[np.ndarray, np.ndarray]:
    table = pa.Table.from_batches(generate_xsc(count_xsc_rows(ROWS), psc_rows=ROWS))
    return table["ra"].to_numpy(), table["decl"].to_numpy()


def test_positions_and_magnitudes_of_stars(files: list[Path]) -> None:
    offsets, differences = [], []
    for path in files:
        pixels, header, wcs = open_image(path)
        width = 3.135 * header["SEESH"] - 0.464
        axis = np.arange(-40, 41)
        grid = np.hypot(*np.meshgrid(axis, axis))
        share = star_profile(axis[None, :].astype(float), axis[:, None].astype(float), width)[grid <= 8].sum()
        for x, y, mag in zip(*select_stars(header, wcs, pixels.shape, 22), strict=True):
            column, row = round(x), round(y)
            stamp = pixels[row - 18 : row + 19, column - 18 : column + 19]
            dx, dy = np.meshgrid(np.arange(-18, 19) - (x - column), np.arange(-18, 19) - (y - row))
            radius = np.hypot(dx, dy)
            light = stamp - np.median(stamp[(radius > 12) & (radius < 18)])
            core = radius <= 3.5
            offsets.append(np.hypot(*((d * light)[core].sum() / light[core].sum() for d in (dx, dy))))
            differences.append(header["MAGZP"] - 2.5 * np.log10(light[radius <= 8].sum() / share) - mag)
    assert len(offsets) > 40
    assert max(offsets) < 0.3, "arcsec"
    assert abs(np.median(differences)) < 0.01
    assert np.quantile(np.abs(differences), 0.9) < 0.1


def test_light_and_direction_of_galaxy() -> None:
    coadd, empty = list_coadds()[1], np.zeros(0)
    shapes = GalaxyShapes(np.array([[10.0], [9.3], [9.0]]), *(np.array([v]) for v in (8.0, 1.0, 0.5)), np.array([30]))
    position = np.array([coadd.ra + 0.02]), np.array([coadd.dec - 0.05])
    header, image = make_image(make_plan(), Scene(empty, empty, np.zeros((3, 0)), *position, shapes), coadd, 2)
    pixels = image.astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y = WCS(header).all_world2pix(*position, 0)
    rows, columns = np.indices(pixels.shape)
    west, north = columns - x, rows - y
    radius = np.hypot(west, north)
    light = pixels - np.nanmedian(pixels[(radius > 100) & (radius < 120)])
    inside = radius < 25
    expected = 10 ** (0.4 * (header["MAGZP"] - 9.0)) * shapes.light_in_circle(25.0)[0]
    assert light[inside].sum() == pytest.approx(expected, rel=0.03)
    moments = [(light * a * b)[inside].sum() for a, b in ((west, west), (north, north), (-west, north))]
    angle = np.degrees(np.arctan2(2 * moments[2], moments[1] - moments[0])) / 2
    assert angle == pytest.approx(30, abs=3), "from north through east"


def test_rows_lie_on_images_of_their_keys(files: list[Path]) -> None:
    """coadd_key = 23 (scan_key - 1) + k, and the image of that scan and number contains the source."""
    rows, count = make_psc(), 0
    for path in files[::3]:
        _, header, wcs = open_image(path)
        number = int(path.name[5:9])
        rows_of_image = rows.filter(
            pc.and_(
                pc.and_(pc.equal(rows["scan"], header["SCANNO"]), pc.equal(rows["coadd"], number)),
                pc.and_(pc.less(pc.abs(pc.subtract(rows["ra"], header["CRVAL1"])), 1.0), pc.equal(rows["hemis"], "n")),
            )
        )
        night = rows_of_image.filter(pc.equal(pc.strftime(rows_of_image["date"], "%y%m%d"), header["ORDATE"]))
        x, y = wcs.all_world2pix(night["ra"].to_numpy(), night["decl"].to_numpy(), 1)
        assert ((x > 0.5) & (x < 512.5) & (y > 0.5) & (y < 1024.5)).all()
        keys = {(s, c) for s, c in zip(night["scan_key"].to_pylist(), night["coadd_key"].to_pylist(), strict=True)}
        assert len(keys) == 1
        ((scan_key, coadd_key),) = keys
        k = round(
            (abs(header["USYREF"]) - 156) / 970 if header["SCANDIR"] == "n" else (abs(header["USYREF"]) - 1178) / 970
        )
        assert coadd_key == 23 * (scan_key - 1) + k + 1
        assert night["x_scan"].to_numpy() == pytest.approx(x - 256.5, abs=1.5)
        count += night.num_rows
    assert count > 300


def test_density_of_field() -> None:
    for rows in (1_000, 20_000, 500_000, PSC_ROWS):
        plan = ReleasePlan(rows, count_xsc_rows(rows), SEED)
        field = is_in_field(plan.sky)
        inside = int((plan.stars + plan.paired)[field].sum())
        release = PSC_ROWS * plan.sky.stars[field].sum()
        assert inside <= max(1.2 * MAX_ROW_SHARE * rows, 1.2 * release)
        assert int((plan.stars + plan.paired).sum()) == rows
        if rows >= 500_000:
            assert inside == pytest.approx(release, rel=0.15)

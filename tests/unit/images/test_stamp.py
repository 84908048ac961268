"""Postage stamps of a synthetic galaxy with synthetic foreground stars."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from tests.atlas import atlas_header
from vo_server.errors import Code, ImageError, NoPixelsError
from vo_server.images import cutout, image, preview, stamp, stars
from vo_server.images.stamp import Coadd, Galaxy, Stars
from vo_server.storage import files

ROWS, COLUMNS = 300, 260
GALAXY = Galaxy("00000000+0000000", 83.6, -5.4, radius=12.0, axis_ratio=0.5, angle=40.0, side=81)
ZEROS = (20.9, 20.4, 19.95)
SKIES = (73.2, 278.0, 406.0)
NOISE = 0.7


def build_wcs(header: fits.Header) -> Any:
    return image.Image(header, (1, ROWS, COLUMNS), lambda *_: np.zeros(0)).wcs


def galaxy_light(header: fits.Header) -> Any:
    """Return an exponential disk, computed from sky positions and not by the ellipses under test."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    there = SkyCoord(*build_wcs(header).to_positions(x.ravel(), y.ravel()), unit="deg")
    middle = SkyCoord(GALAXY.ra, GALAXY.dec, unit="deg")
    angle = (middle.position_angle(there).rad - np.radians(GALAXY.angle)).reshape(x.shape)
    far = middle.separation(there).arcsec.reshape(x.shape)
    return 60 * np.exp(-np.hypot(far * np.cos(angle), far * np.sin(angle) / GALAXY.axis_ratio) / 6)


def make_stars(count: int = 60) -> Stars:
    random = np.random.default_rng(11)
    header = atlas_header(rows=ROWS, columns=COLUMNS)
    lon, lat = build_wcs(header).to_positions(random.uniform(5, COLUMNS - 5, count), random.uniform(5, ROWS - 5, count))
    j = random.uniform(10, 15.5, count)
    return Stars(lon, lat, np.stack([j, j - 0.5, j - 0.6], axis=1))


def make_coadd(points: Stars, light: bool = True, dec: float = -5.4, crota: float = 0.31) -> tuple[Coadd, Any]:
    """Return three images of the galaxy with stars and noise, and the galaxy alone."""
    made = []
    for band in range(3):
        header = atlas_header(dec=dec, rows=ROWS, columns=COLUMNS)
        header["MAGZP"], header["FILTER"], header["CROTA2"] = ZEROS[band], "jhk"[band], crota
        x, y = build_wcs(header).to_pixels(points.ra, points.dec)
        flux = 10 ** (-0.4 * (points.magnitudes[:, band] - ZEROS[band]))
        pixels = SKIES[band] + np.random.default_rng(band).normal(0, NOISE, (ROWS, COLUMNS))
        galaxy = galaxy_light(header) if light else np.zeros((ROWS, COLUMNS))
        pixels += galaxy + stars.render_stars((ROWS, COLUMNS), stars.ImageStars(x, y, np.nan_to_num(flux)), 3.1, NOISE)
        data = header.tostring().encode() + pixels.astype(">f4").tobytes()
        made.append(image.read_image(files.MemoryFile(data + bytes(-len(data) % 2880))))
    return (made[0], made[1], made[2]), galaxy


def read(data: bytes) -> fits.PrimaryHDU:
    hdus = fits.open(io.BytesIO(data))
    hdus.verify("exception")
    return hdus[0]


def test_six_planes_with_and_without_stars() -> None:
    points = make_stars()
    images, galaxy = make_coadd(points)
    made = read(stamp.build_stamp([images], GALAXY, points))
    header, cube = made.header, made.data
    assert cube.shape == (6, 81, 81)
    assert cube.dtype == np.dtype(">f4")
    assert [header[f"PLANE{n}"] for n in range(1, 7)] == [
        "J",
        "H",
        "Ks",
        "J, stars removed",
        "H, stars removed",
        "Ks, stars removed",
    ]
    assert [header[f"{b}MAGZP"] for b in "JHK"] == list(ZEROS)
    assert [header[f"{b}SKYVAL"] for b in "JHK"] == pytest.approx(SKIES, abs=0.3)
    assert [header[f"{b}SKYSIG"] for b in "JHK"] == pytest.approx([NOISE] * 3, rel=0.25)
    assert [header[f"{b}FWHM"] for b in "JHK"] == pytest.approx([3.1] * 3, abs=0.15)
    assert header["STARREM"]
    assert "EXT_KEY" not in header
    assert "Moffat" in str(header["HISTORY"])
    wcs = WCS(header).celestial
    x, y = wcs.world_to_pixel(SkyCoord(GALAXY.ra, GALAXY.dec, unit="deg", frame="fk5"))
    assert (x, y) == pytest.approx((40, 40), abs=0.5001)
    whole = WCS(images[0].header)
    shift = np.subtract(whole.wcs.crpix, wcs.wcs.crpix).astype(int)
    assert wcs.pixel_to_world(3, 5).separation(whole.pixel_to_world(3 + shift[0], 5 + shift[1])).arcsec < 1e-6
    part = (slice(shift[1], shift[1] + 81), slice(shift[0], shift[0] + 81))
    for band in range(3):
        pixels = images[band].read_all()[0][part]
        np.testing.assert_allclose(cube[band], pixels - header[f"{'JHK'[band]}SKYVAL"], atol=1e-3)
        before, after = (cube[n] - galaxy[part] for n in (band, band + 3))
        assert np.std(before) > 10 * NOISE
        assert np.std(after) < 2.5 * NOISE
        assert abs(np.mean(after)) < 0.5 * NOISE


def test_keeps_galaxy_that_is_in_psc() -> None:
    own = Stars(np.array([83.6]), np.array([-5.4 + 1 / 3600]), np.array([[12.0, 11.5, 11.4]]))
    none = Stars(np.zeros(0), np.zeros(0), np.zeros((0, 3)))
    images, galaxy = make_coadd(none)
    made = read(stamp.build_stamp([images], GALAXY, own))
    np.testing.assert_array_equal(made.data[:3], made.data[3:])
    assert made.data[0, 40, 40] > 0.8 * galaxy.max()


def test_ignores_stars_without_magnitude() -> None:
    """Stars of ph_qual U and X are invisible: the image must not change beyond the noise."""
    none = Stars(np.zeros(0), np.zeros(0), np.zeros((0, 3)))
    images, _ = make_coadd(none)
    unseen = replace(make_stars(), magnitudes=np.tile([15.0, np.nan, 16.0], (60, 1)))
    made = read(stamp.build_stamp([images], GALAXY, unseen))
    assert np.abs(made.data[3:] - made.data[:3]).max() < 5 * NOISE
    np.testing.assert_array_equal(made.data[1], made.data[4])


@pytest.mark.parametrize(
    ("radius", "given", "wanted"), [(5.0, None, 29), (5.0, 29, 29), (5.0, 3, 21), (400.0, None, 301), (50.0, 302, 301)]
)
def test_sides_are_odd_and_within_bounds(radius: float, given: int | None, wanted: int) -> None:
    assert stamp.compute_side(Galaxy("x", 0, 0, radius, side=given)) == wanted


def test_file_names_are_those_of_release() -> None:
    assert stamp.build_file_name("981029", "s", 28, 221, 3157) == "981029s/s028/g981029s0280221i003157.fits"


def test_fills_edge_from_neighbour() -> None:
    """Two coadds, one 250" north of the other and turned a little; the galaxy is on the edge of both."""
    points = make_stars(10)
    south, _ = make_coadd(points, dec=-5.4 - 130 / 3600, crota=0.1)
    north, _ = make_coadd(points, dec=-5.4 + 125 / 3600, crota=-0.3)
    assert 0.5 < stamp.compute_coverage(south[0], GALAXY) < 1
    assert stamp.compute_coverage(north[0], GALAXY) > stamp.compute_coverage(south[0], GALAXY)
    alone = read(stamp.build_stamp([south], GALAXY, points))
    both = read(stamp.build_stamp([south, north], GALAXY, points))
    assert np.isnan(alone.data[0]).sum() > 500
    assert np.isfinite(both.data).all()
    there = np.isfinite(alone.data[0])
    np.testing.assert_array_equal(alone.data[0][there], both.data[0][there])
    assert np.isnan(alone.data[3][~there]).all()
    shift = np.subtract(south[0].header["CRPIX2"], both.header["CRPIX2"]).astype(int)
    left = np.subtract(south[0].header["CRPIX1"], both.header["CRPIX1"]).astype(int)
    header = south[0].header.copy()
    header["CRPIX2"] -= 100
    truth = galaxy_light(header)[shift - 100 : shift - 19, left : left + 81]
    assert np.std((both.data[3] - truth)[~there]) < 2 * NOISE
    assert "neighbour" in str(both.header["HISTORY"])


def test_rejects_unsuitable_images() -> None:
    points = make_stars(3)
    images, _ = make_coadd(points)
    with pytest.raises(NoPixelsError):
        stamp.build_stamp([images], replace(GALAXY, dec=-6.4), points)
    other, _ = make_coadd(points, dec=-5.41)
    with pytest.raises(ImageError) as raised:
        stamp.build_stamp([(images[0], other[1], images[2])], GALAXY, points)
    assert raised.value.code == Code.IMAGE_UNSUPPORTED
    del images[2].header["MAGZP"]
    with pytest.raises(ImageError) as raised:
        stamp.build_stamp([images], GALAXY, points)
    assert raised.value.code == Code.IMAGE_UNSUPPORTED


def test_stamp_has_cutouts_and_pictures() -> None:
    points = make_stars()
    images, _ = make_coadd(points)
    made = image.read_image(files.MemoryFile(stamp.build_stamp([images], GALAXY, points)))
    part = read(cutout.cut(made, ("circle", (83.6, -5.4, 10 / 3600)), (2e-6, 2.2e-6)))
    assert part.data.shape[0] == 2
    assert [part.header["PLANE1"], part.header["PLANE2"]] == ["Ks", "Ks, stars removed"]
    assert preview.render_colour([(made, 3), (made, 4), (made, 5)])[1:4] == b"PNG"


def test_removes_stars_of_real_m31_image(shared: Any, real: Any) -> None:
    """The brighter stars of the PSC on a J image of M31: less than 3 percent of their light is left."""
    from astropy.table import Table

    table = Table.read(shared / "data" / "psc" / "irsa_m31_2412rows.tbl.gz", format="ascii.ipac")
    j = np.ma.filled(table["j_m"].astype(float), np.nan)
    ra, dec = np.array(table["ra"]), np.array(table["dec"])
    points = Stars(ra, dec, np.stack([j, j, j], axis=1))
    with image.open_image(str(real / "cutout_J_m31_971024n008.fits.gz")) as opened:
        galaxy = Galaxy("field", 10.7, 41.23, 30.0, 0.6, 35.0, 201)
        made = read(stamp.build_stamp([(opened, opened, opened)], galaxy, points))
    x, y = WCS(made.header).celestial.wcs_world2pix(ra, dec, 0)
    bright = np.flatnonzero((j < 12.5) & (x > 8) & (x < 192) & (y > 8) & (y < 192))
    assert len(bright) >= 3
    seen = [(_aperture(made.data[0], x[n], y[n]), _aperture(made.data[3], x[n], y[n]), n) for n in bright]
    stars_of = [(before, after) for before, after, n in seen if before > 0.8 * 10 ** (-0.4 * (j[n] - 20.8605))]
    assert len(stars_of) >= 3  # the other rows are knots of the bulge
    assert all(abs(after) < 0.03 * before for before, after in stars_of)


def _aperture(pixels: Any, x: float, y: float) -> float:
    """Return the flux within 4 pixels above the background at 5 to 7 pixels."""
    rows, columns = np.indices(pixels.shape)
    far = np.hypot(columns - x, rows - y)
    ground = np.nanmedian(pixels[(far > 5) & (far < 7)])
    return float(np.nansum(pixels[far < 4] - ground))

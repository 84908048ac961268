"""Cutouts compared with astropy: the pixels of Cutout2D, the positions of WCS, and its FITS verification."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.atlas import atlas_header, atlas_pixels
from vo_server.errors import Code, ImageError, NoPixelsError, TooLargeError, UsageError
from vo_server.images import cutout, image
from vo_server.images.window import find_window
from vo_server.sky import shapes, vectors
from vo_server.sky.shapes import Shape
from vo_server.storage import files


def make_image(header: fits.Header, pixels: Any) -> image.Image:
    """Return the image of a file with exactly this header: astropy's writer would remove BSCALE."""
    data = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    return image.read_image(files.MemoryFile(header.tostring().encode() + data + bytes(-len(data) % 2880)))


def read_hdu(data: bytes) -> fits.PrimaryHDU:
    """Return the only HDU of a file, which must be valid."""
    hdus = fits.open(io.BytesIO(data))
    hdus.verify("exception")
    assert len(hdus) == 1
    assert len(data) % 2880 == 0
    return hdus[0]


def find_window_by_brute_force(opened: image.Image, region: Shape) -> tuple[int, int, int, int]:
    """Return the window of a region by testing 7 x 7 points of every pixel."""
    _, rows, columns = opened.shape
    fine = (np.arange(7) - 3) / 6.001
    x = (np.arange(columns)[:, None] + fine).ravel()
    y = (np.arange(rows)[:, None] + fine).ravel()
    gx, gy = np.meshgrid(x, y)
    lon, lat = opened.wcs.to_positions(gx.ravel(), gy.ravel())
    match region:
        case ("circle", (a, b, r)):
            hit = vectors.distance(a, b, lon, lat) <= r
        case ("range", (a, b, c, d)):
            hit = ((lon - a) % 360 <= (b - a) % 360) & (lat >= c) & (lat <= d)
        case _:
            hit = shapes.find_points_in_polygon(lon, lat, region[1])
    at_x, at_y = np.rint(gx.ravel()[hit]).astype(int), np.rint(gy.ravel()[hit]).astype(int)
    return at_y.min(), at_y.max() + 1, at_x.min(), at_x.max() + 1


def test_agrees_with_cutout2d(atlas: Path) -> None:
    with image.open_image(str(atlas)) as opened:
        found = read_hdu(cutout.cut(opened, ("circle", (83.601, -5.398, 20 / 3600)), source="ivo://x/y?atlas/1"))
    assert found.data.shape in {(a, b) for a in (41, 42) for b in (41, 42)}
    with fits.open(atlas) as hdus:
        wcs = WCS(hdus[0].header)
        left, bottom = np.subtract(wcs.wcs.crpix, WCS(found.header).wcs.crpix)
        rows, columns = found.data.shape
        same = Cutout2D(hdus[0].data, (left + (columns - 1) / 2, bottom + (rows - 1) / 2), found.data.shape, wcs=wcs)
        np.testing.assert_array_equal(found.data, same.data)
    for x, y in ((0, 0), (20.3, 11.1)):
        there = WCS(found.header).pixel_to_world(x, y)
        assert there.separation(same.wcs.pixel_to_world(x, y)).arcsec < 1e-6
    middle = WCS(found.header).world_to_pixel(SkyCoord(83.601, -5.398, unit="deg", frame="fk5"))
    assert middle == pytest.approx(((columns - 1) / 2, (rows - 1) / 2), abs=0.51)


def test_keeps_other_keywords(atlas: Path) -> None:
    with image.open_image(str(atlas)) as opened:
        found = read_hdu(cutout.cut(opened, ("point", (83.60005, -5.40005)), source="ivo://x/y?atlas/1"))
    before, after = fits.getheader(atlas), found.header
    cards = [str(c) for c in after.cards]
    changed = {c.keyword for c in before.cards if str(c) not in cards}
    assert changed == {"NAXIS1", "NAXIS2", "CRPIX1", "CRPIX2"}
    assert [c.keyword for c in before.cards if c.keyword != "HISTORY"] == [
        c.keyword for c in after.cards if c.keyword != "HISTORY" and not c.keyword.startswith("CUT")
    ]
    assert after.comments["CRPIX1"] == before.comments["CRPIX1"]
    assert after["CUTFROM"] == "ivo://x/y?atlas/1"
    assert after["CUTSECT"] == "[50:50,70:70]"
    assert after["HISTORY"][0] == before["HISTORY"][0]
    assert "Cut out" in after["HISTORY"][1]


POLES = [(0.0, 89.999), (0.0, -89.999), (359.999, 12.0), (83.6, -5.4)]


@pytest.mark.parametrize(("ra", "dec"), POLES)
@settings(max_examples=12, deadline=None)
@given(
    x=st.floats(-10, 40),
    y=st.floats(-10, 50),
    radius=st.floats(0.5, 70),
    kind=st.sampled_from(["circle", "box", "polygon", "range"]),
)
def test_window_agrees_with_brute_force(ra: float, dec: float, x: float, y: float, radius: float, kind: str) -> None:
    opened = make_image(atlas_header(ra, dec, 40, 30), atlas_pixels(40, 30))
    (lon,), (lat,) = opened.wcs.to_positions(x, y)
    size = radius / 3600
    match kind:
        case "circle":
            region: Shape = ("circle", (lon, lat, size))
        case "box":
            region = ("polygon", shapes.box_vertices(lon, lat, size, size / 2))
        case "polygon":
            corners = [vectors.box_corners(lon, lat, 2 * size, 2 * size)[n] for n in (0, 1, 2)]
            region = ("polygon", tuple(v for corner in corners for v in corner))
        case _:
            wide = min(size / max(np.cos(np.radians(lat)), 1e-9), 170)
            region = ("range", ((lon - wide) % 360, (lon + wide) % 360, max(lat - size, -90), min(lat + size, 90)))
    try:
        found = find_window(opened.wcs, 40, 30, region)
    except NoPixelsError:
        with pytest.raises(ValueError, match="zero-size"):
            find_window_by_brute_force(opened, region)
        return
    got = (*found.rows, *found.columns)
    try:
        wanted = find_window_by_brute_force(opened, region)
    except ValueError:  # less of a pixel than what lies between the points that were looked at
        assert found.rows[1] - found.rows[0] <= 2 or found.columns[1] - found.columns[0] <= 2
        return
    assert got[0] <= wanted[0]
    assert got[1] >= wanted[1]
    assert got[2] <= wanted[2]
    assert got[3] >= wanted[3]
    assert np.abs(np.subtract(got, wanted)).max() <= 1


def test_region_around_image_gives_whole_image(atlas: Path) -> None:
    with image.open_image(str(atlas)) as opened:
        regions: tuple[Shape, ...] = (
            ("circle", (83.6, -5.4, 179.0)),
            ("circle", (263.6, 5.4, 180.0)),
            ("range", (-np.inf, np.inf, -90.0, np.inf)),
            ("range", (350.0, 90.0, -10.0, 10.0)),
            ("box", (83.6, -5.4, 10.0, 10.0)),
        )
        for region in regions:
            assert read_hdu(cutout.cut(opened, region)).data.shape == (140, 100), region
        assert read_hdu(cutout.cut(opened)).data.shape == (140, 100)


@pytest.mark.parametrize(
    "region",
    [
        ("circle", (263.6, 5.4, 1.0)),
        ("circle", (263.6, 5.4, 179.9)),
        ("circle", (83.6, -5.3, 0.02)),
        ("point", (83.7, -5.4)),
        ("range", (90.0, 83.0, -10.0, 10.0)),
        ("polygon", (84.0, -5.0, 85.0, -5.0, 84.5, -4.0)),
    ],
)
def test_rejects_region_outside_image(atlas: Path, region: Shape) -> None:
    with image.open_image(str(atlas)) as opened, pytest.raises(NoPixelsError):
        cutout.cut(opened, region)


@pytest.mark.parametrize(
    "region",
    [
        ("circle", (1.0, 95.0, 1.0)),
        ("circle", (1.0, 5.0, -1.0)),
        ("polygon", (1.0, 5.0, 2.0, 5.0)),
        ("range", (1.0, 2.0, 5.0, 4.0)),
        ("range", (np.nan, 2.0, 3.0, 4.0)),
        ("box", (1.0, 2.0, 0.0, 4.0)),
        ("point", (np.nan, 2.0)),
    ],
)
def test_rejects_invalid_region(atlas: Path, region: Shape) -> None:
    with image.open_image(str(atlas)) as opened, pytest.raises(UsageError) as caught:
        cutout.cut(opened, region)
    assert caught.value.status == 400


@pytest.mark.parametrize("size", [(11, 11), (10, 14), (1, 1), (300, 200), (61, 401)])
@pytest.mark.parametrize("place", [(50.02, 70.02), (2.3, 1.6), (99.02, 139.4), (-3.02, 70.02)])
def test_cut_to_size_agrees_with_cutout2d(atlas: Path, size: tuple[int, int], place: tuple[float, float]) -> None:
    with fits.open(atlas) as hdus, image.open_image(str(atlas)) as opened:
        whole, wcs = hdus[0].data.copy(), WCS(hdus[0].header)
        (lon,), (lat,) = opened.wcs.to_positions(*place)
        try:
            same = Cutout2D(whole, place, size[::-1], wcs=wcs, mode="partial", fill_value=np.nan)
        except ValueError:
            with pytest.raises(NoPixelsError):
                cutout.cut_to_size(opened, lon, lat, *size)
            return
        found = read_hdu(cutout.cut_to_size(opened, lon, lat, *size))
    np.testing.assert_array_equal(found.data, same.data)
    for x, y in ((0, 0), (size[0] - 1, size[1] - 1)):
        there = WCS(found.header).pixel_to_world(x, y)
        assert there.separation(same.wcs.pixel_to_world(x, y)).arcsec < 1e-6


def test_integers_become_floats_for_missing_pixels() -> None:
    header = atlas_header()
    header["BITPIX"], header["BSCALE"], header["BZERO"], header["BLANK"] = 16, 0.5, 100.0, -1
    opened = make_image(header, np.arange(-1, 13999, dtype=np.int16).reshape(140, 100))
    inside = cutout.cut_to_size(opened, 83.60005, -5.40005, 9, 9)
    assert fits.open(io.BytesIO(inside), do_not_scale_image_data=True)[0].data.dtype.kind == "i"
    partly = read_hdu(cutout.cut_to_size(opened, 83.60005, -5.40005, 300, 300))
    assert partly.header["BITPIX"] == -32
    there = np.isfinite(partly.data)
    assert there.sum() == 13999
    assert np.nanmin(partly.data) == 100.0
    assert np.nanmax(partly.data) == 100.0 + 13998 / 2
    with fits.open(io.BytesIO(inside)) as hdus:
        y, x = np.argwhere(partly.data == hdus[0].data[4, 4])[0]
    assert (x, y) == (149, 149)


def test_rejects_too_many_pixels(atlas: Path) -> None:
    with image.open_image(str(atlas)) as opened:
        with pytest.raises(TooLargeError):
            cutout.cut_to_size(opened, 83.6, -5.4, 100_000, 100_000)
        with pytest.raises(UsageError):
            cutout.cut_to_size(opened, 83.6, -5.4, 0, 10)


def make_cube() -> image.Image:
    header = atlas_header()
    header["NAXIS"] = 3
    header.set("NAXIS3", 6, after="NAXIS2")
    del header["FILTER"]
    for n, said in enumerate(("J", "H", "Ks", "J, stars removed", "H, stars removed", "Ks, stars removed")):
        header[f"PLANE{n + 1}"] = (said, f"plane {n}")
    return make_image(header, np.stack([atlas_pixels() + n for n in range(6)]))


@pytest.mark.parametrize(
    ("band", "planes"),
    [
        ((1.2e-6, 1.3e-6), [0, 3]),
        ((1.402e-6, 1.402e-6), [0, 1, 3, 4]),
        ((2.0e-6, np.inf), [2, 5]),
        ((-np.inf, np.inf), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_band_selects_planes(band: tuple[float, float], planes: list[int]) -> None:
    opened = make_cube()
    found = read_hdu(cutout.cut(opened, ("point", (83.60005, -5.40005)), band))
    pixels = opened.read_stored((69, 70), (49, 50))
    np.testing.assert_array_equal(found.data, pixels[planes])
    assert [found.header[f"PLANE{n + 1}"] for n in range(len(planes))] == [
        opened.header[f"PLANE{n + 1}"] for n in planes
    ]
    assert f"PLANE{len(planes) + 1}" not in found.header
    assert found.header.comments["PLANE1"] == "plane 0" if 0 in planes else "plane 2"


def test_rejects_band_without_light_and_invalid_band(atlas: Path) -> None:
    with image.open_image(str(atlas)) as opened:
        assert read_hdu(cutout.cut(opened, band=(1e-6, 1.2e-6))).data.shape == (140, 100)
        with pytest.raises(NoPixelsError):
            cutout.cut(opened, band=(2e-6, 3e-6))
        with pytest.raises(UsageError) as raised:
            cutout.cut(opened, band=(3e-6, 2e-6))
        assert raised.value.code == Code.REQUEST_BAD_REGION
    with pytest.raises(NoPixelsError):
        cutout.cut(make_cube(), band=(1e-3, 1.0))
    header = atlas_header()
    del header["FILTER"]
    with pytest.raises(UsageError) as raised:
        cutout.cut(make_image(header, atlas_pixels()), band=(0.0, 1.0))
    assert raised.value.code == Code.IMAGE_UNSUPPORTED


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, SkyCoord(83.6, -5.4, unit="deg", frame="galactic")),
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, SkyCoord(83.6, -5.4, unit="deg", frame="fk4", obstime="B1950")),
        (
            {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": -5.4, "CRVAL2": 83.6},
            SkyCoord(83.6, -5.4, unit="deg"),
        ),
    ],
)
def test_other_frames_and_axes(changes: dict[str, Any], place: SkyCoord) -> None:
    header = atlas_header()
    header.update(changes)
    opened = make_image(header, atlas_pixels())
    there = place.icrs
    (x,), (y,) = opened.wcs.to_pixels(there.ra.deg, there.dec.deg)
    assert (x, y) == pytest.approx((49.5, 69.5), abs=0.4)  # FK4's elliptic aberration is left out: 0.3" at the most
    (lon,), (lat,) = opened.wcs.to_positions(x, y)
    assert there.separation(SkyCoord(lon, lat, unit="deg")).arcsec < 1e-6


@pytest.mark.parametrize("name", ["CTYPE1", "CRVAL1", "EQUINOX", "RADESYS"])
def test_rejects_header_without_wcs(name: str) -> None:
    header = atlas_header()
    header[name] = {"CTYPE1": "LINEAR", "CRVAL1": "x", "EQUINOX": 1975.0, "RADESYS": "GAPPT"}[name]
    with pytest.raises(ImageError):
        cutout.cut(make_image(header, atlas_pixels()), ("point", (83.6, -5.4)))


@pytest.mark.parametrize(
    "name", ["ngc309_aJ_asky_001022s0620186", "m17_aK_asky_990502s1430080", "hips2fits_aJ_asky_000206s025_LMC"]
)
def test_real_atlas_images(real: Path, name: str) -> None:
    where = real / f"{name}.fits.gz"
    with fits.open(where) as hdus, image.open_image(str(where)) as opened:
        header, whole, wcs = hdus[0].header, hdus[0].data, WCS(hdus[0].header)
        ra, dec = header["CRVAL1"], header["CRVAL2"]
        found = read_hdu(cutout.cut(opened, ("circle", (ra + 0.01, dec - 0.05, 30 / 3600))))
        assert len(header) == 112
        assert len(found.header) == 112 + 3
        same = Cutout2D(whole, SkyCoord(ra + 0.01, dec - 0.05, unit="deg", frame="fk5"), found.data.shape, wcs=wcs)
        np.testing.assert_array_equal(found.data, same.data)
        for x, y in ((0, 0), (30.2, 17.9)):
            there = WCS(found.header).pixel_to_world(x, y)
            assert there.separation(same.wcs.pixel_to_world(x, y)).arcsec < 1e-6
        x, y = np.random.default_rng(1).uniform(0, 500, (2, 200))
        lon, lat = opened.wcs.to_positions(x, y)
        assert SkyCoord(lon, lat, unit="deg", frame="fk5").separation(wcs.pixel_to_world(x, y)).arcsec.max() < 1e-6
        assert gzip.decompress(where.read_bytes())[:80] == cutout.cut(opened)[:80]

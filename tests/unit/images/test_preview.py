"""Pictures: orientation, size, colour and WCS."""

from __future__ import annotations

import io
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image as Pillow

from tests.atlas import atlas_header, atlas_pixels
from vo_server.errors import Code, NoPixelsError, UsageError
from vo_server.images import image
from vo_server.images.preview import MAX_SIDE_PIXELS, PictureStyle, render_colour, render_gray
from vo_server.storage import files


def make_image(header: fits.Header, pixels: Any) -> image.Image:
    file = io.BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(file)
    return image.read_image(files.MemoryFile(file.getvalue()))


def decode_picture(data: bytes) -> Any:
    return np.asarray(Pillow.open(io.BytesIO(data))).astype(int)


@pytest.mark.parametrize("stretch", ["asinh", "zscale"])
def test_north_is_up_and_stars_are_bright(atlas: Path, stretch: Any) -> None:
    with image.open_image(str(atlas)) as opened:
        picture = decode_picture(render_gray((opened, 0), None, PictureStyle(stretch=stretch)))
    assert picture.shape == (140, 100)
    assert picture[139 - 101, 55] == 255
    assert picture[139 - 51, 30] > 200
    assert picture[139 - 22, 71] > np.median(picture) + 80
    assert 0 < np.median(picture) < 140
    assert (picture[:, :2] == 0).all()


@pytest.mark.parametrize(
    ("turn", "mirrored", "pole"), list(product((0, 90, 180, 270, 20, -40), (False, True), (-5.4, 89.9, -89.9)))
)
def test_quarter_turns_undo_rotation(turn: float, mirrored: bool, pole: float) -> None:
    """A star 30" north of the centre is above it, one 30" east to the left, as far as quarter turns allow."""
    header = atlas_header(dec=pole, rows=100, columns=100)
    header["CROTA2"] = turn
    if mirrored:
        header["CDELT1"] = -header["CDELT1"]
    sky = image.Image(header, (1, 100, 100), lambda *_: np.zeros(0)).wcs
    pixels = np.random.default_rng(1).normal(70, 0.1, (100, 100)).astype(np.float32)
    north = sky.to_pixels(83.6, pole + 30 / 3600)
    east = sky.to_pixels(83.6 + 20 / 3600 / np.cos(np.radians(pole)), pole)
    for (x,), (y,) in (north, east):
        pixels[round(float(y)), round(float(x))] = 1000 if ((x,), (y,)) == north else 500
    picture = decode_picture(render_gray((make_image(header, pixels), 0)))
    rows, columns = np.nonzero(picture > 150)
    assert len(rows) == 2
    far = np.hypot(rows - 49.5, columns - 49.5)
    top, left = np.argmax(far), np.argmin(far)
    assert 49.5 - rows[top] > 30 * np.cos(np.radians(46))
    assert 49.5 - columns[left] > 20 * np.cos(np.radians(46))


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("size", [None, 61, 330])
@pytest.mark.parametrize(("turn", "mirrored"), list(product((0, 90, 180, 270, 20, -40), (False, True))))
def test_comment_has_wcs(turn: float, mirrored: bool, size: int | None, kind: Any) -> None:
    """A star is where astropy finds it by the header in the comment, in the whole image and in a part."""
    header = atlas_header(rows=140, columns=100)
    header["CROTA2"] = turn
    if mirrored:
        header["CDELT1"] = -header["CDELT1"]
    pixels = np.full((140, 100), 70, np.float32) + np.random.default_rng(1).normal(0, 0.1, (140, 100)).astype(
        np.float32
    )
    y, x = np.mgrid[:140, :100]
    pixels += 1000 * np.exp(-((x - 71.3) ** 2 + (y - 44.8) ** 2) / 3).astype(np.float32)
    (star,) = WCS(header).wcs_pix2world([[71.3, 44.8]], 0)
    for region in (None, ("circle", (star[0], star[1] + 3 / 3600, 14 / 3600))):
        data = render_gray((make_image(header, pixels), 0), region, PictureStyle(size, kind))
        picture = Pillow.open(io.BytesIO(data))
        said = picture.info["comment"].decode() if kind == "jpeg" else picture.info["Comment"]
        told = fits.Header.fromstring(said, sep="\n")
        assert (told["NAXIS1"], told["NAXIS2"]) == picture.size
        ((column, row),) = WCS(told).wcs_world2pix([star], 0)
        light = np.asarray(picture).astype(float)[::-1]
        light = np.where(light > 200, light, 0)
        rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
        found = np.average([columns.ravel(), rows.ravel()], axis=1, weights=light.ravel())
        scale = max(picture.size) / 140 if region is None else max(picture.size) / 28
        assert np.hypot(found[0] - column, found[1] - row) < 0.25 + 0.4 * scale


def test_comment_lacks_distorted_wcs() -> None:
    header = atlas_header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    del header["CROTA2"]
    header["A_ORDER"], header["B_ORDER"], header["A_2_0"], header["B_0_2"] = 2, 2, 1e-5, 1e-5
    picture = Pillow.open(io.BytesIO(render_gray((make_image(header, atlas_pixels()), 0))))
    assert picture.info.get("Comment", "") == ""


@pytest.mark.parametrize("size", [1, 20, 64, 140, 300])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_sizes_and_formats(atlas: Path, size: int, kind: Any) -> None:
    with image.open_image(str(atlas)) as opened:
        picture = Pillow.open(io.BytesIO(render_gray((opened, 0), None, PictureStyle(size, kind))))
        three = Pillow.open(io.BytesIO(render_colour([(opened, 0)] * 3, None, PictureStyle(size, kind))))
    assert picture.format == three.format == kind.upper()
    assert picture.size == three.size == (max(1, round(100 * size / 140)), size)
    assert (picture.mode, three.mode) == ("L", "RGB")


@pytest.mark.parametrize("size", [0, -1, MAX_SIDE_PIXELS + 1])
def test_rejects_invalid_size(size: int) -> None:
    with pytest.raises(UsageError):
        PictureStyle(size)


def test_region_and_empty_region(atlas: Path) -> None:
    with image.open_image(str(atlas)) as opened:
        picture = decode_picture(render_gray((opened, 0), ("circle", (83.6, -5.4, 10 / 3600))))
        assert picture.shape[0] in (20, 21, 22)
        with pytest.raises(NoPixelsError):
            render_gray((opened, 0), ("circle", (80.6, -5.4, 10 / 3600)))
    with pytest.raises(NoPixelsError):
        render_gray((make_image(atlas_header(), np.full((140, 100), np.nan, np.float32)), 0))


def test_renders_flat_image_and_single_pixel() -> None:
    flat = make_image(atlas_header(), np.full((140, 100), 7, np.float32))
    for look in (PictureStyle(), PictureStyle(stretch="zscale"), PictureStyle(5)):
        assert decode_picture(render_gray((flat, 0), None, look)).max() <= 255
    assert decode_picture(render_colour([(flat, 0)] * 3)).shape == (140, 100, 3)
    assert decode_picture(render_gray((flat, 0), ("point", (83.60005, -5.40005)))).shape == (1, 1)


def test_usual_star_is_white(atlas: Path) -> None:
    """Zero points of Atlas images, with a white, a red and a blue star."""
    zeros = {"j": 20.9, "h": 20.4, "k": 19.95}
    stars = {"white": (12.0, 11.5, 11.38), "red": (14.0, 12.5, 11.3), "blue": (11.5, 11.5, 11.5)}
    y, x = np.mgrid[:100, :100]
    layers = []
    for n, band in enumerate("jhk"):
        pixels = np.random.default_rng(n).normal(100 * (n + 1), 0.7, (100, 100))
        for place, star in enumerate(stars.values()):
            flux = 10 ** (-0.4 * (star[n] - zeros[band]))
            pixels += flux / 10.6 * np.exp(-((x - 20 - 30 * place) ** 2 + (y - 50) ** 2) / 3.38)
        header = atlas_header(rows=100, columns=100)
        header["MAGZP"], header["FILTER"] = zeros[band], band
        layers.append((make_image(header, pixels.astype(np.float32)), 0))
    picture = decode_picture(render_colour(layers))
    white, red, blue = (picture[49, 20 + 30 * n] for n in range(3))
    assert np.ptp(white) < 60
    assert white.min() > 180
    assert red[0] > red[2] + 60
    assert blue[2] > blue[0] + 30
    assert np.median(picture) < 60


def test_rejects_images_of_different_pixels(atlas: Path) -> None:
    other = make_image(atlas_header(rows=50, columns=50), atlas_pixels(50, 50))
    with image.open_image(str(atlas)) as opened, pytest.raises(UsageError) as raised:
        render_colour([(opened, 0), (opened, 0), (other, 0)])
    assert raised.value.code == Code.IMAGE_UNSUPPORTED


def test_galactic_centre_is_redder_than_surroundings(real: Path) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(image.open_image(str(real / f"gc_2mass_{b}.fits.gz"))) for b in "jhk"]
        picture = decode_picture(render_colour([(i, 0) for i in opened], None, PictureStyle(90, "jpeg")))
    assert picture.shape == (90, 90, 3)
    middle, corner = picture[40:50, 40:50].mean((0, 1)), picture[:10, 80:].mean((0, 1))
    assert middle[0] - middle[2] > corner[0] - corner[2] + 50

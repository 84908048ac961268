"""Quicklook images: their size, accuracy and header."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from tests.atlas import atlas_header, atlas_pixels
from vo_server.errors import ImageError
from vo_server.images import cutout, image, preview, quicklook
from vo_server.storage import files


def test_restores_16_bit_values(atlas: Path) -> None:
    with image.open_image(str(atlas)) as opened:
        packed = quicklook.compress(opened)
        whole = opened.read_all()[0]
    with fits.open(io.BytesIO(packed)) as hdus:
        assert hdus[1]._bintable.header["ZCMPTYPE"] == "HCOMPRESS_1"
    served = quicklook.restore(image.read_image(files.MemoryFile(packed)))
    with fits.open(io.BytesIO(served), do_not_scale_image_data=True) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["BITPIX"] == 16
        assert hdus[0].data.dtype == np.dtype(">i2")
    with fits.open(io.BytesIO(served)) as hdus:
        header, values = hdus[0].header, hdus[0].data
    there = np.isfinite(whole)
    assert np.std((values - whole)[there]) < 0.9 * 0.56  # of noise without correlation more is lost
    assert np.abs((values - whole)[there]).max() < 5 * 0.56
    assert values[~there] == pytest.approx(73.2, abs=3)
    for x, y in ((0, 0), (99, 139)):
        assert WCS(header).pixel_to_world(x, y).separation(WCS(atlas_header()).pixel_to_world(x, y)).arcsec < 1e-6
    assert header["QLOOK"] is True
    assert "not for photometry" in header.comments["QLOOK"]
    assert "not for photometry" in str(header["HISTORY"])
    assert header["MAGZP"] == 21.0034
    assert header.comments["CRVAL1"] == atlas_header().comments["CRVAL1"]


def test_bright_stars_fit_into_16_bits() -> None:
    pixels = atlas_pixels()
    pixels[60, 50] = 80_000
    data = fits.PrimaryHDU(pixels, atlas_header())
    file = io.BytesIO()
    data.writeto(file)
    packed = image.read_image(files.MemoryFile(quicklook.compress(image.read_image(files.MemoryFile(file.getvalue())))))
    with fits.open(io.BytesIO(quicklook.restore(packed))) as hdus:
        assert hdus[0].data[60, 50] == pytest.approx(80_000, rel=1e-3)
    assert preview.render_gray((packed, 0))[1:4] == b"PNG"


def test_cutout_is_plain_fits(atlas: Path) -> None:
    with image.open_image(str(atlas)) as opened:
        packed = quicklook.compress(opened)
    with fits.open(io.BytesIO(packed)) as hdus:
        whole, wcs = hdus[1].data.copy(), WCS(hdus[1].header)
    place = wcs.pixel_to_world(40, 60)
    found = cutout.cut(image.read_image(files.MemoryFile(packed)), ("circle", (place.ra.deg, place.dec.deg, 10 / 3600)))
    with fits.open(io.BytesIO(found)) as hdus:
        hdus.verify("exception")
        same = Cutout2D(whole, (40, 60), hdus[0].data.shape, wcs=wcs)
        np.testing.assert_array_equal(hdus[0].data, same.data)
        assert hdus[0].header["QLOOK"] is True
        assert WCS(hdus[0].header).pixel_to_world(3, 4).separation(same.wcs.pixel_to_world(3, 4)).arcsec < 1e-6


def test_rejects_cube() -> None:
    header = atlas_header()
    header["NAXIS"] = 3
    header.set("NAXIS3", 2, after="NAXIS2")
    file = io.BytesIO()
    fits.PrimaryHDU(np.stack([atlas_pixels()] * 2), header).writeto(file)
    with pytest.raises(ImageError):
        quicklook.compress(image.read_image(files.MemoryFile(file.getvalue())))


def test_compression_ratio_of_real_images(real: Path) -> None:
    """The release says about 20:1; the fields of NGC 309 and s108 are ordinary, those of M17 are full of stars."""
    for name, least in (
        ("ngc309_aJ_asky_001022s0620186", 20),
        ("deca_s108_aJ_asky_980321n1060021", 20),
        ("m17_aK_asky_990502s1420186", 10),
    ):
        with image.open_image(str(real / f"{name}.fits.gz")) as opened:
            packed = quicklook.compress(opened)
            plain = 4 * opened.shape[1] * opened.shape[2]
            error = image.read_image(files.MemoryFile(packed)).read_all() - opened.read_all()
            assert plain / len(packed) > least
            assert np.nanstd(error) < 0.6 * opened.header["SKYSIG"]
            assert WCS(image.read_image(files.MemoryFile(packed)).header).wcs.compare(WCS(opened.header).wcs)

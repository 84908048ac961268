"""Quicklook images: Atlas images with lossy compression, for finding charts and not for photometry.

As in the release they are compressed by hcompress with scale 4 and quantisation 1 (in units of the noise), the whole
image as one tile, stored so, and served as plain FITS of BITPIX 16 with the WCS and all of the header. A real Atlas
image becomes 21 times smaller in an empty field, 11 times in a field full of stars; its pixels change by half the
noise. The release says about 20:1. With scale and quantisation in DN and not in the noise, ordinary images would have
become 37 to 61 times smaller, those full of stars 7 to 10 times.
"""

from __future__ import annotations

import io

import numpy as np
from astropy.io import fits

from vo_server.errors import Code, ImageError
from vo_server.images.cutout import to_fits, to_primary_header
from vo_server.images.image import Image

SCALE = 4
QUANTISATION = 1.0

_MAX_STEPS = 65_000
"""16-bit integers that are used for values, a few less than there are."""

_MIN_STEP = 0.25


def compress(image: Image) -> bytes:
    """Return the quicklook image of a two-dimensional image, as the bytes of a tile-compressed FITS file.

    Pixels without a value get that of the sky, as hcompress has no NaN. Raises ImageError for a cube, and for an image
    without values.
    """
    values = image.read_all()
    finite = np.isfinite(values)
    if len(values) != 1 or not finite.any():
        message = "a quicklook image needs a two-dimensional image with values"
        raise ImageError(message, code=Code.IMAGE_UNSUPPORTED)
    filled = np.where(finite, values, np.median(values[finite]))[0].astype(np.float32)
    header = to_primary_header(image.header)
    for name in ("BSCALE", "BZERO", "BLANK"):
        header.remove(name, ignore_missing=True)
    header["QLOOK"] = (True, "Compressed with loss: not for photometry")
    header.add_history(f"Quicklook image by vo_server: hcompress scale {SCALE}, quantisation {QUANTISATION:g}.")
    header.add_history("For finding charts, not for photometry. Pixels without a value have the sky's.")
    hdu = fits.CompImageHDU(
        filled,
        header,
        compression_type="HCOMPRESS_1",
        tile_shape=filled.shape,
        hcomp_scale=SCALE,
        quantize_level=QUANTISATION,
    )
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    return file.getvalue()


def restore(image: Image) -> bytes:
    """Return a quicklook image as the bytes of a plain FITS file of BITPIX 16, with BSCALE and BZERO."""
    (values,) = image.read_all()
    low, high = float(values.min()), float(values.max())
    step = max(_MIN_STEP, (high - low) / _MAX_STEPS)
    zero = round((low + high) / 2)
    header = to_primary_header(image.header)
    header["BITPIX"] = 16
    header.set("BSCALE", step, "Value = BZERO + BSCALE * pixel", after=f"NAXIS{header['NAXIS']}")
    header.set("BZERO", float(zero), after="BSCALE")
    return to_fits(header, np.rint((values - zero) / step).astype(np.int16))

"""Quicklook images: Atlas images made small with a loss, for finding charts and not for photometry.

As in the release they are compressed by hcompress with scale 4 and quantisation 1 (of the noise), the whole image as
one tile, kept so, and served as plain FITS of BITPIX 16 with the WCS and all of the header. A real Atlas image becomes
21 times smaller where there is little in it, 11 times in a field full of stars; its pixels change by half the noise.
The release says about 20:1. If its scale and quantisation had been in DN and not in the noise, ordinary images would
have become 37 to 61 times smaller, those full of stars 7 to 10 times.
"""

from __future__ import annotations

import io

import numpy as np
from astropy.io import fits

from vo_server.errors import ImageError
from vo_server.images.cutout import primary, written
from vo_server.images.image import Image

SCALE = 4
QUANTISATION = 1.0

_STEPS = 65_000
"""Whole numbers of 16 bits that are used for values, a few less than there are."""

_FINEST = 0.25


def compress(image: Image) -> bytes:
    """The quicklook image of an image of two dimensions, as the bytes of a tile-compressed FITS file.

    What has no value gets the value of the sky, as hcompress knows no NaN. Raises ImageError for a cube, and for an
    image without values.
    """
    values = image.whole()
    there = np.isfinite(values)
    if len(values) != 1 or not there.any():
        raise ImageError("only an image of two dimensions, with values, has a quicklook image")
    filled = np.where(there, values, np.median(values[there]))[0].astype(np.float32)
    header = primary(image.header)
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
    """A quicklook image as it is served: the bytes of a plain FITS file of BITPIX 16, with BSCALE and BZERO."""
    (values,) = image.whole()
    low, high = float(values.min()), float(values.max())
    step = max(_FINEST, (high - low) / _STEPS)
    zero = round((low + high) / 2)
    header = primary(image.header)
    header["BITPIX"] = 16
    header.set("BSCALE", step, "Value = BZERO + BSCALE * pixel", after=f"NAXIS{header['NAXIS']}")
    header.set("BZERO", float(zero), after="BSCALE")
    return written(header, np.rint((values - zero) / step).astype(np.int16))

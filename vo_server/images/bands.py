"""The three bands of 2MASS, and the planes of an image within a range of wavelengths.

The wavelengths are those of IRSA's image service: the edges of the filters.
"""

from __future__ import annotations

from dataclasses import dataclass

from astropy.io.fits import Header

from vo_server.errors import Code, NoPixelsError, UsageError


@dataclass(frozen=True, slots=True)
class TwoMassBand:
    """A filter: its letter in file names, its name, its edges and its middle in metres."""

    letter: str
    name: str
    low: float
    middle: float
    high: float


J = TwoMassBand("j", "J", 1.066e-6, 1.235e-6, 1.404e-6)
H = TwoMassBand("h", "H", 1.400e-6, 1.662e-6, 1.924e-6)
KS = TwoMassBand("k", "Ks", 1.884e-6, 2.159e-6, 2.434e-6)
BANDS = (J, H, KS)


def select_planes(header: Header, count: int, low: float, high: float) -> tuple[int, ...]:
    """Return the planes, numbered from 0, with light between two wavelengths in metres; either may be infinite.

    The wavelengths of a plane come from PLANE1, PLANE2 ..., which begin with the name of a band, from FILTER, or from
    an axis WAVE. Raises NoPixelsError where no plane qualifies, UsageError for an empty interval and for a header
    without wavelengths.
    """
    if not low <= high:
        raise UsageError(
            f"invalid BAND: {low:g} is larger than {high:g}",
            hint="two wavelengths in metres, low high",
            code=Code.REQUEST_BAD_REGION,
        )
    selected = tuple(n for n in range(count) if _is_overlapping(*_read_wavelengths(header, n), low, high))
    if not selected:
        raise NoPixelsError("the image has no light of these wavelengths")
    return selected


def _is_overlapping(a: float, b: float, low: float, high: float) -> bool:
    return a <= high and low <= b


def _read_wavelengths(header: Header, plane: int) -> tuple[float, float]:
    """Return the shortest and the longest wavelength of a plane in metres.

    Raises UsageError for a header that does not give them.
    """
    name = str(header.get(f"PLANE{plane + 1}", header.get("FILTER", ""))).strip().lower()
    for band in BANDS:
        if name[:1] == band.letter:
            return band.low, band.high
    if str(header.get("CTYPE3", "")).strip() == "WAVE" and str(header.get("CUNIT3", "m")).strip() == "m":
        step = float(header.get("CDELT3", 1.0))
        middle = float(header.get("CRVAL3", 0.0)) + (plane + 1 - float(header.get("CRPIX3", 0.0))) * step
        return middle - abs(step) / 2, middle + abs(step) / 2
    message = "the header of this image gives no wavelengths, so BAND cannot select its planes"
    raise UsageError(message, code=Code.IMAGE_UNSUPPORTED)

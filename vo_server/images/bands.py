"""The three bands of 2MASS, and which planes of an image lie in a stretch of wavelengths.

Wavelengths are those of IRSA's image service: where the filters begin and end.
"""

from __future__ import annotations

from dataclasses import dataclass

from astropy.io.fits import Header

from vo_server.errors import NoPixelsError, UsageError


@dataclass(frozen=True, slots=True)
class Band:
    """A filter: its letter in file names, its name, and its wavelengths in metres."""

    letter: str
    name: str
    low: float
    middle: float
    high: float


J = Band("j", "J", 1.066e-6, 1.235e-6, 1.404e-6)
H = Band("h", "H", 1.400e-6, 1.662e-6, 1.924e-6)
KS = Band("k", "Ks", 1.884e-6, 2.159e-6, 2.434e-6)
BANDS = (J, H, KS)


def planes(header: Header, count: int, low: float, high: float) -> tuple[int, ...]:
    """Which of the planes, from 0, have light between two wavelengths in metres; either may be infinite.

    They are known from PLANE1, PLANE2 ..., which begin with the name of a band, from FILTER, or from an axis WAVE.
    Raises NoPixelsError where there is none, UsageError where the bounds make no stretch or the header says nothing.
    """
    if not low <= high:
        raise UsageError(f"BAND {low:g} {high:g} ends before it begins", hint="two wavelengths in metres, low high")
    found = tuple(n for n in range(count) if _meet(*_stretch(header, n), low, high))
    if not found:
        raise NoPixelsError("the image has no light of these wavelengths")
    return found


def _meet(a: float, b: float, low: float, high: float) -> bool:
    return a <= high and low <= b


def _stretch(header: Header, plane: int) -> tuple[float, float]:
    said = str(header.get(f"PLANE{plane + 1}", header.get("FILTER", ""))).strip().lower()
    for band in BANDS:
        if said[:1] == band.letter:
            return band.low, band.high
    if str(header.get("CTYPE3", "")).strip() == "WAVE" and str(header.get("CUNIT3", "m")).strip() == "m":
        step = float(header.get("CDELT3", 1.0))
        middle = float(header.get("CRVAL3", 0.0)) + (plane + 1 - float(header.get("CRPIX3", 0.0))) * step
        return middle - abs(step) / 2, middle + abs(step) / 2
    raise UsageError("this image does not say its wavelengths, so BAND cannot cut it")

"""Normalisation of the units of files to VOUnits 1.0."""

from __future__ import annotations

import re
import warnings

import astropy.units as u

from vo_server.sky.units import UnitError, parse_unit

_USUAL = {
    "degree": "deg", "degrees": "deg", "°": "deg", "decimal degrees": "deg", "degs": "deg",
    "arcseconds": "arcsec", "arcsecond": "arcsec", "asec": "arcsec", '"': "arcsec", "arcsecs": "arcsec",
    "arcminutes": "arcmin", "arcminute": "arcmin", "amin": "arcmin", "'": "arcmin", "arcmins": "arcmin",
    "milliarcsec": "mas", "milliarcseconds": "mas", "radian": "rad", "radians": "rad",
    "hours": "h", "hour": "h", "hr": "h", "hourangle": "h", "minutes": "min", "minute": "min",
    "sec": "s", "secs": "s", "seconds": "s", "second": "s", "days": "d", "day": "d", "mjd": "d", "jd": "d",
    "years": "yr", "year": "yr", "yrs": "yr", "gyrs": "Gyr", "julian years": "yr",
    "magnitude": "mag", "magnitudes": "mag", "mags": "mag", "mag(ab)": "mag", "mag(vega)": "mag", "abmag": "mag",
    "vegamag": "mag", "angstroms": "Angstrom", "ang": "Angstrom", "å": "Angstrom", "aa": "Angstrom",
    "micron": "um", "microns": "um", "µm": "um", "μm": "um", "micrometer": "um", "nanometers": "nm", "nanometer": "nm",
    "jansky": "Jy", "janskys": "Jy", "millijansky": "mJy", "kelvin": "K", "kelvins": "K", "kms": "km/s", "kmps": "km/s",
    "parsec": "pc", "parsecs": "pc", "kiloparsec": "kpc", "megaparsec": "Mpc", "msun": "solMass", "m_sun": "solMass",
    "solarmass": "solMass", "rsun": "solRad", "r_sun": "solRad", "lsun": "solLum", "l_sun": "solLum",
    "counts": "count", "cts": "count", "counts/s": "count/s", "cts/s": "count/s",
    "pixels": "pixel", "adus": "adu", "hz": "Hz",
    "solmass": "solMass", "ev": "eV", "kev": "keV",
}  # fmt: skip
"""Common spellings, in lower case, and the units of VOUnits."""

_NONE = re.compile(r"|-+|none|null|n/?a|unitless|dimensionless|no unit|1|'?[\"']?[hd][:.]m[:.]s[\"']?|\[?-\]?", re.I)
"""Texts that mean no unit; sexagesimal texts have none."""


def normalise_unit(file_unit: str | None) -> tuple[str | None, str | None]:
    """Return the unit in VOUnits, None for no unit, and the reason of any change."""
    text = (file_unit or "").strip()
    if _NONE.fullmatch(text):
        return None, None
    usual = _USUAL.get(text.lower(), text)
    if _is_unit(usual):
        return usual, f"the file says {text!r}" if usual != text else None
    unit_text = _parse_other_spellings(text)
    if unit_text is not None:
        return unit_text, f"the file says {text!r}"
    return None, f"the file says {text!r}, which is not a VOUnits unit"


def _is_unit(text: str) -> bool:
    """Tell whether a text is a unit of VOUnits. astropy accepts blanks and m2 for m**2, which VOUnits does not."""
    if re.search(r"\s|[A-Za-z][-+]?\d", text):
        return False
    try:
        parse_unit(text)
    except UnitError:
        return False
    return True


def _parse_other_spellings(text: str) -> str | None:
    """Convert a unit in the syntax of CDS, FITS, OGIP or astropy to VOUnits; None if it cannot be parsed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        for spelling in ("cds", "fits", "ogip", "generic"):
            try:
                unit_text = str(u.Unit(text, format=spelling, parse_strict="raise").to_string("vounit", fraction=True))
            except (ValueError, TypeError, ArithmeticError):
                continue
            if _is_unit(unit_text):
                return unit_text
    return None

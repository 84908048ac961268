"""UCDs (UCD1+ 1.5): validation of those of a file, conversion of UCD1, guesses from names, units and types."""

from __future__ import annotations

import re

from astropy.io.votable import ucd as astropy_ucd

from vo_server.model.types import Type
from vo_server.publish.known_names import BANDS, MEANINGS, UCD1


def normalise_ucd(ucd: str | None) -> tuple[str | None, str | None]:
    """Return a UCD of a file as UCD1+, or None if it is invalid, and the reason of any change."""
    text = (ucd or "").strip()
    if not text:
        return None, None
    if is_valid_ucd(text):
        return text, None
    new = UCD1.get(text.upper())
    return new, f"the file says {text!r}" + (", a UCD1" if new else ", which is not UCD1+")


def is_valid_ucd(text: str) -> bool:
    """Tell whether a text is a UCD with words of the IVOA list."""
    return bool(astropy_ucd.check_ucd(text, check_controlled_vocabulary=True))


_MAGNITUDE = re.compile(
    r"(?:mag_?|m_)?({bands})(?:_?mag(?:nitude)?|_?m(?:_.*)?|_?(?:ps[fd]|auto|aper|kron|model|petro).*)?".format(
        bands="|".join(sorted(BANDS, key=len, reverse=True))
    ),
    re.I,
)
_ERROR = (
    re.compile(r"(?:e|err|error|sig|sigma|unc)_+(.+)|(?:err|error|sigma)(.+)", re.I),
    re.compile(
        r"(.+?)_*(?:err|error|unc|uncertainty|sigma?|rms|std|_e|_cmsig|_msigcom)(?:or)?|(mag|flux)_?err_.*", re.I
    ),
)
_DENSITY = re.compile(r"([munk]?Jy|10\*\*-?\d+[ .].*Jy)")
_PER_WAVE = re.compile(r".*(erg|W|J).*(cm|m)\*\*.?2.*(Hz|Angstrom|um|nm).*")


def guess_ucd(name: str, unit: str | None, kind: Type) -> tuple[str | None, str | None]:
    """Guess the UCD of a column and its meaning in words by its name, unit and type; (None, None) if unknown."""
    known = _guess_error(name, unit, kind) or _match_meaning(name, unit, kind)
    if known is None and kind.is_numeric and any(pattern.fullmatch(name) for pattern in _ERROR):
        return "stat.error", None
    return known or _guess_photometry(name, unit, kind) or (None, None)


def _guess_error(name: str, unit: str | None, kind: Type) -> tuple[str, str] | None:
    """Guess the UCD of an error, which is named after its quantity."""
    for pattern in _ERROR if kind.is_numeric else ():
        if (inner := pattern.fullmatch(name)) and (base := next(filter(None, inner.groups()), None)):
            of = _match_meaning(base, None, kind, measured=True) or _guess_photometry(
                base, "mag" if unit == "mag" else None, kind
            )
            if of is not None and is_valid_ucd(f"stat.error;{of[0]}"):
                return f"stat.error;{of[0]}", f"Error of: {of[1]}"
    return None


def _match_meaning(name: str, unit: str | None, kind: Type, measured: bool = False) -> tuple[str, str] | None:
    for meaning in MEANINGS:
        if not re.fullmatch(meaning.name, name, re.I) or not _is_family(meaning.family, kind):
            continue
        if measured and meaning.family == "number":
            return meaning.ucd, meaning.words
        if not measured and (unit or "") in meaning.units:
            return meaning.ucd, meaning.words
    return None


def _is_family(family: str, kind: Type) -> bool:
    match family:
        case "number":
            return kind.is_numeric
        case "any":
            return kind.family != "array"
        case _:
            return kind.family == family or (family == "time" and kind.family == "text")


def _guess_photometry(name: str, unit: str | None, kind: Type) -> tuple[str, str] | None:
    if not kind.is_numeric:
        return None
    band = _MAGNITUDE.fullmatch(name)
    if band and (unit == "mag" or (unit is None and "mag" in name.lower())):
        return f"phot.mag;{BANDS[band[1].lower()]}", f"Magnitude in {band[1]}"
    if unit == "mag":
        return "phot.mag", "Magnitude"
    if unit and (_DENSITY.fullmatch(unit) or _PER_WAVE.fullmatch(unit)):
        return "phot.flux.density", "Flux density"
    return None


def set_main(ucd: str | None, is_main: bool) -> str | None:
    """Return the UCD with or without meta.main, which only the main position and identifier of a table have."""
    words = [w for w in (ucd or "").split(";") if w and w.strip().lower() != "meta.main"]
    return ";".join([*words, "meta.main"] if is_main and words else words) or None

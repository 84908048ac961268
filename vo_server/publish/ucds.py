"""UCDs (UCD1+ 1.5): those of a file looked at, the older UCD1 put into new words, others guessed from names, units and
types."""

from __future__ import annotations

import re

from astropy.io.votable import ucd as astropy_ucd

from vo_server.model.types import Type
from vo_server.publish.known_names import BANDS, MEANINGS, UCD1


def understood(said: str | None) -> tuple[str | None, str | None]:
    """The UCD of a file as UCD1+, None where it is none, and why it is not as the file has it."""
    text = (said or "").strip()
    if not text:
        return None, None
    if valid(text):
        return text, None
    new = UCD1.get(text.upper())
    return new, f"the file says {text!r}" + (", a UCD1" if new else ", which is no UCD1+")


def valid(text: str) -> bool:
    """Is this a UCD of words of the IVOA's list?"""
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


def guessed(name: str, unit: str | None, kind: Type) -> tuple[str | None, str | None]:
    """The UCD of a column by its name, unit and type, and what it is in words; None where these say nothing."""
    known = _error(name, unit, kind) or _meant(name, unit, kind)
    if known is None and kind.numeric and any(pattern.fullmatch(name) for pattern in _ERROR):
        return "stat.error", None
    return known or _photometry(name, unit, kind) or (None, None)


def _error(name: str, unit: str | None, kind: Type) -> tuple[str, str] | None:
    """An error is called after what it is the error of."""
    for pattern in _ERROR if kind.numeric else ():
        if (inner := pattern.fullmatch(name)) and (base := next(filter(None, inner.groups()), None)):
            of = _meant(base, None, kind, measured=True) or _photometry(base, "mag" if unit == "mag" else None, kind)
            if of is not None and valid(f"stat.error;{of[0]}"):
                return f"stat.error;{of[0]}", f"Error of: {of[1]}"
    return None


def _meant(name: str, unit: str | None, kind: Type, measured: bool = False) -> tuple[str, str] | None:
    for meaning in MEANINGS:
        if not re.fullmatch(meaning.name, name, re.I) or not _fits(meaning.family, kind):
            continue
        if measured and meaning.family == "number":
            return meaning.ucd, meaning.words
        if not measured and (unit or "") in meaning.units:
            return meaning.ucd, meaning.words
    return None


def _fits(family: str, kind: Type) -> bool:
    match family:
        case "number":
            return kind.numeric
        case "any":
            return kind.family != "array"
        case _:
            return kind.family == family or (family == "time" and kind.family == "text")


def _photometry(name: str, unit: str | None, kind: Type) -> tuple[str, str] | None:
    if not kind.numeric:
        return None
    band = _MAGNITUDE.fullmatch(name)
    if band and (unit == "mag" or (unit is None and "mag" in name.lower())):
        return f"phot.mag;{BANDS[band[1].lower()]}", f"Magnitude in {band[1]}"
    if unit == "mag":
        return "phot.mag", "Magnitude"
    if unit and (_DENSITY.fullmatch(unit) or _PER_WAVE.fullmatch(unit)):
        return "phot.flux.density", "Flux density"
    return None


def main(ucd: str | None, is_main: bool) -> str | None:
    """The UCD with meta.main, or without it: of a table's positions and identifiers one is the main one."""
    words = [w for w in (ucd or "").split(";") if w and w.strip().lower() != "meta.main"]
    return ";".join([*words, "meta.main"] if is_main and words else words) or None

"""Sexagesimal angles in hours or degrees, minutes and seconds."""

from __future__ import annotations

import re

_FORMS = (
    r"(?P<a>\d{1,3}):(?P<m>\d\d?):(?P<s>\d\d?(\.\d*)?)",
    r"(?P<a>\d{1,3})LETTER(?P<m>\d\d?)m(?P<s>\d\d?(\.\d*)?)s",
    r"(?P<a>\d\d)(?P<m>\d\d)(?P<s>\d\d(\.\d*)?)",
)


def _compile_forms(letter: str) -> tuple[re.Pattern[str], ...]:
    flags = re.IGNORECASE | re.ASCII
    return tuple(re.compile(form.replace("LETTER", letter), flags) for form in _FORMS)


_BLANKS = " \t\n\r\f\v"
_HOURS, _DEGREES = _compile_forms("h"), _compile_forms("d")


def parse_hms(text: str) -> float | None:
    """Return the degrees of `h:m:s`, `hHmMsS` or `hhmmss`; None for other texts and outside 0..24 hours."""
    hours = _parse_sexagesimal(text.strip(_BLANKS), _HOURS)
    return None if hours is None or hours > 24 else hours * 15


def parse_dms(text: str) -> float | None:
    """Return the degrees of `d:m:s`, `dDmMsS` or `ddmmss` with any sign; None for other texts and outside -360..360."""
    bare = text.strip(_BLANKS)
    negative, bare = bare.startswith("-"), bare[1:] if bare[:1] in ("+", "-") else bare
    degrees = _parse_sexagesimal(bare, _DEGREES)
    if degrees is None or degrees > 360:
        return None
    return -degrees if negative else degrees


def _parse_sexagesimal(text: str, forms: tuple[re.Pattern[str], ...]) -> float | None:
    match = next((m for form in forms if (m := form.fullmatch(text))), None)
    if match is None or int(match["m"]) >= 60 or float(match["s"]) >= 60:
        return None
    return (int(match["a"]) * 3600 + int(match["m"]) * 60 + float(match["s"])) / 3600

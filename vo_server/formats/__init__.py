"""Tables to bytes: the formats that a client may ask for, and how its words find one (DALI 1.1 section 3.4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vo_server.errors import UsageError
from vo_server.formats.format import Choice, Format
from vo_server.formats.media import MediaType, accepted, parse
from vo_server.formats.write.arrow import ARROW
from vo_server.formats.write.fits import FITS
from vo_server.formats.write.html import HTML
from vo_server.formats.write.json import JSON
from vo_server.formats.write.parquet import PARQUET
from vo_server.formats.write.plain import TEXT
from vo_server.formats.write.text import CSV, TSV
from vo_server.formats.write.votable import BINARY, BINARY2, TABLEDATA

__all__ = [
    "ARROW",
    "BINARY",
    "BINARY2",
    "CSV",
    "FITS",
    "FORMATS",
    "HTML",
    "JSON",
    "PARQUET",
    "TABLEDATA",
    "TEXT",
    "TSV",
    "Choice",
    "Format",
    "announced",
    "choose",
]

FORMATS: tuple[Format, ...] = (BINARY2, TABLEDATA, BINARY, CSV, TSV, FITS, PARQUET, ARROW, JSON, TEXT, HTML)


def choose(
    responseformat: str | None,
    accept: str | None = None,
    default: Format = FORMATS[0],
    offered: Sequence[Format] = FORMATS,
) -> Choice:
    """The format that a request wants.

    RESPONSEFORMAT rules; without it the dearest media type of the Accept header that we have, without that the default.
    The default also answers to the names it shares with others ("votable"), and to "*/*" and its like.

    Raises UsageError for a RESPONSEFORMAT that is not offered.
    """
    ordered = (default, *(f for f in offered if f is not default))
    if responseformat is None or not responseformat.strip():
        found = (_by_range(media, ordered) or _by_media(media, ordered) for media in accepted(accept or ""))
        return next((choice for choice in found if choice), Choice(default, default.media_type))
    choice = _by_alias(responseformat, ordered) or _by_media(parse(responseformat), ordered)
    if choice is None:
        raise UsageError(f"RESPONSEFORMAT {responseformat!r} is not offered", hint=f"offered are {_names(offered)}")
    return choice


def announced(
    default: Format = FORMATS[0], offered: Sequence[Format] = FORMATS
) -> Iterator[tuple[Format, tuple[str, ...]]]:
    """Each format with all further names that lead to it: what capabilities tell (TAPRegExt 1.0 section 2.5)."""
    taken: set[str] = set()
    for format in (default, *(f for f in offered if f is not default)):
        shared = tuple(name for name in format.family if name not in taken)
        taken.update(shared)
        yield format, (*format.aliases, *shared)


def _by_alias(asked: str, formats: Sequence[Format]) -> Choice | None:
    """By a short name or an IVOA id; a bare media type is no name, as it must come back in the Content-Type."""
    word = asked.strip().lower()
    for format in formats:
        short = (name for name in format.family if "/" not in name)
        if word in map(str.lower, (*format.aliases, *short, format.ivoa_id or "")):
            return Choice(format, format.media_type)
    return None


def _by_media(asked: MediaType | None, formats: Sequence[Format]) -> Choice | None:
    if asked is None:
        return None
    for format in formats:
        if asked.essence in format.family and all(_agrees(format, *p) for p in asked.parameters):
            given = {name for name, _ in asked.parameters}
            missing = tuple(p for p in format.required if p[0] not in given)
            return Choice(format, MediaType(asked.essence, asked.parameters + missing).text)
    return None


def _by_range(asked: MediaType, formats: Sequence[Format]) -> Choice | None:
    """By "text/*": under the name that is of this kind."""
    kind, _, rest = asked.essence.partition("/")
    names = ((format, name) for format in formats for name in (format.media_type, *format.family))
    fits = (Choice(f, name) for f, name in names if "/" in name and kind in ("*", name.partition("/")[0]))
    return next(fits, None) if rest == "*" else None


def _agrees(format: Format, name: str, value: str) -> bool:
    allowed = dict(format.parameters).get(name)
    return allowed is not None and (not allowed or value.lower() in map(str.lower, allowed))


def _names(formats: Sequence[Format]) -> str:
    words = (name for f in formats for name in (*f.family, *f.aliases, f.media_type))
    return ", ".join(dict.fromkeys(words))

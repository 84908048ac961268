"""The output formats that a client may ask for, and the choice of one (DALI 1.1 section 3.4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vo_server.errors import Code, UsageError
from vo_server.formats.format import Format, FormatChoice
from vo_server.formats.media_types import MediaType, parse_accept, parse_media_type
from vo_server.formats.write.aligned_text import TEXT
from vo_server.formats.write.arrow import ARROW
from vo_server.formats.write.delimited import CSV, TSV
from vo_server.formats.write.fits import FITS
from vo_server.formats.write.html import html_format
from vo_server.formats.write.json import JSON
from vo_server.formats.write.parquet import PARQUET
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
    "FormatChoice",
    "Format",
    "select_format",
    "format_names",
]

_DATA_FORMATS = (BINARY2, TABLEDATA, BINARY, CSV, TSV, FITS, PARQUET, ARROW, JSON, TEXT)

HTML = html_format([format for format in _DATA_FORMATS if format.page_label])

FORMATS: tuple[Format, ...] = (*_DATA_FORMATS, HTML)
"""All output formats: the only registry of them. The first is the default."""


def select_format(
    responseformat: str | None,
    accept: str | None = None,
    default: Format = FORMATS[0],
    offered: Sequence[Format] = FORMATS,
) -> FormatChoice:
    """Return the format that a request selects, and its Content-Type.

    RESPONSEFORMAT takes precedence; without it the media type of the Accept header with the highest weight that is
    offered, and otherwise the default. The default also has the names that it shares with other formats ("votable"),
    and media ranges such as "*/*".

    Raises UsageError (REQUEST.UNSUPPORTED_FORMAT) for a RESPONSEFORMAT that is not offered.
    """
    ordered = (default, *(f for f in offered if f is not default))
    if responseformat is None or not responseformat.strip():
        choices = (
            _find_by_media_range(media, ordered) or _find_by_media_type(media, ordered)
            for media in parse_accept(accept or "")
        )
        return next((choice for choice in choices if choice), FormatChoice(default, default.media_type))
    choice = _find_by_alias(responseformat, ordered) or _find_by_media_type(parse_media_type(responseformat), ordered)
    if choice is None:
        raise UsageError(
            f"RESPONSEFORMAT {responseformat!r} is not offered",
            hint=f"offered are {_join_names(offered)}",
            code=Code.REQUEST_UNSUPPORTED_FORMAT,
        )
    return choice


def format_names(
    default: Format = FORMATS[0], offered: Sequence[Format] = FORMATS
) -> Iterator[tuple[Format, tuple[str, ...]]]:
    """Yield each format and all further names that select it, as capabilities list them (TAPRegExt 1.0 section 2.5)."""
    used: set[str] = set()
    for format in (default, *(f for f in offered if f is not default)):
        shared = tuple(name for name in format.family if name not in used)
        used.update(shared)
        yield format, (*format.aliases, *shared)


def _find_by_alias(requested: str, formats: Sequence[Format]) -> FormatChoice | None:
    """Find a format by a short name or an IVOA id.

    A bare media type is not a name, because it must come back in the Content-Type.
    """
    word = requested.strip().lower()
    for format in formats:
        short = (name for name in format.family if "/" not in name)
        if word in map(str.lower, (*format.aliases, *short, format.ivoa_id or "")):
            return FormatChoice(format, format.media_type)
    return None


def _find_by_media_type(requested: MediaType | None, formats: Sequence[Format]) -> FormatChoice | None:
    if requested is None:
        return None
    for format in formats:
        if requested.essence in format.family and all(_accepts_parameter(format, *p) for p in requested.parameters):
            names = {name for name, _ in requested.parameters}
            missing = tuple(p for p in format.required if p[0] not in names)
            return FormatChoice(format, MediaType(requested.essence, requested.parameters + missing).header_value)
    return None


def _find_by_media_range(requested: MediaType, formats: Sequence[Format]) -> FormatChoice | None:
    """Find a format by a media range such as "text/*", under its first name in that range."""
    kind, _, rest = requested.essence.partition("/")
    names = ((format, name) for format in formats for name in (format.media_type, *format.family))
    fits = (FormatChoice(f, name) for f, name in names if "/" in name and kind in ("*", name.partition("/")[0]))
    return next(fits, None) if rest == "*" else None


def _accepts_parameter(format: Format, name: str, value: str) -> bool:
    allowed = dict(format.parameters).get(name)
    return allowed is not None and (not allowed or value.lower() in map(str.lower, allowed))


def _join_names(formats: Sequence[Format]) -> str:
    words = (name for f in formats for name in (*f.family, *f.aliases, f.media_type))
    return ", ".join(dict.fromkeys(words))

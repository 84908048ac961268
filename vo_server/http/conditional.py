"""Conditional requests and ranges of files that do not change (RFC 9110 sections 13 and 14)."""

from __future__ import annotations

import re

from starlette.requests import Request

_RANGES = re.compile(r"(?i)bytes=\s*(\d+-\d*|-\d+)(\s*,\s*(\d+-\d*|-\d+))*\s*")
_ETAG = re.compile(r'(?:W/)?("[^"]*")')


def etag_matches(header: str, etag: str) -> bool:
    """Return whether an If-None-Match header names an ETag; ETags are compared weakly (section 13.1.2)."""
    return header.strip() == "*" or etag in _ETAG.findall(header)


def drop_invalid_range(request: Request) -> None:
    """Remove a Range header that is invalid: such a request gets the whole file (section 14.2), where starlette
    returns 400."""
    header = request.headers.get("range", "")
    backwards = any(int(first) > int(last) for first, last in re.findall(r"(\d{1,19})-(\d{1,19})", header))
    if header and (backwards or not _RANGES.fullmatch(header.strip())):
        scope = request.scope
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range"]

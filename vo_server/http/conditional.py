"""What a request for a file that does not change says of it: which parts, and which content its client has already
(RFC 9110 sections 13 and 14)."""

from __future__ import annotations

import re

from starlette.requests import Request

_RANGES = re.compile(r"(?i)bytes=\s*(\d+-\d*|-\d+)(\s*,\s*(\d+-\d*|-\d+))*\s*")
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def known(said: str, etag: str) -> bool:
    """Does the client have it? Tags are compared weakly (section 13.1.2)."""
    return said.strip() == "*" or etag in _TAG.findall(said)


def heed_only_ranges(request: Request) -> None:
    """Who asks for a part in words that are not understood gets the whole (section 14.2), where starlette refuses."""
    said = request.headers.get("range", "")
    backwards = any(int(first) > int(last) for first, last in re.findall(r"(\d{1,19})-(\d{1,19})", said))
    if said and (backwards or not _RANGES.fullmatch(said.strip())):
        scope = request.scope
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range"]

"""A file that never changes, as an answer: with its length, an ETag, and parts of it for who asks for them, so that a
download that broke off goes on (RFC 9110 sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from vo_server.errors import NotFoundFault

_KEPT = "private, max-age=3600, immutable"
_RANGES = re.compile(r"(?i)bytes=\s*(\d+-\d*|-\d+)(\s*,\s*(\d+-\d*|-\d+))*\s*")
_TAG = re.compile(r'(?:W/)?("[^"]*")')


async def file(
    request: Request, path: Path, media_type: str, name: str, etag: str, more: Mapping[str, str] | None = None
) -> Response:
    """The file at this path, to be saved under this name; no other content may have this `etag`. `more` are further
    headers.

    Raises NotFoundFault where it is not there any more.
    """
    try:
        stat = await anyio.to_thread.run_sync(path.stat)
    except FileNotFoundError:
        raise NotFoundFault("the file has been removed") from None
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f'attachment; filename="{name}"',
        "ETag": f'"{etag}"',
        "Cache-Control": _KEPT,
        **(more or {}),
    }
    if known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control")})
    heed_only_ranges(request)
    return FileResponse(path, headers=headers, media_type=media_type, stat_result=stat)


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

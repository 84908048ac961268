"""The parameters of a request (DALI 1.1 section 3) and the choice of the response format.

Names are compared without case, values with it. GET and POST are equivalent; a POST may be urlencoded or multipart.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import IO

import anyio
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from vo_server.errors import Code, RepeatedParameterError, TooLargeError, UsageError
from vo_server.formats import FORMATS, HTML, TABLEDATA, Format, FormatChoice, select_format

MAX_FORM_FIELDS = 1_000
MAX_FORM_BYTES = 16 * 1024 * 1024
"""Size limit of a form, without its files."""

DRAIN_SECONDS = 5.0
"""Seconds during which the rest of a body that is too large is still received."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a request in their order, and its files by the names of their form parts."""

    pairs: tuple[tuple[str, str], ...]
    files: Mapping[str, IO[bytes]] = field(default_factory=dict)

    def get_all(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self.pairs if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the value of a parameter that may occur once, None if it is missing or empty.

        Raises RepeatedParameterError if it occurs more than once (DALI 1.1 section 3.2).
        """
        values = self.get_all(name)
        if len(values) > 1:
            raise RepeatedParameterError(f"{name.upper()} may occur once, not {len(values)} times")
        return values[0] if values and values[0] != "" else None

    def drop(self, *names: str) -> Parameters:
        """Return the parameters without some of them, such as FORMAT where it has another meaning."""
        dropped = {name.lower() for name in names}
        return Parameters(tuple(pair for pair in self.pairs if pair[0].lower() not in dropped), self.files)

    def with_default(self, name: str, value: str) -> Parameters:
        """Return the parameters with a value for one that is missing."""
        return self if self.get_all(name) else Parameters((*self.pairs, (name, value)), self.files)

    def get_number(self, name: str, low: float, high: float, unit: str) -> float:
        """Return a required number between two bounds, which are allowed values.

        Raises UsageError if it is missing, not a number, or out of bounds.
        """
        text = self.get(name)
        if text is None:
            raise UsageError(f"{name} is missing", hint=f"give it in {unit}", code=Code.REQUEST_MISSING_PARAMETER)
        try:
            value = float(text if text.isascii() and "_" not in text else "")  # float() takes other digits, too
        except ValueError:
            hint = f"give it in decimal {unit}"
            raise UsageError(
                f"{name} must be a number, not {text!r}", hint=hint, code=Code.REQUEST_BAD_PARAMETER
            ) from None
        if not isfinite(value) or not low <= value <= high:
            raise UsageError(
                f"{name} must be within {low:g} to {high:g} {unit}, not {text}", code=Code.REQUEST_BAD_PARAMETER
            )
        return value

    @property
    def responseformat(self) -> str | None:
        """The requested format: RESPONSEFORMAT, or its older name FORMAT (TAP 1.1 section 2.7.3)."""
        return self.get("RESPONSEFORMAT") or self.get("FORMAT")

    def get_maxrec(self, default: int, maximum: int) -> int:
        """Return the number of rows that a response may have (DALI 1.1 section 3.4.4).

        Raises UsageError for a MAXREC that is not a non-negative integer.
        """
        text = self.get("MAXREC")
        if text is None:
            return min(default, maximum)
        if not (text.isascii() and text.strip().isdecimal()):
            raise UsageError(f"MAXREC must be a non-negative integer, not {text!r}", code=Code.REQUEST_BAD_PARAMETER)
        return min(int(text), maximum)


async def read_parameters(request: Request, uploads: int = 0) -> Parameters:
    """Return the parameters of a GET or of a POST, which may carry `uploads` bytes of files.

    Raises UsageError for a body that is not a form, TooLargeError for one that is too large.
    """
    pairs = list(request.query_params.multi_items())
    if request.method != "POST":
        return Parameters(tuple(pairs))
    form = await _read_form(request, uploads)
    files = {name: value.file for name, value in form if isinstance(value, UploadFile)}
    texts = [(name, value) for name, value in form if isinstance(value, str)]
    pairs += texts
    referenced = {
        uri.partition(":")[2] for name, value in pairs if name.upper() == "UPLOAD" for uri in _split_uris(value)
    }
    files |= {name: io.BytesIO(value.encode()) for name, value in texts if name in referenced and name not in files}
    return Parameters(tuple(pairs), files)


def _split_uris(value: str) -> list[str]:
    return [pair.partition(",")[2].strip() for pair in value.split(";")]


async def _read_form(request: Request, uploads: int) -> list[tuple[str, UploadFile | str]]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/x-www-form-urlencoded", "multipart/form-data", ""):
        hint = "send application/x-www-form-urlencoded or multipart/form-data"
        raise UsageError(f"unsupported Content-Type {media_type!r} of a POST", hint=hint, code=Code.REQUEST_MALFORMED)
    body = _LimitedBody(request, uploads)
    try:
        form = await Request(request.scope, body.receive).form(max_fields=MAX_FORM_FIELDS, max_part_size=MAX_FORM_BYTES)
    except (HTTPException, MultiPartException) as error:  # starlette's errors for an invalid form
        reason = getattr(error, "detail", error)
        raise body.error or UsageError(f"the form cannot be read: {reason}", code=Code.REQUEST_MALFORMED) from None
    except UnicodeDecodeError:
        raise UsageError("the form is not UTF-8", code=Code.REQUEST_MALFORMED) from None
    except (ValueError, KeyError):  # the boundary is missing, or does not occur in the body
        raise UsageError(
            "the form cannot be read: it does not match its Content-Type", code=Code.REQUEST_MALFORMED
        ) from None
    request.state.form = form
    return form.multi_items()


async def close_form(request: Request) -> None:
    """Close the files that came with a request."""
    if hasattr(request.state, "form"):
        await request.state.form.close()


class _LimitedBody:
    """A request body up to a size limit.

    The rest of a body that is too large is received for a while: a client that is cut off while it sends does not read
    the error.
    """

    def __init__(self, request: Request, uploads: int) -> None:
        content_length = request.headers.get("content-length", "")
        self._request = request
        self._upload_bytes = uploads
        self._announced_bytes = int(content_length) if content_length.isascii() and content_length.isdigit() else 0
        self._received_bytes = 0
        self.error: TooLargeError | None = None

    async def receive(self) -> Message:
        """Return the next ASGI message of the body.

        Raises MultiPartException beyond the limit, on which starlette closes the files; `error` has the reason.
        """
        message = await self._request.receive()
        self._received_bytes += len(message.get("body", b""))
        size = max(self._received_bytes, self._announced_bytes)
        if size > self._upload_bytes + MAX_FORM_BYTES:
            with anyio.move_on_after(DRAIN_SECONDS):
                while message.get("more_body"):
                    message = await self._request.receive()
            more = "" if self._announced_bytes else "at least "
            limit = self._upload_bytes or MAX_FORM_BYTES
            self.error = TooLargeError(f"the request has {more}{size:,} bytes; the limit of this service is {limit:,}")
            raise MultiPartException("too large")  # which makes starlette close the files
        return message


def choose_format(
    request: Request, parameters: Parameters, default: Format, offered: Sequence[Format] = FORMATS
) -> FormatChoice:
    """Return the format of the response, and keep it with the request for its error document.

    Without RESPONSEFORMAT, a browser that navigates gets a page, and a script in a browser TABLEDATA, the only
    serialisation that all such scripts read.
    """
    request.state.choice = choice = _choose_format(request, parameters, default, offered)
    return choice


def _choose_format(
    request: Request, parameters: Parameters, default: Format, offered: Sequence[Format]
) -> FormatChoice:
    requested = parameters.responseformat
    if requested is not None:
        return select_format(requested, None, default, offered)
    if is_navigation(request):
        return FormatChoice(HTML, HTML.media_type)
    if is_browser_script(request) and TABLEDATA in offered:
        return FormatChoice(TABLEDATA, "text/xml")
    return select_format(
        None, request.headers.get("accept"), default, [f for f in offered if f is not _NAVIGATION_FORMAT]
    )


_NAVIGATION_FORMAT = HTML
"""The format that needs navigation: Java sends Accept: text/html, image/gif, ... for programs that set no Accept, such
as TOPCAT."""


def is_navigation(request: Request) -> bool:
    """Return whether a person's browser follows a link or opens a typed address.

    Browsers send Sec-Fetch-Mode over https alone; otherwise a preference for XHTML identifies them.
    """
    mode = request.headers.get("sec-fetch-mode")
    if mode is not None or "origin" in request.headers:
        return mode == "navigate"
    accept = request.headers.get("accept", "").replace(" ", "").lower()
    return accept == "text/html" or ("text/html" in accept and "application/xhtml+xml" in accept)


def is_browser_script(request: Request) -> bool:
    """Return whether a script on a page in a browser sends the request."""
    return "sec-fetch-mode" in request.headers or "origin" in request.headers

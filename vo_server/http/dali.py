"""What all DALI services share: how a request becomes parameters (DALI 1.1 section 3).

Names are compared without case, values as they are. GET and POST are the same; a POST may be urlencoded or multipart.
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

from vo_server.errors import RepeatedParameterError, TooLargeError, UsageError
from vo_server.formats import FORMATS, HTML, TABLEDATA, Format, FormatChoice, select_format

MAX_FORM_FIELDS = 1_000
MAX_FORM_BYTES = 16 * 1024 * 1024
"""A form larger than this, its files not counted, is no query."""

DRAIN_SECONDS = 5.0
"""Seconds that a client may go on sending what is too large."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a request, in the order in which they came, and its files by the names of their parts."""

    pairs: tuple[tuple[str, str], ...]
    files: Mapping[str, IO[bytes]] = field(default_factory=dict)

    def get_all(self, name: str) -> list[str]:
        """All values of a parameter."""
        return [value for key, value in self.pairs if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The value of a parameter that may come once; None where it is missing or empty.

        Raises RepeatedParameterError where it comes more than once (DALI 1.1 section 3.2).
        """
        values = self.get_all(name)
        if len(values) > 1:
            raise RepeatedParameterError(f"{name.upper()} may be given once, not {len(values)} times")
        return values[0] if values and values[0] != "" else None

    def drop(self, *names: str) -> Parameters:
        """The same without some, as FORMAT where it means something else."""
        gone = {name.lower() for name in names}
        return Parameters(tuple(pair for pair in self.pairs if pair[0].lower() not in gone), self.files)

    def with_default(self, name: str, value: str) -> Parameters:
        """The same with a value for a parameter that is not there."""
        return self if self.get_all(name) else Parameters((*self.pairs, (name, value)), self.files)

    def get_number(self, name: str, low: float, high: float, unit: str) -> float:
        """The value of a number that must be given, its bounds included.

        Raises UsageError where it is missing, no number, or out of bounds.
        """
        text = self.get(name)
        if text is None:
            raise UsageError(f"{name} is missing", hint=f"give it in {unit}")
        try:
            value = float(text if text.isascii() and "_" not in text else "")  # Python reads more than decimals
        except ValueError:
            raise UsageError(f"{name} is {text!r}, which is not a number", hint=f"give it in decimal {unit}") from None
        if not isfinite(value) or not low <= value <= high:
            raise UsageError(f"{name} is {text}, which is not within {low:g} to {high:g} {unit}")
        return value

    @property
    def responseformat(self) -> str | None:
        """The format asked for; RESPONSEFORMAT rules, its old name FORMAT is taken too (TAP 1.1 section 2.7.3)."""
        return self.get("RESPONSEFORMAT") or self.get("FORMAT")

    def get_maxrec(self, default: int, hard: int) -> int:
        """How many rows may be answered (DALI 1.1 section 3.4.4)."""
        text = self.get("MAXREC")
        if text is None:
            return min(default, hard)
        if not (text.isascii() and text.strip().isdecimal()):
            raise UsageError(f"MAXREC is {text!r}, which is not a whole number from 0")
        return min(int(text), hard)


async def read_parameters(request: Request, uploads: int = 0) -> Parameters:
    """The parameters of a GET or of a POST, which may hold so many bytes of files.

    Raises UsageError for a body that is no form, TooLargeError for one that is too large.
    """
    given = list(request.query_params.multi_items())
    if request.method != "POST":
        return Parameters(tuple(given))
    form = await _read_form(request, uploads)
    files = {name: value.file for name, value in form if isinstance(value, UploadFile)}
    texts = [(name, value) for name, value in form if isinstance(value, str)]
    given += texts
    spoken_of = {
        uri.partition(":")[2] for name, value in given if name.upper() == "UPLOAD" for uri in _split_uris(value)
    }
    files |= {name: io.BytesIO(value.encode()) for name, value in texts if name in spoken_of and name not in files}
    return Parameters(tuple(given), files)


def _split_uris(value: str) -> list[str]:
    return [pair.partition(",")[2].strip() for pair in value.split(";")]


async def _read_form(request: Request, uploads: int) -> list[tuple[str, UploadFile | str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data", ""):
        raise UsageError(f"a POST of {kind}", hint="send application/x-www-form-urlencoded or multipart/form-data")
    body = _LimitedBody(request, uploads)
    try:
        form = await Request(request.scope, body.receive).form(max_fields=MAX_FORM_FIELDS, max_part_size=MAX_FORM_BYTES)
    except (HTTPException, MultiPartException) as error:  # starlette's words for a form that it does not like
        raise body.error or UsageError(f"the form cannot be read: {getattr(error, 'detail', error)}") from None
    except UnicodeDecodeError:
        raise UsageError("the form is not UTF-8") from None
    except (ValueError, KeyError):  # no boundary, or one that is not where it should be
        raise UsageError("the form cannot be read: it is not what its Content-Type says") from None
    request.state.form = form
    return form.multi_items()


async def close_form(request: Request) -> None:
    """Let go of the files that came with a request."""
    if hasattr(request.state, "form"):
        await request.state.form.close()


class _LimitedBody:
    """A body as it comes, until it is too large.

    Then it is still listened to for a while: a client that is cut off while it sends does not read why.
    """

    def __init__(self, request: Request, uploads: int) -> None:
        said = request.headers.get("content-length", "")
        self._request = request
        self._upload_bytes = uploads
        self._announced_bytes = int(said) if said.isascii() and said.isdigit() else 0
        self._received_bytes = 0
        self.error: TooLargeError | None = None

    async def receive(self) -> Message:
        """The next piece."""
        message = await self._request.receive()
        self._received_bytes += len(message.get("body", b""))
        most = max(self._received_bytes, self._announced_bytes)
        if most > self._upload_bytes + MAX_FORM_BYTES:
            with anyio.move_on_after(DRAIN_SECONDS):
                while message.get("more_body"):
                    message = await self._request.receive()
            more = "" if self._announced_bytes else "at least "
            limit = self._upload_bytes or MAX_FORM_BYTES
            self.error = TooLargeError(
                f"the request has {more}{most:,} bytes, where {limit:,} are the limit of this service"
            )
            raise MultiPartException("too large")  # which makes starlette close the files
        return message


def choose_format(
    request: Request, given: Parameters, default: Format, offered: Sequence[Format] = FORMATS
) -> FormatChoice:
    """The format of the answer.

    Who asks for nothing: a person gets a page, and a script in a browser TABLEDATA, the one serialisation that all of
    them read. The choice is kept with the request, so that a later fault is told in it.
    """
    request.state.choice = choice = _choose_format(request, given, default, offered)
    return choice


def _choose_format(request: Request, given: Parameters, default: Format, offered: Sequence[Format]) -> FormatChoice:
    asked = given.responseformat
    if asked is not None:
        return select_format(asked, None, default, offered)
    if is_navigation(request):
        return FormatChoice(HTML, HTML.media_type)
    if is_browser_script(request) and TABLEDATA in offered:
        return FormatChoice(TABLEDATA, "text/xml")
    return select_format(None, request.headers.get("accept"), default, [f for f in offered if f is not _FOR_PEOPLE])


_FOR_PEOPLE = HTML
"""Java says Accept: text/html, image/gif, ... for every program in it that says nothing, TOPCAT among them."""


def is_navigation(request: Request) -> bool:
    """Is it a person's browser that follows a link, or an address typed into it?

    Browsers tell so over https alone; else they are known by their liking for XHTML.
    """
    mode = request.headers.get("sec-fetch-mode")
    if mode is not None or "origin" in request.headers:
        return mode == "navigate"
    accept = request.headers.get("accept", "").replace(" ", "").lower()
    return accept == "text/html" or ("text/html" in accept and "application/xhtml+xml" in accept)


def is_browser_script(request: Request) -> bool:
    """Is it a page in a browser that asks?"""
    return "sec-fetch-mode" in request.headers or "origin" in request.headers

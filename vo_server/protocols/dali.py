"""What all DALI services share: how a request becomes parameters (DALI 1.1 section 3).

Names are compared without case, values as they are. GET and POST are the same; a POST may be urlencoded or multipart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from vo_server.errors import MultiValuedParamFault, UsageFault
from vo_server.formats import FORMATS, HTML, TABLEDATA, Choice, Format, choose

FORM_FIELDS = 1_000
MOST_BYTES = 16 * 1024 * 1024
"""A form larger than this is no query."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a request, in the order in which they came."""

    given: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """All values of a parameter."""
        return [value for key, value in self.given if key.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        """The value of a parameter that may come once; None where it is missing or empty.

        Raises MultiValuedParamFault where it comes more than once (DALI 1.1 section 3.2).
        """
        values = self.all(name)
        if len(values) > 1:
            raise MultiValuedParamFault(f"{name.upper()} may be given once, not {len(values)} times")
        return values[0] if values and values[0] != "" else None

    def number(self, name: str, low: float, high: float, unit: str) -> float:
        """The value of a number that must be given, its bounds included.

        Raises UsageFault where it is missing, no number, or out of bounds.
        """
        text = self.one(name)
        if text is None:
            raise UsageFault(f"{name} is missing", hint=f"give it in {unit}")
        try:
            value = float(text if text.isascii() and "_" not in text else "")  # Python reads more than decimals
        except ValueError:
            raise UsageFault(f"{name} is {text!r}, which is not a number", hint=f"give it in decimal {unit}") from None
        if not isfinite(value) or not low <= value <= high:
            raise UsageFault(f"{name} is {text}, which is not within {low:g} to {high:g} {unit}")
        return value

    def maxrec(self, default: int, hard: int) -> int:
        """How many rows may be answered (DALI 1.1 section 3.4.4)."""
        text = self.one("MAXREC")
        if text is None:
            return min(default, hard)
        if not (text.isascii() and text.strip().isdecimal()):
            raise UsageFault(f"MAXREC is {text!r}, which is not a whole number from 0")
        return min(int(text), hard)


async def parameters(request: Request) -> Parameters:
    """The parameters of a GET or of a POST.

    Raises UsageFault for a body that is no form.
    """
    given = list(request.query_params.multi_items())
    if request.method == "POST":
        given += await _form(request)
    return Parameters(tuple(given))


async def _form(request: Request) -> Iterable[tuple[str, str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data", ""):
        raise UsageFault(f"a POST of {kind}", hint="send application/x-www-form-urlencoded or multipart/form-data")
    try:
        form = await request.form(max_fields=FORM_FIELDS, max_part_size=MOST_BYTES)
    except HTTPException as error:  # starlette's own word for a form that is too large
        raise UsageFault(f"the form cannot be read: {error.detail}") from None
    except UnicodeDecodeError:
        raise UsageFault("the form is not UTF-8") from None
    except (ValueError, KeyError):  # no boundary, or one that is not where it should be
        raise UsageFault("the form cannot be read: it is not what its Content-Type says") from None
    return [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]


def format_for(request: Request, given: Parameters, default: Format) -> Choice:
    """The format of the answer; RESPONSEFORMAT rules, its old name FORMAT is taken too (TAP 1.1 section 2.7.3).

    Who asks for nothing: a person gets a page, and a script in a browser TABLEDATA, the one serialisation that all of
    them read. The choice is kept with the request, so that a later fault is told in it.
    """
    request.state.choice = _choice(request, given, default)
    return _chosen(request)


def _chosen(request: Request) -> Choice:
    choice: Choice = request.state.choice
    return choice


def _choice(request: Request, given: Parameters, default: Format) -> Choice:
    asked = given.one("RESPONSEFORMAT") or given.one("FORMAT")
    if asked is not None:
        return choose(asked, None, default)
    if from_person(request):
        return Choice(HTML, HTML.media_type)
    if from_script(request):
        return Choice(TABLEDATA, "text/xml")
    return choose(None, request.headers.get("accept"), default, FOR_PROGRAMS)


FOR_PROGRAMS = tuple(f for f in FORMATS if f is not HTML)
"""Java says Accept: text/html, image/gif, ... for every program in it that says nothing, TOPCAT among them."""


def from_person(request: Request) -> bool:
    """Is it a person's browser that follows a link, or an address typed into it?

    Browsers tell so over https alone; else they are known by their liking for XHTML.
    """
    mode = request.headers.get("sec-fetch-mode")
    if mode is not None or "origin" in request.headers:
        return mode == "navigate"
    accept = request.headers.get("accept", "").replace(" ", "").lower()
    return accept == "text/html" or ("text/html" in accept and "application/xhtml+xml" in accept)


def from_script(request: Request) -> bool:
    """Is it a page in a browser that asks?"""
    return "sec-fetch-mode" in request.headers or "origin" in request.headers

"""Faults as HTTP responses in the forms that the protocols ask for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from vo_server.errors import BusyFault, Fault
from vo_server.formats import Choice, Format, choose
from vo_server.http.access_log import identified
from vo_server.http.service import Site


def in_format(request: Request, fault: Fault, default: Format) -> Response:
    """The error document of the format that was asked for, or of the default where that is not known."""
    choice: Choice = getattr(request.state, "choice", None) or choose(None, None, default)
    body = choice.format.fault(fault, identified(request))
    headers = {"Content-Type": choice.fault_type, **headers_of(fault)}
    return Response(body, status_code=fault.status, headers=headers)


def as_text(request: Request, fault: Fault) -> Response:
    """Plain text (VOSI, and pages that are not there), and in a line of its own the id of the request."""
    told = "".join(f"{info.name}: {info.value}\n" for info in identified(request))
    return PlainTextResponse(f"{fault}\n{told}", status_code=fault.status, headers=headers_of(fault))


def plainly(request: Request, site: Site, fault: Fault) -> Response:
    """The same, as a refusal of a service or of one of its resources."""
    return as_text(request, fault)


def headers_of(fault: Fault) -> dict[str, str]:
    """What a fault says in the header of its document: when to ask again."""
    return {"Retry-After": str(fault.after)} if isinstance(fault, BusyFault) else {}

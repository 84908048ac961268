"""Errors as HTTP responses in the forms of the protocols."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from vo_server.errors import BusyError, ServiceError
from vo_server.formats import HTML, TABLEDATA, Format, FormatChoice, select_format
from vo_server.http.access_log import describe_request_id
from vo_server.http.service import Site
from vo_server.model.result import Info

CODE_HEADER = "VO-Error-Code"
"""The response header that has the code of the error."""


def formatted_error(request: Request, error: ServiceError, default: Format) -> Response:
    """Return the error document of the format that the request asks for, or of the default where that is unknown."""
    choice: FormatChoice = getattr(request.state, "choice", None) or select_format(None, None, default)
    body = choice.format.error_document(error, describe_request_id(request))
    headers = {"Content-Type": choice.error_content_type, **error_headers(error)}
    return Response(body, status_code=error.status, headers=headers)


def votable_error(request: Request, error: ServiceError, infos: tuple[Info, ...] = ()) -> Response:
    """Return an error as a VOTable of status 200, as clients of cone search and SIA 1.0 need, with these INFOs first.

    An error of the server keeps its status. A browser gets a page.
    """
    choice: FormatChoice | None = getattr(request.state, "choice", None)
    if choice is not None and choice.format is HTML:
        return formatted_error(request, error, HTML)
    body = TABLEDATA.error_document(error, (*infos, *describe_request_id(request)))
    status = error.status if error.status >= 500 else 200
    return Response(body, status_code=status, headers={"Content-Type": "text/xml", **error_headers(error)})


def text_error(request: Request, error: ServiceError) -> Response:
    """Return an error as plain text (VOSI, and pages that do not exist) with the code and the id of the request."""
    return PlainTextResponse(
        f"{error}\n{error_details(request, error)}", status_code=error.status, headers=error_headers(error)
    )


def error_details(request: Request, error: ServiceError) -> str:
    """Return the id of the request and the code of the error as `name: value` lines, for plain-text documents."""
    entries = {info.name: info.value for info in describe_request_id(request)} | error.infos()
    return "".join(f"{name}: {value}\n" for name, value in entries.items())


def error_response(request: Request, site: Site, error: ServiceError) -> Response:
    """Return `text_error` under the signature that a service or a resource needs for its errors."""
    return text_error(request, error)


def error_headers(error: ServiceError) -> dict[str, str]:
    """Return the headers of an error document: its code and, if the service is busy, Retry-After."""
    retry = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, BusyError) else {}
    return {CODE_HEADER: str(error.code)} | retry

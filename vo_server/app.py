"""The ASGI application: routes from the services of all protocols, middleware, and the responses of unknown URLs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from vo_server.errors import EngineError, MethodNotAllowedError, NotFoundError, ServiceError
from vo_server.http import dali
from vo_server.http.access_log import AccessLogMiddleware, get_request_info, mask_job_ids
from vo_server.http.errors import error_response, text_error
from vo_server.http.service import ErrorRenderer, Resource, Service, Site
from vo_server.http.urls import get_request_url
from vo_server.lifespan import make_lifespan
from vo_server.protocols.vosi import vosi
from vo_server.settings import Settings
from vo_server.site import open_site

log = logging.getLogger(__name__)


def create_app(settings: Settings, datestamps: Path | None = None) -> Starlette:
    """Return the server as an ASGI application; nothing is read at import, so that a process may hold several.

    `datestamps` is the file of the registry's datestamps, in the data folder if None.
    """
    site = open_site(settings, datestamps)
    cors = Middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["*"]
    )
    app = Starlette(
        routes=[route for service in site.services for route in _make_routes(service, site)],
        middleware=[Middleware(AccessLogMiddleware, metrics=site.metrics), cors],
        exception_handlers={HTTPException: _make_exception_handler(site)},
        lifespan=make_lifespan(site),
    )
    app.router.redirect_slashes = False  # its redirects do not know the URL that the client sees
    return app


def _make_routes(service: Service, site: Site) -> list[Route]:
    """Return the routes of a service, with its VOSI resources."""
    protocol_resources = [
        (resource, resource.error_renderer or service.error_renderer) for resource in service.resources
    ]
    vosi_resources = [
        (resource, resource.error_renderer or error_response) for resource in vosi.make_resources(service)
    ]
    return [
        Route(
            service.path + resource.path,
            _make_endpoint(service, resource, renderer, site),
            methods=list(resource.methods),
        )
        for resource, renderer in (*protocol_resources, *vosi_resources)
    ]


def _make_endpoint(
    service: Service, resource: Resource, render_error: ErrorRenderer, site: Site
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a resource: the one place where an error becomes a response in the protocol's own form."""

    async def endpoint(request: Request) -> Response:
        info = get_request_info(request)
        info.service, info.resource = service.name, resource.path
        try:
            return await resource.endpoint(request, site)
        except ServiceError as error:
            info.error_code = str(error.code)
            return render_error(request, site, error)
        except Exception:  # the request's border: nothing beyond it may see a stack trace
            log.exception("%s %s", request.method, mask_job_ids(request.url.path))
            internal = EngineError("internal error", hint="the operator finds the reason in the log")
            info.error_code = str(internal.code)
            return render_error(request, site, internal)
        finally:
            await dali.close_form(request)

    return endpoint


def _make_exception_handler(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return the handler of unknown URLs (a redirect where only a trailing slash is wrong) and of wrong methods."""

    async def handle(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            not_allowed = MethodNotAllowedError(f"method {request.method} not allowed (allowed: {allowed})")
            response = _text_error(request, not_allowed)
            response.headers["Allow"] = allowed
            return response
        url, mark, query = get_request_url(request, site.public_url).partition("?")
        if request.url.path != "/" and url.endswith("/"):
            return RedirectResponse(url.rstrip("/") + mark + query)
        return _text_error(request, NotFoundError(f"there is nothing at {request.url.path}"))

    return handle


def _text_error(request: Request, error: ServiceError) -> Response:
    get_request_info(request).error_code = str(error.code)
    return text_error(request, error)

"""The INFO elements of a response: DALI 1.1 section 4.4.3, and the IVOA note Data Origin in the VO."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from starlette.requests import Request

from vo_server.catalogue.catalogue import Collection, Origin
from vo_server.http.access_log import describe_request_id
from vo_server.http.service import Site
from vo_server.http.urls import get_request_url
from vo_server.model.column import Table
from vo_server.model.result import Info
from vo_server.obscore.query import ImageUrls


def describe_request(request: Request, site: Site) -> tuple[Info, ...]:
    """Return the INFOs on a synchronous request: its URL and its id."""
    return (Info("request", get_request_url(request, site.public_url)), *describe_request_id(request))


def describe_response(
    site: Site,
    standard_id: str,
    request_infos: tuple[Info, ...],
    tables: tuple[Table, ...],
    parameters: Mapping[str, str],
) -> tuple[Info, ...]:
    """Return the INFOs of a response: the service, the request (`request_infos`) with its `parameters`, and each data
    set."""
    infos = [
        Info("standardID", standard_id),
        Info("server_software", site.software),
        Info("service_protocol", standard_id),
        *request_infos,
        Info("request_date", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
        Info("publisher", site.publisher),
        Info("contact", site.contact),
        *(Info("ivoid", id) for id in _find_ivoids(site, tables)),
        *(Info(name, value) for name, value in parameters.items()),
    ]
    for origin in site.catalogue.collect_origins(tables):
        infos += _describe_origin(origin)
    return tuple(info for info in infos if info.value)


def _find_ivoids(site: Site, tables: tuple[Table, ...]) -> Iterator[str]:
    """Yield the registry identifiers of the collections of tables; without a naming authority, the service's identifier
    in another registry."""
    if not site.authority:
        yield site.ivoid
        return
    names = {table.qualified_name for table in tables}
    for collection in site.catalogue.collections:
        if names & {table.qualified_name for table in collection.tables}:
            yield make_collection_ivoid(site.authority, collection)


def make_collection_ivoid(authority: str, collection: Collection) -> str:
    """Return the IVOA identifier of a collection, in lower case, since case makes no difference (IVOA Identifiers 2.0
    section 2.1). No service is at /data, so it does not clash with theirs."""
    return f"ivo://{authority}/data/{collection.id}".lower()


def _describe_origin(origin: Origin) -> Iterator[Info]:
    yield Info("data_title", origin.title)
    yield Info("creator", "; ".join(origin.creators))
    yield Info("citation", origin.bibcode or "", "Cite this when you use the data.", ucd="meta.bib.bibcode")
    yield Info("doi", origin.doi or "", ucd="meta.ref.doi")
    yield Info("resource_version", origin.version or "")
    yield Info("publication_date", origin.release_date or "")
    yield Info("reference_url", origin.reference_url or "", ucd="meta.ref.url")
    yield Info("rights", origin.rights or "")
    yield Info("rights_uri", origin.rights_url or "")
    yield Info("acknowledgement", origin.acknowledgement or "")


def make_image_urls(site: Site, base: str) -> ImageUrls:
    """Return the URLs and identifiers of images below a base URL of the server."""
    return ImageUrls(site.make_urls(base), site.authority)

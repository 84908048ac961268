"""The registry of protocols: one module and its name in PROTOCOLS for each.

Routes, capabilities, registry records, job workers and the URLs that pages show follow from their services.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from vo_server.catalogue.catalogue import Catalogue
from vo_server.http.service import Service, make_urls
from vo_server.model.urls import SiteUrls

PROTOCOLS = (
    "vo_server.protocols.tap.tap",
    "vo_server.protocols.cone",
    "vo_server.protocols.images.sia1",
    "vo_server.protocols.images.sia1_cutout",
    "vo_server.protocols.images.sia2",
    "vo_server.protocols.images.datalink",
    "vo_server.protocols.images.soda",
    "vo_server.protocols.images.preview",
    "vo_server.protocols.images.gallery",
    "vo_server.protocols.images.files",
    "vo_server.protocols.registry.oai",
    "vo_server.protocols.vosi.coverage",
    "vo_server.protocols.documentation",
    "vo_server.protocols.pages",
    "vo_server.http.metrics",
)
"""The dotted names of the protocol modules, in the order of their registry records."""


class ProtocolModule(Protocol):
    """The function that the module of a protocol defines."""

    def services(self, catalogue: Catalogue) -> tuple[Service, ...]:
        """Return the services that the protocol offers for a catalogue: none, one, or one for each collection."""


def list_services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the services of all protocols for a catalogue."""
    modules = (cast(ProtocolModule, import_module(name)) for name in PROTOCOLS)
    return tuple(service for module in modules for service in module.services(catalogue))


def make_site_urls(base: str, catalogue: Catalogue) -> SiteUrls:
    """Return the URLs of the services for a catalogue below a base URL, where no site is open."""
    return make_urls(base, list_services(catalogue))

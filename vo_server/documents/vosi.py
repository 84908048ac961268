"""The documents of VOSI 1.1: availability, capabilities and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from vo_server.catalogue.catalogue import Catalogue
from vo_server.documents.capability import Capability, add_capability
from vo_server.documents.elements import add_known, make_root, serialise
from vo_server.documents.tables import add_schemas, fill_table
from vo_server.model.column import Table

AVAILABILITY_NAMESPACE = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"
CAPABILITIES_NAMESPACE = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"
TABLES_NAMESPACE = "http://www.ivoa.net/xml/VOSITables/v1.0"


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether the service can be used; instants with their time zone."""

    available: bool
    up_since: datetime | None = None
    down_at: datetime | None = None
    back_at: datetime | None = None
    notes: tuple[str, ...] = ()


def write_availability(state: Availability) -> bytes:
    """Return the availability (VOSI 1.1 section 5); the one document here whose elements have a namespace."""
    document = make_root("vosi", AVAILABILITY_NAMESPACE, "availability")
    values = {
        "available": state.available,
        "upSince": state.up_since,
        "downAt": state.down_at,
        "backAt": state.back_at,
    }
    add_known(document, **{f"{{{AVAILABILITY_NAMESPACE}}}{name}": value for name, value in values.items()})
    for note in state.notes:
        add_known(document, **{f"{{{AVAILABILITY_NAMESPACE}}}note": note})
    return serialise(document)


def write_capabilities(listed: Iterable[Capability]) -> bytes:
    """Return the list of capabilities (VOSI 1.1 section 4)."""
    document = make_root("vosi", CAPABILITIES_NAMESPACE, "capabilities")
    for capability in listed:
        add_capability(document, capability)
    return serialise(document)


def write_tableset(catalogue: Catalogue, detail: Literal["min", "max"] = "max") -> bytes:
    """Return the tables (VOSI 1.1 section 6); `min` omits the columns, which a client then requests by table."""
    document = make_root("vosi", TABLES_NAMESPACE, "tableset")
    add_schemas(document, catalogue, columns=detail == "max")
    return serialise(document)


def write_table(table: Table, catalogue: Catalogue) -> bytes:
    """Return a single table in full; its keys to tables of the catalogue are included."""
    document = make_root("vosi", TABLES_NAMESPACE, "table")
    fill_table(document, table, catalogue)
    return serialise(document)

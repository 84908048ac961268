"""The catalogues as commands speak of them: found by name, loaded or not, and where they are kept."""

from __future__ import annotations

import re

from vo_server.app import engine_of
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.similar import similar
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.engines.store import Store
from vo_server.errors import UsageError
from vo_server.settings import Settings


def collection(catalogue: Catalogue, name: str) -> Collection:
    """The catalogue of this id or table name.

    Raises UsageError where there is none.
    """
    for each in catalogue.collections:
        if name.lower() in (
            each.id.lower(),
            each.table.qualified.lower(),
            each.table.name.lower(),
        ):
            return each
    known = [p.id for p in catalogue.collections]
    raise UsageError(f"no catalogue {name}", hint=similar(name, known) or f"there are {', '.join(known)}")


def loaded(settings: Settings, catalogue: Catalogue) -> dict[str, str]:
    """The catalogues that can be served, and where their rows lie or how many they are."""
    if not settings.engine:
        paths = {p.id: Store(settings.data).current(p.id) for p in catalogue.collections}
        return {id: str(path) for id, path in paths.items() if path is not None}
    engine = engine_of(settings, with_tap_schema(catalogue))
    try:
        rows = {p.id: engine.rows(p.table) for p in catalogue.collections}
    finally:
        engine.close()
    return {id: f"{count:,} rows" for id, count in rows.items() if count is not None}


def source(settings: Settings) -> str:
    """What is served, without a password that its URL may hold."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", settings.engine) or str(settings.data)

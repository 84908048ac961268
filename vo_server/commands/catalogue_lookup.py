"""Lookup of collections for commands: by name, whether they are loaded, and where their rows are stored."""

from __future__ import annotations

import re

from vo_server import engines
from vo_server.assembly import make_engine_options
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.errors import Code, UsageError
from vo_server.settings import Settings


def find_collection(catalogue: Catalogue, name: str) -> Collection:
    """Return the collection with an id or table name.

    Raises UsageError where there is none.
    """
    for each in catalogue.collections:
        if name.lower() in (
            each.id.lower(),
            each.table.qualified_name.lower(),
            each.table.name.lower(),
        ):
            return each
    ids = [each.id for each in catalogue.collections]
    hint = suggest_similar(name, ids) or f"there are {', '.join(ids)}"
    raise UsageError(f"there is no collection {name}", hint=hint, code=Code.SETTINGS_INVALID)


def find_loaded(settings: Settings, catalogue: Catalogue) -> dict[str, str]:
    """Return the ids of the loaded collections, each with its file or its number of rows."""
    return engines.find_loaded(make_engine_options(settings, add_tap_schema(catalogue)))


def describe_source(settings: Settings) -> str:
    """Return the data folder or the engine URL, without a password."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", settings.engine) or str(settings.data)

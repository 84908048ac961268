"""The walk over an image collection, as the command line asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.images import Lookup
from vo_server.catalogue.names import qualified, quoted
from vo_server.commands.query_client import Asking
from vo_server.load.inventory.headers import Told
from vo_server.load.inventory.walk import Walk
from vo_server.processes import processors
from vo_server.settings import Settings, image_root


def is_walk(publication: Collection, named: Sequence[str]) -> bool:
    """Do these names mean folders of images? Nothing means the collection's whole root; a file is a table of rows."""
    return publication.images is not None and all(Path(n).is_dir() or "://" in n for n in named)


def walk(publication: Collection, named: Sequence[str], settings: Settings, catalogue: Catalogue) -> Walk:
    """A walk over these folders, or over all of the collection's root."""
    assert publication.images is not None
    root = image_root(settings, publication.id)
    folders = [n if "://" in n else str(Path(n).absolute()) for n in named] or [root]
    with Asking(settings, catalogue) as asking:
        told = [_told(lookup, asking) for lookup in publication.images.lookups]
    return Walk(root, folders, told, processors())


def _told(lookup: Lookup, asking: Asking) -> Told:
    """What a table knows now."""
    names = [there for _, there in (*lookup.match, *lookup.take)]
    here = len(lookup.match)
    table = next(t for t in asking.catalogue.tables if t.qualified == lookup.table)
    known: dict[tuple[object, ...], tuple[object, ...]] = {}
    if asking.holds(table):
        text = f"SELECT DISTINCT {', '.join(map(quoted, names))} FROM {qualified(table)}"
        known.update((row[:here], row[here:]) for row in asking.rows(text))
    return Told(
        lookup.table,
        tuple(name for name, _ in lookup.match),
        tuple(name for name, _ in lookup.take),
        known,
    )

"""The walk over the files of an image collection, from command-line arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.images import Lookup
from vo_server.catalogue.names import quote_name, quote_table_name
from vo_server.commands.query_client import QueryClient
from vo_server.load.inventory.headers import LookupTable
from vo_server.load.inventory.walk import Walk
from vo_server.processes import count_processors
from vo_server.settings import Settings, find_image_root


def is_walk(collection: Collection, names: Sequence[str]) -> bool:
    """Tell whether names are folders of images; no names mean the whole root, and a file is a table of rows."""
    return collection.images is not None and all(Path(n).is_dir() or "://" in n for n in names)


def plan_walk(collection: Collection, names: Sequence[str], settings: Settings, catalogue: Catalogue) -> Walk:
    """Return a walk over folders, or over the whole root of the image collection."""
    assert collection.images is not None
    root = find_image_root(settings, collection.id)
    folders = [n if "://" in n else str(Path(n).absolute()) for n in names] or [root]
    with QueryClient(settings, catalogue) as client:
        lookups = [_read_lookup(lookup, client) for lookup in collection.images.lookups]
    return Walk(root, folders, lookups, count_processors())


def _read_lookup(lookup: Lookup, client: QueryClient) -> LookupTable:
    """Read the rows of a lookup table; none where it is not loaded."""
    columns = [column for _, column in (*lookup.match, *lookup.take)]
    keys = len(lookup.match)
    table = next(t for t in client.catalogue.tables if t.qualified_name == lookup.table)
    rows: dict[tuple[object, ...], tuple[object, ...]] = {}
    if client.is_loaded(table):
        text = f"SELECT DISTINCT {', '.join(map(quote_name, columns))} FROM {quote_table_name(table)}"
        rows.update((row[:keys], row[keys:]) for row in client.fetch_rows(text))
    return LookupTable(
        lookup.table,
        tuple(name for name, _ in lookup.match),
        tuple(name for name, _ in lookup.take),
        rows,
    )

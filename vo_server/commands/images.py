"""The walk over an image collection, as the command line asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from vo_server.answer import meaning, prepared
from vo_server.app import engine_of
from vo_server.catalogue.catalogue import Catalogue, Publication
from vo_server.catalogue.images import Lookup
from vo_server.catalogue.names import qualified, quoted
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.engines.engine import Engine
from vo_server.load.inventory.headers import Told
from vo_server.load.inventory.walk import Walk
from vo_server.processes import processors
from vo_server.settings import Settings, image_root

ALL = 1 << 40


def is_walk(publication: Publication, named: Sequence[str]) -> bool:
    """Do these names mean folders of images? Nothing means the collection's whole root; a file is a table of rows."""
    return publication.images is not None and all(Path(n).is_dir() or "://" in n for n in named)


def walk(publication: Publication, named: Sequence[str], settings: Settings, catalogue: Catalogue) -> Walk:
    """A walk over these folders, or over all of the collection's root."""
    assert publication.images is not None
    root = image_root(settings, publication.id)
    folders = [n if "://" in n else str(Path(n).absolute()) for n in named] or [root]
    whole = with_tap_schema(catalogue)
    engine = engine_of(settings, whole)
    try:
        told = [_told(lookup, engine, whole) for lookup in publication.images.lookups]
    finally:
        engine.close()
    return Walk(root, folders, told, processors())


def _told(lookup: Lookup, engine: Engine, catalogue: Catalogue) -> Told:
    """What a table knows now, asked by the road of all queries."""
    names = [there for _, there in (*lookup.match, *lookup.take)]
    here = len(lookup.match)
    table = next(t for t in catalogue.tables if t.qualified == lookup.table)
    known: dict[tuple[object, ...], tuple[object, ...]] = {}
    if engine.rows(table) is not None:
        text = f"SELECT DISTINCT {', '.join(map(quoted, names))} FROM {qualified(table)}"
        made = prepared(meaning(text, catalogue).query, engine, ALL)
        for batch in engine.run(made.statement, made.slots).batches():
            known.update((row[:here], row[here:]) for row in _rows(batch))
    return Told(
        lookup.table,
        tuple(name for name, _ in lookup.match),
        tuple(name for name, _ in lookup.take),
        known,
    )


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[object, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)

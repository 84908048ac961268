"""Summaries of the image collections, computed from their inventories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from vo_server.adql.semantics import query as q
from vo_server.answer import fetch_rows
from vo_server.catalogue.catalogue import Collection
from vo_server.http.service import Site
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.mjd import JD_AT_MJD_0, day_of_mjd
from vo_server.model.urls import SiteUrls
from vo_server.obscore.query import InventoryRow
from vo_server.obscore.templates import to_text
from vo_server.protocols.images.files import fetch_images
from vo_server.web.images import CollectionEntry

_MAX_BANDS = 100
"""Bands of a collection, at most."""


def summarise(collection: Collection, site: Site, urls: SiteUrls) -> CollectionEntry:
    """Return the summary of a collection, with URLs of the site."""
    facts = site.engine.get_facts(collection.table)
    loaded = facts.loaded_at if facts is not None else None
    counts = _count_images(site, collection.id, loaded, site.engine.count_rows(collection.table))
    position = ",".join(f"{degrees:.5f}" for degrees in counts.position)
    return CollectionEntry(
        collection.id,
        collection.table.title or collection.table.name,
        counts.images,
        counts.size,
        counts.nights,
        InventoryRow(collection, "image").images.caution,
        urls.get_url("coverage", f"/{collection.id}.svg") if facts is not None and facts.coverage is not None else None,
        urls.get_url("gallery", f"?POS={position}&COLLECTION={collection.id}") if position else None,
    )


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """The summary of an inventory: images by band, bytes, first and last night, the position of one image."""

    images: tuple[tuple[str, int], ...]
    size: int
    nights: tuple[date, date] | None
    position: tuple[float, ...]


@lru_cache(maxsize=64)
def _count_images(site: Site, id: str, loaded: datetime | None, rows: int | None) -> CollectionSummary:
    """Read all rows of an inventory; cached until `loaded`, the time of the load, or `rows` changes."""
    row = InventoryRow(site.catalogue.get_collection(id), "image")
    band = row.column(row.images.band) if row.images.band else None
    outputs = tuple(q.OutputColumn(f"v{n}", value) for n, value in enumerate(_build_values(row, band)))
    query = q.SelectQuery(outputs, row.scan, group_by=() if band is None else (band,))
    rows_found = list(fetch_rows(query, site.engine, _MAX_BANDS, site.timeout))
    order = [b.name for b in row.images.bands]
    rows_found.sort(key=lambda each: order.index(each[0]) if each[0] in order else len(order))
    times = [time for *_, first, last in rows_found for time in (first, last) if time is not None]
    return CollectionSummary(
        tuple((str(band), count) for band, count, *_ in rows_found),
        sum(int(size or 0) for _, _, size, *_ in rows_found),
        (day_of_mjd(min(times) - JD_AT_MJD_0), day_of_mjd(max(times) - JD_AT_MJD_0)) if times else None,
        next(iter(fetch_images(site, row, row.position, None, max_rows=1)), ()),
    )


def _build_values(row: InventoryRow, band: q.ColumnRef | None) -> Iterator[q.Value]:
    """Yield band, number of images, their bytes, and the times of the first and the last."""
    time = row.column(row.images.time.column) if row.images.time else q.Constant(None, Column("", types.DOUBLE))
    yield band or to_text("")
    yield q.AggregateCall("COUNT", None, False, Column("", types.BIGINT))
    yield q.AggregateCall("SUM", row.size, False, Column("", types.BIGINT))
    yield q.AggregateCall("MIN", time, False, time.column)
    yield q.AggregateCall("MAX", time, False, time.column)

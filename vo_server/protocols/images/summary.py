"""What there is of the images of each collection, told by its inventory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from vo_server.adql.semantics import query as q
from vo_server.catalogue.catalogue import Collection
from vo_server.http.service import Site
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.query import Row
from vo_server.obscore.templates import text
from vo_server.protocols.images.files import answered, looked_up
from vo_server.web.images import Stock

_JD = 2_400_000.5
_DAY = date(1858, 11, 17)
"""That of MJD 0, which is this Julian date."""

_MOST = 100
"""Bands of a collection that are told."""


def stocked(publication: Collection, site: Site, base: str) -> Stock:
    """What there is of a collection, on a server with this URL."""
    facts = site.engine.facts(publication.table)
    loaded = facts.loaded_at if facts is not None else None
    counted = _counted(site, publication.id, loaded, site.engine.rows(publication.table))
    place = ",".join(f"{degrees:.5f}" for degrees in counted.place)
    return Stock(
        publication.id,
        publication.table.title or publication.table.name,
        counted.images,
        counted.size,
        counted.nights,
        Row(publication, "image").images.caution,
        f"{base}/coverage/{publication.id}.svg" if facts is not None and facts.coverage is not None else None,
        f"{base}/images?POS={place}&COLLECTION={publication.id}" if place else None,
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """What an inventory tells: images by band, bytes, first and last night, and where one of the images is."""

    images: tuple[tuple[str, int], ...]
    size: int
    nights: tuple[date, date] | None
    place: tuple[float, ...]


@lru_cache(maxsize=64)
def _counted(site: Site, id: str, loaded: datetime | None, rows: int | None) -> _Counted:
    """All rows are looked at, once for each load: `loaded`, its time, and `rows` change with it."""
    row = Row(site.catalogue.collection(id), "image")
    band = row.field(row.images.band) if row.images.band else None
    outputs = tuple(q.Output(f"v{n}", value) for n, value in enumerate(_values(row, band)))
    found = answered(site, q.Select(outputs, row.scan, group_by=() if band is None else (band,)), _MOST)
    order = [b.name for b in row.images.bands]
    found.sort(key=lambda each: order.index(each[0]) if each[0] in order else len(order))
    times = [time for *_, first, last in found for time in (first, last) if time is not None]
    return _Counted(
        tuple((str(band), count) for band, count, *_ in found),
        sum(int(size or 0) for _, _, size, *_ in found),
        (_night(min(times)), _night(max(times))) if times else None,
        next(iter(looked_up(site, row, row.position, None, most=1)), ()),
    )


def _values(row: Row, band: q.Field | None) -> Iterator[q.Value]:
    """The band, how many images, their bytes, when the first and the last were taken."""
    time = row.field(row.images.time.column) if row.images.time else q.Constant(None, Column("", types.DOUBLE))
    yield band or text("")
    yield q.Aggregate("COUNT", None, False, Column("", types.BIGINT))
    yield q.Aggregate("SUM", row.size, False, Column("", types.BIGINT))
    yield q.Aggregate("MIN", time, False, time.column)
    yield q.Aggregate("MAX", time, False, time.column)


def _night(jd: float) -> date:
    return _DAY + timedelta(days=int(jd - _JD))

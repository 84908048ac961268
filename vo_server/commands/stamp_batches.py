"""Postage stamps of the extended sources, made of Atlas images and of rows of the two catalogues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path

import numpy as np

from vo_server.app import catalogue_of
from vo_server.commands.batch_files import Outcome, Report, folder, made, reported
from vo_server.commands.query_client import Asking, Row
from vo_server.errors import ImageError
from vo_server.images import image, stamp
from vo_server.images.stamp import Coadd, Galaxy, Stars
from vo_server.load.workers import in_order
from vo_server.settings import Settings, image_root
from vo_server.storage import files

_AROUND = 60.0
"""Arcseconds about a stamp whose stars are looked at, too: their light reaches in, and they give the profile."""

_CHUNK = 16
"""Stamps that a process makes at a time."""

_COADD = '"date", hemis, scan, coadd'
_BANDS = ("J", "H", "K")

Key = tuple[object, ...]
"""The values of _COADD."""


def make(settings: Settings, where: str | None = None, again: bool = False, processes: int = 1) -> Report:
    """The stamps of the sources for which a condition in ADQL holds and whose own coadd is there in all three bands: a
    stamp is named after it.

    Raises QueryError for what is no condition, UsageError where the files cannot be written.
    """
    into = folder(image_root(settings, "stamps"), "stamps")
    try:
        asking = _asking(settings)
        list(asking.rows(_images("0, 0", 0.1)))  # a database that knows no regions says so here, and not of each stamp
        wanted = list(asking.rows(_sources(where)))
        ((total,),) = asking.rows(f"SELECT COUNT(*) FROM twomass.xsc{_where(where)}")
        chunks = [wanted[n : n + _CHUNK] for n in range(0, len(wanted), _CHUNK)]
        done = in_order(partial(_made, settings, into, again), chunks, processes)
        report = reported("stamps", (outcome for chunk in done for outcome in chunk), settings.data, len(wanted))
    finally:
        _closed(settings)
    report.left = total - len(wanted)
    return report


@lru_cache(maxsize=1)
def _asking(settings: Settings) -> Asking:
    """What a process asks as long as it makes stamps."""
    return Asking(settings, catalogue_of(settings))


def _closed(settings: Settings) -> None:
    if _asking.cache_info().currsize:
        _asking(settings).close()
        _asking.cache_clear()


def _where(condition: str | None) -> str:
    return f" WHERE {condition}" if condition else ""


def _sources(where: str | None) -> str:
    """Sources in the order of the scans, so that images are read that were read just before."""
    wanted = f"designation, ra, dec, r_k20fe, sup_ba, sup_phi, im_nx, ext_key, id, {_COADD}"
    whole = f"SELECT {_COADD} FROM twomass.atlas GROUP BY {_COADD} HAVING COUNT(DISTINCT band) = {len(_BANDS)}"
    return (
        f"SELECT {wanted} FROM (SELECT {wanted} FROM twomass.xsc{_where(where)}) AS source"
        f" JOIN ({whole}) AS coadds USING ({_COADD}) ORDER BY {_COADD}, id"
    )


def _made(settings: Settings, into: Path, again: bool, chunk: Sequence[Row]) -> list[Outcome]:
    """What runs in the processes."""
    return [_one(settings, into, again, row) for row in chunk]


def _one(settings: Settings, into: Path, again: bool, row: Row) -> Outcome:
    designation, ra, dec, radius, ratio, angle, side, key, number, *own = row
    galaxy = Galaxy(designation, ra, dec, _or(radius, 5.0), _or(ratio, 1.0), _or(angle, 90.0), side, key)
    night, hemis, scan, coadd = own
    file = into / stamp.file_name(f"{night:%y%m%d}", hemis, scan, coadd, number)

    def cut() -> tuple[bytes, int]:
        return _stamp(galaxy, tuple(own), _asking(settings), image_root(settings, "atlas")), 0

    return made(designation, file, again, cut)


def _stamp(galaxy: Galaxy, own: Key, asking: Asking, atlas: str) -> bytes:
    """The stamp of a galaxy, of its own coadd and, beyond its edges, of those that have most of the rest."""
    reach = stamp.side(galaxy) / 3600 / 2**0.5
    place = f"{galaxy.ra!r}, {galaxy.dec!r}"
    stars = _stars(list(asking.rows(_points(place, reach + _AROUND / 3600))))
    with ExitStack() as stack:
        found = dict(_coadds(asking.rows(_images(place, reach)), atlas, stack))
        if own not in found:
            raise ImageError("its coadd does not show it")
        first = found.pop(own)
        others = sorted(found.values(), key=lambda coadd: -stamp.coverage(coadd[0], galaxy))
        return stamp.stamp([first, *others], galaxy, stars)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or not np.isfinite(value) else float(value)


def _images(place: str, reach: float) -> str:
    return (
        f"SELECT {_COADD}, band, path FROM twomass.atlas"
        f" WHERE 1 = INTERSECTS(CIRCLE({place}, {reach!r}), footprint) ORDER BY {_COADD}, band"
    )


def _points(place: str, reach: float) -> str:
    near = f"1 = CONTAINS(POINT(ra, dec), CIRCLE({place}, {reach!r}))"
    return f"SELECT ra, dec, j_m, h_m, k_m FROM twomass.psc WHERE {near}"


def _coadds(rows: Iterable[Row], atlas: str, stack: ExitStack) -> Iterator[tuple[Key, Coadd]]:
    """Those of which all three bands are there, open until the stack is left."""
    for key, group in groupby(rows, key=lambda row: row[:4]):
        paths = {band: path for *_, band, path in group}
        if set(_BANDS) <= set(paths):
            j, h, k = (stack.enter_context(image.opened(files.below(atlas, paths[band]))) for band in _BANDS)
            yield key, (j, h, k)


def _stars(rows: Sequence[Row]) -> Stars:
    found = np.array(rows, dtype=float).reshape(-1, 5)
    return Stars(found[:, 0], found[:, 1], found[:, 2:])

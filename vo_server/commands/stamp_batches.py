"""Postage stamps of the extended sources, made from Atlas images and rows of the two catalogues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path

import numpy as np

from vo_server.assembly import load_site_catalogue
from vo_server.commands.batch_files import (
    BatchReport,
    FileOutcome,
    report_outcomes,
    require_local_folder,
    write_if_missing,
)
from vo_server.commands.query_client import QueryClient, Row
from vo_server.errors import ImageError
from vo_server.images import image, stamp
from vo_server.images.stamp import Coadd, Galaxy, Stars
from vo_server.load.process_pool import map_in_processes
from vo_server.settings import Settings, find_image_root
from vo_server.storage import files

_STAR_MARGIN_ARCSEC = 60.0
"""Margin about a stamp whose stars are used, too: their light reaches in, and they give the profile."""

_CHUNK_STAMPS = 16
"""Stamps that a process takes at a time."""

_COADD_COLUMNS = '"date", hemis, scan, coadd'
_BANDS = ("J", "H", "K")

CoaddKey = tuple[object, ...]
"""The values of _COADD."""


def make_stamps(settings: Settings, where: str | None = None, again: bool = False, processes: int = 1) -> BatchReport:
    """Make the stamps of the sources that satisfy a condition in ADQL and whose own coadd exists in all three bands.

    A stamp is named after its coadd. Raises QueryError for an invalid condition, UsageError where the files cannot be
    written.
    """
    into = require_local_folder(find_image_root(settings, "stamps"), "stamps")
    try:
        asking = _query_client(settings)
        list(asking.fetch_rows(_images_query("0, 0", 0.1)))  # fails at once on a database without regions
        wanted = list(asking.fetch_rows(_sources_query(where)))
        ((total,),) = asking.fetch_rows(f"SELECT COUNT(*) FROM twomass.xsc{_where_clause(where)}")
        chunks = [wanted[n : n + _CHUNK_STAMPS] for n in range(0, len(wanted), _CHUNK_STAMPS)]
        done = map_in_processes(partial(_make_chunk, settings, into, again), chunks, processes)
        report = report_outcomes("stamps", (outcome for chunk in done for outcome in chunk), settings.data, len(wanted))
    finally:
        _close_query_client(settings)
    report.without_input = total - len(wanted)
    return report


@lru_cache(maxsize=1)
def _query_client(settings: Settings) -> QueryClient:
    """Return the query client of this process."""
    return QueryClient(settings, load_site_catalogue(settings))


def _close_query_client(settings: Settings) -> None:
    if _query_client.cache_info().currsize:
        _query_client(settings).close()
        _query_client.cache_clear()


def _where_clause(condition: str | None) -> str:
    return f" WHERE {condition}" if condition else ""


def _sources_query(where: str | None) -> str:
    """Return the query of the sources in the order of the scans, so that each image is read by neighbouring stamps."""
    wanted = f"designation, ra, dec, r_k20fe, sup_ba, sup_phi, im_nx, ext_key, id, {_COADD_COLUMNS}"
    having = f"COUNT(DISTINCT band) = {len(_BANDS)}"
    whole = f"SELECT {_COADD_COLUMNS} FROM twomass.atlas GROUP BY {_COADD_COLUMNS} HAVING {having}"
    return (
        f"SELECT {wanted} FROM (SELECT {wanted} FROM twomass.xsc{_where_clause(where)}) AS source"
        f" JOIN ({whole}) AS coadds USING ({_COADD_COLUMNS}) ORDER BY {_COADD_COLUMNS}, id"
    )


def _make_chunk(settings: Settings, into: Path, again: bool, chunk: Sequence[Row]) -> list[FileOutcome]:
    """Make some stamps; runs in a worker process."""
    return [_make_one(settings, into, again, row) for row in chunk]


def _make_one(settings: Settings, into: Path, again: bool, row: Row) -> FileOutcome:
    designation, ra, dec, radius, ratio, angle, side, key, number, *own = row
    galaxy = Galaxy(
        designation, ra, dec, _finite_or(radius, 5.0), _finite_or(ratio, 1.0), _finite_or(angle, 90.0), side, key
    )
    night, hemis, scan, coadd = own
    file = into / stamp.build_file_name(f"{night:%y%m%d}", hemis, scan, coadd, number)

    def cut() -> tuple[bytes, int]:
        return _make_stamp(galaxy, tuple(own), _query_client(settings), find_image_root(settings, "atlas")), 0

    return write_if_missing(designation, file, again, cut)


def _make_stamp(galaxy: Galaxy, own: CoaddKey, asking: QueryClient, atlas: str) -> bytes:
    """Make the stamp of a galaxy from its own coadd and, beyond its edges, from those that cover most of the rest."""
    reach = stamp.compute_side(galaxy) / 3600 / 2**0.5
    place = f"{galaxy.ra!r}, {galaxy.dec!r}"
    stars = _to_stars(list(asking.fetch_rows(_stars_query(place, reach + _STAR_MARGIN_ARCSEC / 3600))))
    with ExitStack() as stack:
        found = dict(_open_coadds(asking.fetch_rows(_images_query(place, reach)), atlas, stack))
        if own not in found:
            raise ImageError("its coadd does not cover it")
        first = found.pop(own)
        others = sorted(found.values(), key=lambda coadd: -stamp.compute_coverage(coadd[0], galaxy))
        return stamp.build_stamp([first, *others], galaxy, stars)


def _finite_or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or not np.isfinite(value) else float(value)


def _images_query(place: str, reach: float) -> str:
    return (
        f"SELECT {_COADD_COLUMNS}, band, path FROM twomass.atlas"
        f" WHERE 1 = INTERSECTS(CIRCLE({place}, {reach!r}), footprint) ORDER BY {_COADD_COLUMNS}, band"
    )


def _stars_query(place: str, reach: float) -> str:
    near = f"1 = CONTAINS(POINT(ra, dec), CIRCLE({place}, {reach!r}))"
    return f"SELECT ra, dec, j_m, h_m, k_m FROM twomass.psc WHERE {near}"


def _open_coadds(rows: Iterable[Row], atlas: str, stack: ExitStack) -> Iterator[tuple[CoaddKey, Coadd]]:
    """Open the coadds that have all three bands, until the stack is closed."""
    for key, group in groupby(rows, key=lambda row: row[:4]):
        paths = {band: path for *_, band, path in group}
        if set(_BANDS) <= set(paths):
            j, h, k = (stack.enter_context(image.open_image(files.resolve_path(atlas, paths[band]))) for band in _BANDS)
            yield key, (j, h, k)


def _to_stars(rows: Sequence[Row]) -> Stars:
    found = np.array(rows, dtype=float).reshape(-1, 5)
    return Stars(found[:, 0], found[:, 1], found[:, 2:])

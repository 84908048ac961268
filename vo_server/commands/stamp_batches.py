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
from vo_server.errors import Code, ImageError
from vo_server.images import image, stamp
from vo_server.images.stamp import Coadd, Galaxy, Stars
from vo_server.load.process_pool import map_in_processes
from vo_server.settings import Settings, find_image_root
from vo_server.storage import files

_STAR_MARGIN_ARCSEC = 60.0
"""Margin around a stamp whose stars are used too: their light reaches the stamp, and they give the profile."""

_CHUNK_STAMPS = 16
"""Stamps that a process takes at a time."""

_COADD_COLUMNS = '"date", hemis, scan, coadd'
_BANDS = ("J", "H", "K")

CoaddKey = tuple[object, ...]
"""The values of _COADD_COLUMNS."""


def make_stamps(settings: Settings, where: str | None = None, again: bool = False, processes: int = 1) -> BatchReport:
    """Make the stamps of the sources that satisfy a condition in ADQL and whose own coadd exists in all three bands.

    A stamp is named after its coadd. Raises QueryError for an invalid condition, UsageError where the files cannot be
    written.
    """
    target = require_local_folder(find_image_root(settings, "stamps"), "stamps")
    try:
        client = _query_client(settings)
        list(client.fetch_rows(_images_query("0, 0", 0.1)))  # fails at once on a database without regions
        sources = list(client.fetch_rows(_sources_query(where)))
        ((total,),) = client.fetch_rows(f"SELECT COUNT(*) FROM twomass.xsc{_where_clause(where)}")
        chunks = [sources[n : n + _CHUNK_STAMPS] for n in range(0, len(sources), _CHUNK_STAMPS)]
        results = map_in_processes(partial(_make_chunk, settings, target, again), chunks, processes)
        outcomes = (outcome for chunk in results for outcome in chunk)
        report = report_outcomes("stamps", outcomes, settings.data, len(sources))
    finally:
        _close_query_client(settings)
    report.without_input = total - len(sources)
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
    columns = f"designation, ra, dec, r_k20fe, sup_ba, sup_phi, im_nx, ext_key, id, {_COADD_COLUMNS}"
    having = f"COUNT(DISTINCT band) = {len(_BANDS)}"
    coadds = f"SELECT {_COADD_COLUMNS} FROM twomass.atlas GROUP BY {_COADD_COLUMNS} HAVING {having}"
    return (
        f"SELECT {columns} FROM (SELECT {columns} FROM twomass.xsc{_where_clause(where)}) AS source"
        f" JOIN ({coadds}) AS coadds USING ({_COADD_COLUMNS}) ORDER BY {_COADD_COLUMNS}, id"
    )


def _make_chunk(settings: Settings, target: Path, again: bool, chunk: Sequence[Row]) -> list[FileOutcome]:
    """Make some stamps; runs in a worker process."""
    return [_make_one(settings, target, again, row) for row in chunk]


def _make_one(settings: Settings, target: Path, again: bool, row: Row) -> FileOutcome:
    designation, ra, dec, radius, ratio, angle, side, key, number, *own = row
    galaxy = Galaxy(
        designation, ra, dec, _finite_or(radius, 5.0), _finite_or(ratio, 1.0), _finite_or(angle, 90.0), side, key
    )
    night, hemis, scan, coadd = own
    file = target / stamp.build_file_name(f"{night:%y%m%d}", hemis, scan, coadd, number)

    def make() -> tuple[bytes, int]:
        return _make_stamp(galaxy, tuple(own), _query_client(settings), find_image_root(settings, "atlas")), 0

    return write_if_missing(designation, file, again, make)


def _make_stamp(galaxy: Galaxy, own: CoaddKey, client: QueryClient, atlas: str) -> bytes:
    """Make the stamp of a galaxy from its own coadd and, beyond its edges, from the coadds that cover it best."""
    radius = stamp.compute_side(galaxy) / 3600 / 2**0.5
    centre = f"{galaxy.ra!r}, {galaxy.dec!r}"
    stars = _to_stars(list(client.fetch_rows(_stars_query(centre, radius + _STAR_MARGIN_ARCSEC / 3600))))
    with ExitStack() as stack:
        coadds = dict(_open_coadds(client.fetch_rows(_images_query(centre, radius)), atlas, stack))
        if own not in coadds:
            raise ImageError("the coadd of the source does not cover it", code=Code.IMAGE_NO_OVERLAP)
        first = coadds.pop(own)
        others = sorted(coadds.values(), key=lambda coadd: -stamp.compute_coverage(coadd[0], galaxy))
        return stamp.build_stamp([first, *others], galaxy, stars)


def _finite_or(value: float | None, default: float) -> float:
    return default if value is None or not np.isfinite(value) else float(value)


def _images_query(centre: str, radius: float) -> str:
    """Return the query of the images that meet a circle, in degrees."""
    return (
        f"SELECT {_COADD_COLUMNS}, band, path FROM twomass.atlas"
        f" WHERE 1 = INTERSECTS(CIRCLE({centre}, {radius!r}), footprint) ORDER BY {_COADD_COLUMNS}, band"
    )


def _stars_query(centre: str, radius: float) -> str:
    """Return the query of the point sources in a circle, in degrees."""
    condition = f"1 = CONTAINS(POINT(ra, dec), CIRCLE({centre}, {radius!r}))"
    return f"SELECT ra, dec, j_m, h_m, k_m FROM twomass.psc WHERE {condition}"


def _open_coadds(rows: Iterable[Row], atlas: str, stack: ExitStack) -> Iterator[tuple[CoaddKey, Coadd]]:
    """Open the coadds that have all three bands, until the stack is closed."""
    for key, group in groupby(rows, key=lambda row: row[:4]):
        paths = {band: path for *_, band, path in group}
        if set(_BANDS) <= set(paths):
            j, h, k = (stack.enter_context(image.open_image(files.resolve_path(atlas, paths[band]))) for band in _BANDS)
            yield key, (j, h, k)


def _to_stars(rows: Sequence[Row]) -> Stars:
    values = np.array(rows, dtype=float).reshape(-1, 5)
    return Stars(values[:, 0], values[:, 1], values[:, 2:])

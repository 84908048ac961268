"""A synthetic 2MASS sky of any size, in the release's own bulk format or as Arrow batches.

For demonstrations, tests and measurements: densities, number counts, colours, errors, flags, keys,
scans and nulls are made to follow the All-Sky release, and no row is real. The same seed and
numbers of rows give the same bytes. Memory does not grow with the number of rows of the point
source catalogue; of the extended one some 150 bytes a row are held.

The two catalogues belong together when they are made of the same ``psc_rows``, ``xsc_rows`` and
``seed``: then each ``ext_key`` of a point source is that of an extended source nearby, whose
``pts_key`` points back. Columns have the names and units of the release (``decl``, ``pts_key``,
``date``; deg, arcsec, mag, days); designations are padded with a blank to 17 characters in the
files and not in the batches.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from vo_server.demo.columns import PSC_COLUMNS, PSC_SCHEMA, XSC_COLUMNS, XSC_SCHEMA
from vo_server.demo.files import Progress, write_files
from vo_server.demo.images import write_field
from vo_server.demo.plan import Plan
from vo_server.demo.psc import psc_record_batches
from vo_server.demo.sky import PSC_ROWS, XSC_ROWS
from vo_server.demo.xsc import xsc_record_batches

__all__ = [
    "PSC_SCHEMA",
    "XSC_SCHEMA",
    "psc_batches",
    "psc_rows_for",
    "write_all",
    "write_images",
    "write_psc",
    "write_xsc",
    "xsc_batches",
    "xsc_rows_for",
]

SEED = 2003
ROWS_PER_FILE = 5_000_000
FEWEST_GALAXIES = 200


def xsc_rows_for(psc_rows: int) -> int:
    """Extended sources that go with so many point sources: as many as in the release, but enough to
    look at."""
    return max(FEWEST_GALAXIES, -(-psc_rows * XSC_ROWS // PSC_ROWS))


def psc_rows_for(xsc_rows: int) -> int:
    """Point sources that go with so many extended ones."""
    return xsc_rows * PSC_ROWS // XSC_ROWS


def _plan(psc_rows: int, xsc_rows: int, seed: int) -> Plan:
    if min(psc_rows, xsc_rows, seed) < 0:
        raise ValueError("numbers of rows and the seed must not be negative")
    return Plan(psc_rows, xsc_rows, seed)


def psc_batches(rows: int, seed: int = SEED, *, xsc_rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """Exactly ``rows`` point sources with all 60 columns (``PSC_SCHEMA``), in the order of the
    files."""
    return psc_record_batches(_plan(rows, xsc_rows_for(rows) if xsc_rows is None else xsc_rows, seed))


def xsc_batches(rows: int, seed: int = SEED, *, psc_rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """Exactly ``rows`` extended sources with all 389 columns (``XSC_SCHEMA``), in the order of the
    files.

    ``psc_rows`` is the size of the point source catalogue whose ``pts_key`` they refer to.
    """
    return xsc_record_batches(_plan(psc_rows_for(rows) if psc_rows is None else psc_rows, rows, seed))


def write_psc(
    folder: Path,
    rows: int,
    seed: int = SEED,
    rows_per_file: int = ROWS_PER_FILE,
    compress: bool = True,
    progress: Progress | None = None,
    *,
    xsc_rows: int | None = None,
) -> list[Path]:
    """Write ``psc_aaa.gz``, .. (south) and ``psc_baa.gz``, .. (north); ``progress`` is told the
    rows written so far."""
    return write_files(
        folder,
        "psc",
        PSC_COLUMNS,
        psc_batches(rows, seed, xsc_rows=xsc_rows),
        rows_per_file=rows_per_file,
        compress=compress,
        progress=progress,
    )


def write_xsc(
    folder: Path,
    rows: int,
    seed: int = SEED,
    rows_per_file: int = ROWS_PER_FILE,
    compress: bool = True,
    progress: Progress | None = None,
    *,
    psc_rows: int | None = None,
) -> list[Path]:
    """Write ``xsc_aaa.gz`` (south) and ``xsc_baa.gz`` (north)."""
    return write_files(
        folder,
        "xsc",
        XSC_COLUMNS,
        xsc_batches(rows, seed, psc_rows=psc_rows),
        rows_per_file=rows_per_file,
        compress=compress,
        progress=progress,
    )


def write_all(
    folder: Path,
    rows: int,
    seed: int = SEED,
    rows_per_file: int = ROWS_PER_FILE,
    compress: bool = True,
    progress: Progress | None = None,
) -> list[Path]:
    """Write both catalogues, true to each other: ``rows`` point sources and the extended ones that
    go with them."""
    galaxies = xsc_rows_for(rows)
    points = write_psc(folder, rows, seed, rows_per_file, compress, progress, xsc_rows=galaxies)
    return points + write_xsc(folder, galaxies, seed, rows_per_file, compress, psc_rows=rows)


def write_images(folder: Path, rows: int, seed: int = SEED) -> list[Path]:
    """Write the Atlas images of the sky that ``write_all`` makes of the same numbers: three coadds of two neighbouring
    scans in J, H and Ks, 18 files."""
    return write_field(folder, _plan(rows, xsc_rows_for(rows), seed))

"""A synthetic 2MASS sky of any size, in the bulk format of the release or as Arrow batches.

For demonstrations, tests and measurements: densities, number counts, colours, errors, flags, keys, scans and nulls
follow the All-Sky release, and no row is real. The same seed and numbers of rows give the same bytes. Memory does not
grow with the rows of the point source catalogue; the extended source catalogue takes some 150 bytes a row.

The two catalogues are consistent if they are generated with the same `psc_rows`, `xsc_rows` and `seed`: then the
`ext_key` of a point source is that of an extended source nearby, whose `pts_key` points back. Columns have the names
and units of the release (`decl`, `pts_key`, `date`; deg, arcsec, mag, days); designations are padded with a blank to 17
characters in the files and not in the batches.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from vo_server.demo.bulk_files import Progress, write_files
from vo_server.demo.columns import PSC_COLUMNS, PSC_SCHEMA, XSC_COLUMNS, XSC_SCHEMA
from vo_server.demo.density import PSC_ROWS, XSC_ROWS
from vo_server.demo.images import write_field_images
from vo_server.demo.psc import generate_psc_batches
from vo_server.demo.release_plan import ReleasePlan
from vo_server.demo.xsc import generate_xsc_batches

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
MIN_XSC_ROWS = 200


def count_xsc_rows(psc_rows: int) -> int:
    """Return the number of extended sources for a number of point sources: the ratio of the release, with a minimum."""
    return max(MIN_XSC_ROWS, -(-psc_rows * XSC_ROWS // PSC_ROWS))


def count_psc_rows(xsc_rows: int) -> int:
    """Return the number of point sources for a number of extended sources: the ratio of the release."""
    return xsc_rows * PSC_ROWS // XSC_ROWS


def _make_plan(psc_rows: int, xsc_rows: int, seed: int) -> ReleasePlan:
    if min(psc_rows, xsc_rows, seed) < 0:
        raise ValueError("numbers of rows and the seed must not be negative")
    return ReleasePlan(psc_rows, xsc_rows, seed)


def generate_psc(rows: int, seed: int = SEED, *, xsc_rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """Yield exactly `rows` point sources with all 60 columns (`PSC_SCHEMA`), in the order of the files."""
    return generate_psc_batches(_make_plan(rows, count_xsc_rows(rows) if xsc_rows is None else xsc_rows, seed))


def generate_xsc(rows: int, seed: int = SEED, *, psc_rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """Yield exactly `rows` extended sources with all 389 columns (`XSC_SCHEMA`), in the order of the files.

    `psc_rows` is the size of the point source catalogue to whose `pts_key` they refer.
    """
    return generate_xsc_batches(_make_plan(count_psc_rows(rows) if psc_rows is None else psc_rows, rows, seed))


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
    """Write `psc_aaa.gz`, ... (south) and `psc_baa.gz`, ... (north); call `progress` with the rows written so far."""
    return write_files(
        folder,
        "psc",
        PSC_COLUMNS,
        generate_psc(rows, seed, xsc_rows=xsc_rows),
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
    """Write `xsc_aaa.gz`, ... (south) and `xsc_baa.gz`, ... (north); call `progress` with the rows written so far."""
    return write_files(
        folder,
        "xsc",
        XSC_COLUMNS,
        generate_xsc(rows, seed, psc_rows=psc_rows),
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
    """Write both catalogues, consistent with each other: `rows` point sources and the extended sources for them."""
    galaxies = count_xsc_rows(rows)
    points = write_psc(folder, rows, seed, rows_per_file, compress, progress, xsc_rows=galaxies)
    return points + write_xsc(folder, galaxies, seed, rows_per_file, compress, psc_rows=rows)


def write_images(folder: Path, rows: int, seed: int = SEED) -> list[Path]:
    """Write Atlas images of the sky that `write_all` writes for the same arguments.

    They are three coadds of each of two neighbouring scans in J, H and Ks: 18 files.
    """
    return write_field_images(folder, _make_plan(rows, count_xsc_rows(rows), seed))

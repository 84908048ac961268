"""vo-server load: load files into a collection, or the inventory of a folder of images."""

from __future__ import annotations

import argparse

from vo_server.assembly import load_site_catalogue
from vo_server.catalogue.catalogue import Collection
from vo_server.commands.catalogue_lookup import find_collection
from vo_server.commands.images import is_walk, plan_walk
from vo_server.commands.progress import load_reporter, progress_bar
from vo_server.commands.terminal import say
from vo_server.engines import open_sink
from vo_server.engines.data_directory import DataDirectory
from vo_server.errors import Code, UsageError
from vo_server.load.counts import format_count
from vo_server.load.load import LoadSummary, load
from vo_server.settings import Settings

EPILOG = """examples:
  vo-server load psc 'psc_*.gz'             the release's 92 files
  vo-server load xsc xsc_aaa.gz xsc_baa.gz
  zcat psc_aaa.gz | vo-server load psc -    from a pipe
  vo-server load stars stars.fits --append  columns are matched by name
  vo-server load atlas                      the images in DATA/images/atlas
  vo-server load atlas DIR --append         those in a folder below it

Bulk files of the release, FITS, VOTable, CSV, IPAC and Parquet tables are
detected by content, gzip or not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("table", metavar="TABLE", help="the collection: psc, xsc, atlas, or one of your own")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="files or patterns, - for standard input; for images, folders"
    )
    parser.add_argument("--append", action="store_true", help="add to the existing rows instead of replacing them")
    parser.add_argument(
        "--on-error",
        choices=("stop", "skip"),
        help="what to do with a bad row or image (default: stop for rows, skip for images)",
    )


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Load files into a collection."""
    catalogue = load_site_catalogue(settings)
    collection = find_collection(catalogue, parsed.table)
    images = is_walk(collection, parsed.files)
    if not images and not parsed.files:
        raise UsageError("there is no file to load", hint="see vo-server load --help", code=Code.SETTINGS_INVALID)
    source = plan_walk(collection, parsed.files, settings, catalogue) if images else parsed.files
    with progress_bar() as bar:
        summary = load(
            collection,
            source,
            DataDirectory(settings.data),
            sink=open_sink(settings.engine),
            append=parsed.append,
            on_error=parsed.on_error or ("skip" if images else "stop"),
            progress=load_reporter(bar, collection.table.qualified_name),
        )
    print_load_summary(collection, summary)
    return 3 if summary.rejected else 0


def print_load_summary(collection: Collection, summary: LoadSummary) -> None:
    """Print the summary of a load."""
    for warning in summary.warnings:
        say(f"warning: {warning}", "yellow")
    rate = summary.rows / max(summary.seconds, 1e-3)
    name, seconds = collection.table.qualified_name, summary.seconds
    rows, total = format_count(summary.rows, "row"), format_count(summary.total, "row")
    say(f"{name}: {rows} loaded in {seconds:.1f} s ({rate:,.0f} rows/s), {total} in all")
    if summary.rejected:
        what = "row" if collection.images is None else "image"
        say(f"rejected {format_count(summary.rejected, what)}: see {summary.rejects}", "yellow")

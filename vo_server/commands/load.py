"""vo-server load: files into a catalogue, or the inventory of a folder of images."""

from __future__ import annotations

import argparse

from vo_server.app import catalogue_of
from vo_server.catalogue.catalogue import Collection
from vo_server.commands.catalogues import collection
from vo_server.commands.command import Command
from vo_server.commands.images import is_walk, walk
from vo_server.commands.terminal import bar, say, watch
from vo_server.engines.store import Store
from vo_server.errors import UsageError
from vo_server.load.load import Loaded, load
from vo_server.load.sinks import sink
from vo_server.settings import Settings

_EXAMPLES = """examples:
  vo-server load psc 'psc_*.gz'             the release's 92 files
  vo-server load xsc xsc_aaa.gz xsc_baa.gz
  zcat psc_aaa.gz | vo-server load psc -    from a pipe
  vo-server load stars stars.fits --append  columns are matched by name
  vo-server load atlas                      the images in DATA/images/atlas
  vo-server load atlas DIR --append         those in a folder below it

Bulk files of the release, FITS, VOTable, CSV, IPAC and Parquet tables are told
by their content, gzip or not."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="the catalogue: psc, xsc, atlas, or one of your own")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="files or patterns; - is standard input; of images their folders"
    )
    parser.add_argument("--append", action="store_true", help="add to the rows there are instead of replacing them")
    parser.add_argument(
        "--on-error",
        choices=("stop", "skip"),
        help="what a bad line or image does (default: stop for lines, skip for images)",
    )


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Load files into a catalogue."""
    catalogue = catalogue_of(settings)
    wanted = collection(catalogue, parsed.table)
    images = is_walk(wanted, parsed.files)
    if not images and not parsed.files:
        raise UsageError("no file to load is named", hint="vo-server load --help tells more")
    source = walk(wanted, parsed.files, settings, catalogue) if images else parsed.files
    with bar() as shown:
        done = load(
            wanted,
            source,
            Store(settings.data),
            sink=sink(settings.engine),
            append=parsed.append,
            on_error=parsed.on_error or ("skip" if images else "stop"),
            progress=watch(shown, wanted.table.qualified),
        )
    say_loaded(wanted, done)
    return 3 if done.rejected else 0


def say_loaded(wanted: Collection, done: Loaded) -> None:
    """What a load has done."""
    for warning in done.warnings:
        say(f"warning: {warning}", "yellow")
    rate = done.rows / max(done.seconds, 1e-3)
    say(
        f"{wanted.table.qualified}: {done.rows:,} rows loaded in {done.seconds:.1f} s ({rate:,.0f} rows/s),"
        f" {done.total:,} rows serve"
    )
    if done.rejected:
        what = "lines" if wanted.images is None else "images"
        say(f"{done.rejected:,} {what} were rejected: see {done.rejects}", "yellow")


LOAD = Command("load", "load files into a catalogue", _run, _arguments, _EXAMPLES)

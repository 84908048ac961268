"""vo-server demo: make a synthetic sky and serve it."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from rich.progress import Progress

from vo_server import demo
from vo_server.assembly import load_site_catalogue
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.commands import quicklook, stamp_batches
from vo_server.commands.catalogue_lookup import describe_source, find_collection, find_loaded
from vo_server.commands.command import add_address_arguments, parse_count
from vo_server.commands.images import plan_walk
from vo_server.commands.load import print_load_summary
from vo_server.commands.progress import load_reporter, progress_bar
from vo_server.commands.serve import open_socket, serve_until_stopped
from vo_server.commands.terminal import say
from vo_server.engines import open_sink
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.inventory.walk import Walk
from vo_server.load.load import load
from vo_server.settings import Settings, find_image_root

DEMO_ROWS = 500_000
"""The default number of point sources."""

IMAGE_COLLECTIONS = ("atlas", "quicklook", "stamps")
"""The ids of the image collections that are made."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--rows", type=parse_count, default=DEMO_ROWS, metavar="N", help=f"point sources to make (default: {DEMO_ROWS})"
    )
    parser.add_argument("--no-serve", action="store_true", help="only make and load the sky")
    add_address_arguments(parser)


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make a synthetic sky, unless catalogues are loaded, and serve it."""
    catalogue = load_site_catalogue(settings)
    images = IMAGE_COLLECTIONS if _makes_images(settings) else ()
    collections = [find_collection(catalogue, id) for id in ("psc", "xsc", *images)]
    loaded = find_loaded(settings, catalogue)
    missing = [collection for collection in collections if collection.id not in loaded]
    with nullcontext() if parsed.no_serve else open_socket(settings) as listening:
        if missing == collections or (missing and _scratch_folder(settings).exists()):
            _make_sky(missing, parsed.rows, settings, catalogue)
        else:
            say(f"The collections in {describe_source(settings)} are already loaded.")
        return 0 if listening is None else serve_until_stopped(settings, listening, _print_welcome)


def _scratch_folder(settings: Settings) -> Path:
    """Return the folder for the files of the sky; it exists only while they are made, and after an interruption."""
    return settings.data / "sky"


def _makes_images(settings: Settings) -> bool:
    """Tell whether images are made: not where the setting image_roots names folders of the operator."""
    return not any(f"{id}=" in settings.image_roots for id in IMAGE_COLLECTIONS)


def _make_sky(collections: list[Collection], rows: int, settings: Settings, catalogue: Catalogue) -> None:
    folder = _scratch_folder(settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with progress_bar() as bar:
            files = demo.write_all(folder, rows, compress=False, progress=_sky_reporter(bar, rows))
            for each in collections:
                tables = [f for f in files if f.name.startswith(each.id)]
                source = tables if each.images is None else _make_images(each, rows, settings, catalogue)
                if source is None:
                    continue
                report = load_reporter(bar, each.table.qualified_name)
                sink = open_sink(settings.engine)
                summary = load(each, source, DataDirectory(settings.data), sink=sink, progress=report)
                print_load_summary(each, summary)
    finally:
        for file in folder.iterdir():
            file.unlink()
    folder.rmdir()


def _make_images(images: Collection, rows: int, settings: Settings, catalogue: Catalogue) -> Walk | None:
    """Make the images of the sky and return a walk over them; None where there are none, as for few galaxies."""
    root = Path(find_image_root(settings, images.id))
    match images.id:
        case "atlas":
            demo.write_images(root, rows)
        case "quicklook":
            quicklook.make_quicklook_images(settings)
        case _:
            stamp_batches.make_stamps(settings)
    return plan_walk(images, [], settings, catalogue) if root.exists() else None


def _sky_reporter(bar: Progress, rows: int) -> Callable[[int], None]:
    """Return a callback that shows how many rows of the sky are made."""
    start = time.monotonic()
    task = bar.add_task("making a synthetic sky", total=rows, rows="")

    def report(count: int) -> None:
        rate = count / max(time.monotonic() - start, 0.1)
        bar.update(task, completed=count, rows=f"{count:,} rows, {rate:,.0f}/s")

    return report


def _print_welcome(url: str) -> None:
    say(
        f"""
Serving at {url}

  TAP          {url}/tap
  cone search  {url}/cone/psc?  and  {url}/cone/xsc?

Three things to try:

  1. Open {url}/ in a browser.
  2. curl '{url}/cone/psc?RA=266.4&DEC=-29.0&SR=0.2&RESPONSEFORMAT=csv'
  3. In Python, after pip install pyvo:
       import pyvo
       tap = pyvo.dal.TAPService("{url}/tap")
       print(tap.run_sync("SELECT TOP 5 designation, k_m FROM psc WHERE k_m < 6").to_table())

Stop with Ctrl-C."""
    )

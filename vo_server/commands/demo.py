"""vo-server demo: a synthetic sky, made and served."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from rich.progress import Progress

from vo_server.app import catalogue_of
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.commands import quicklook
from vo_server.commands.catalogues import loaded, collection, source
from vo_server.commands.command import Command, address, count
from vo_server.commands.images import walk
from vo_server.commands.load import say_loaded
from vo_server.commands.serve import listen, serve_until_stopped
from vo_server.commands.terminal import bar, say, watch
from vo_server.engines.store import Store
from vo_server.load.inventory.walk import Walk
from vo_server.load.load import load
from vo_server.load.sinks import sink
from vo_server.settings import Settings, image_root

DEMO_ROWS = 500_000
IMAGES = ("atlas", "quicklook", "stamps")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=count, default=DEMO_ROWS, metavar="N", help=f"point sources to make (default: {DEMO_ROWS})"
    )
    parser.add_argument("--no-serve", action="store_true", help="only make and load the sky")
    address(parser)


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make a synthetic sky, unless there is something to serve, and serve it."""
    catalogue = catalogue_of(settings)
    wanted = [collection(catalogue, id) for id in ("psc", "xsc", *(IMAGES if _draws(settings) else ()))]
    there = loaded(settings, catalogue)
    missing = [p for p in wanted if p.id not in there]
    with nullcontext() if parsed.no_serve else listen(settings) as listening:
        if missing == wanted or (missing and _workshop(settings).exists()):
            _make_sky(missing, parsed.rows, settings, catalogue)
        else:
            say(f"The catalogues in {source(settings)} are served as they are.")
        return 0 if listening is None else serve_until_stopped(settings, listening, _say_demo)


def _workshop(settings: Settings) -> Path:
    """Where the files of the sky are made; it is there only while it is made, or if that was broken off."""
    return settings.data / "sky"


def _draws(settings: Settings) -> bool:
    """Are images made? Not where the operator says that his own lie."""
    return not any(f"{id}=" in settings.image_roots for id in IMAGES)


def _make_sky(wanted: list[Collection], rows: int, settings: Settings, catalogue: Catalogue) -> None:
    from vo_server import demo  # noqa: PLC0415 - 70 MB with scipy, which processes that serve can do without

    folder = _workshop(settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with bar() as shown:
            files = demo.write_all(folder, rows, compress=False, progress=_making(shown, rows))
            for each in wanted:
                mine = [f for f in files if f.name.startswith(each.id)]
                source = mine if each.images is None else _drawn(each, rows, settings, catalogue)
                if source is None:
                    continue
                seen = watch(shown, each.table.qualified)
                done = load(each, source, Store(settings.data), sink=sink(settings.engine), progress=seen)
                say_loaded(each, done)
    finally:
        for file in folder.iterdir():
            file.unlink()
    folder.rmdir()


def _drawn(images: Collection, rows: int, settings: Settings, catalogue: Catalogue) -> Walk | None:
    """The images of the sky, which stay where they are written; None where there are none, as of few galaxies."""
    from vo_server import demo  # noqa: PLC0415
    from vo_server.commands import stamp_batches  # noqa: PLC0415 - as above

    root = Path(image_root(settings, images.id))
    match images.id:
        case "atlas":
            demo.write_images(root, rows)
        case "quicklook":
            quicklook.make(settings)
        case _:
            stamp_batches.make(settings)
    return walk(images, [], settings, catalogue) if root.exists() else None


def _making(shown: Progress, rows: int) -> Callable[[int], None]:
    begun = time.monotonic()
    task = shown.add_task("making a synthetic sky", total=rows, rows="")

    def made(done: int) -> None:
        rate = done / max(time.monotonic() - begun, 0.1)
        shown.update(task, completed=done, rows=f"{done:,} rows, {rate:,.0f}/s")

    return made


def _say_demo(url: str) -> None:
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


DEMO = Command("demo", "make a synthetic sky and serve it", _run, _arguments)

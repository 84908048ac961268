"""vo-server quicklook: Quicklook images, made of the Atlas images."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from vo_server.commands.batch_files import Outcome, Report, folder, made, reported
from vo_server.commands.command import Command
from vo_server.commands.terminal import say
from vo_server.images import image, quicklook
from vo_server.load.workers import in_order
from vo_server.processes import processors
from vo_server.settings import Settings, image_root
from vo_server.storage import files
from vo_server.storage.listing import Listed, listing

_EXAMPLES = """examples:
  vo-server quicklook                  of all Atlas images
  vo-server quicklook DIR              of those in a folder below their root
  vo-server load quicklook             then their inventory

The files are written below DATA/images/quicklook (see image_roots), under the
names of the Atlas images with .fz at the end. What is there already stays: a
run that was broken off goes on where it was."""

_CHUNK = 32
"""Images that a process makes at a time."""

_PACKED = re.compile(r"(\.gz|\.fz)$", re.IGNORECASE)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folders below the root of the Atlas images")
    parser.add_argument("--again", action="store_true", help="make those anew that are there")


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make Quicklook images."""
    report = make(settings, parsed.folders, parsed.again, processors())
    if report.size:
        ratio = report.plain / report.size
        say(f"{report.plain / 1e6:,.1f} MB of pixels became {report.size / 1e6:,.1f} MB, {ratio:.1f} to 1")
    return report.code


def make(settings: Settings, folders: Sequence[str] = (), again: bool = False, processes: int = 1) -> Report:
    """The Quicklook images of the Atlas images in these folders, or in all of the collection's root.

    Raises LoadError for a folder that is not there or lies elsewhere.
    """
    root, into = image_root(settings, "atlas"), folder(image_root(settings, "quicklook"), "Quicklook images")
    named = [n if "://" in n else str(Path(n).absolute()) for n in folders] or [root]
    found = listing(root, named)
    chunks = iter(lambda: list(islice(found, _CHUNK)), [])
    done = in_order(partial(_made, root, into, again), chunks, processes)
    return reported("quicklook", (outcome for chunk in done for outcome in chunk), settings.data)


def _made(root: str, into: Path, again: bool, chunk: Sequence[Listed]) -> list[Outcome]:
    return [_one(root, into, again, listed.path) for listed in chunk]


def _one(root: str, into: Path, again: bool, path: str) -> Outcome:
    def compressed() -> tuple[bytes, int]:
        with image.opened(files.below(root, path)) as opened:
            return quicklook.compress(opened), opened.plain

    return made(path, into / f"{_PACKED.sub('', path)}.fz", again, compressed)


QUICKLOOK = Command("quicklook", "make Quicklook images of Atlas images", _run, _arguments, _EXAMPLES)

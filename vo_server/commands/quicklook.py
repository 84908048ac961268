"""vo-server quicklook: make Quicklook images from Atlas images."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from vo_server.commands.batch_files import (
    BatchReport,
    FileOutcome,
    report_outcomes,
    require_local_folder,
    write_if_missing,
)
from vo_server.commands.terminal import say
from vo_server.images import image, quicklook
from vo_server.load.process_pool import map_in_processes
from vo_server.processes import count_processors
from vo_server.settings import Settings, find_image_root
from vo_server.storage import files
from vo_server.storage.listing import ListedFile, list_fits_files

EPILOG = """examples:
  vo-server quicklook           from all Atlas images
  vo-server quicklook DIR       from the images in a folder below their root
  vo-server load quicklook      then their inventory

The files are written below DATA/images/quicklook (see image_roots), under the
names of the Atlas images with the suffix .fz. Existing files are kept, so that
an interrupted run resumes where it stopped."""

_CHUNK_IMAGES = 32
"""Images that a process takes at a time."""

_COMPRESSED_SUFFIX = re.compile(r"(\.gz|\.fz)$", re.IGNORECASE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folders below the root of the Atlas images")
    parser.add_argument("--again", action="store_true", help="replace existing files")


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make Quicklook images."""
    report = make_quicklook_images(settings, parsed.folders, parsed.again, count_processors())
    if report.file_bytes:
        ratio = report.pixel_bytes / report.file_bytes
        say(f"{report.pixel_bytes / 1e6:,.1f} MB of pixels became {report.file_bytes / 1e6:,.1f} MB, {ratio:.1f} to 1")
    return report.exit_code


def make_quicklook_images(
    settings: Settings, folders: Sequence[str] = (), again: bool = False, processes: int = 1
) -> BatchReport:
    """Make the Quicklook images of the Atlas images in folders, or in the whole root of the collection.

    Raises LoadError for a folder that does not exist or is not below the root.
    """
    root = find_image_root(settings, "atlas")
    target = require_local_folder(find_image_root(settings, "quicklook"), "Quicklook images")
    folder_urls = [n if "://" in n else str(Path(n).absolute()) for n in folders] or [root]
    images = list_fits_files(root, folder_urls)
    chunks = iter(lambda: list(islice(images, _CHUNK_IMAGES)), [])
    outcomes = map_in_processes(partial(_make_chunk, root, target, again), chunks, processes)
    return report_outcomes("quicklook", (outcome for chunk in outcomes for outcome in chunk), settings.data)


def _make_chunk(root: str, target: Path, again: bool, chunk: Sequence[ListedFile]) -> list[FileOutcome]:
    """Make some images; runs in a worker process."""
    return [_make_one(root, target, again, file.path) for file in chunk]


def _make_one(root: str, target: Path, again: bool, path: str) -> FileOutcome:
    def compress() -> tuple[bytes, int]:
        with image.open_image(files.resolve_path(root, path)) as opened:
            return quicklook.compress(opened), opened.uncompressed_size

    return write_if_missing(path, target / f"{_COMPRESSED_SUFFIX.sub('', path)}.fz", again, compress)

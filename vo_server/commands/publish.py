"""vo-server publish: describe a table file in a catalogue file and load its rows."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vo_server.assembly import load_site_catalogue
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.check import CheckReport
from vo_server.commands.catalogue_lookup import find_collection
from vo_server.commands.check import check_service
from vo_server.commands.load import print_load_summary
from vo_server.commands.progress import load_reporter, progress_bar
from vo_server.commands.terminal import console, say
from vo_server.engines import open_sink
from vo_server.engines.data_directory import DataDirectory, get_catalogue_folder
from vo_server.errors import Code, ServiceError, UsageError
from vo_server.load.counts import format_count
from vo_server.load.input_files import expand_paths
from vo_server.load.load import load
from vo_server.protocols.cone import get_path
from vo_server.publish.draft import Draft, draft_catalogue
from vo_server.publish.names import derive_table_name, normalise_name
from vo_server.publish.position import PositionColumns
from vo_server.publish.profile import profile_file
from vo_server.publish.toml import PublishedNames, to_toml
from vo_server.settings import Settings
from vo_server.storage.atomic import write_atomically

SCHEMA = "published"
"""The default schema of published tables."""

EPILOG = """examples:
  vo-server publish stars.fits             as table published.stars
  vo-server publish cat.csv.gz --name stars --title 'Stars of a survey'
  vo-server publish stars.vot --dry-run    only show the catalogue file
  vo-server publish stars.vot --no-load    write it, to edit it before the load

FITS, Parquet, VOTable, CSV, TSV, ECSV and IPAC tables are detected by content,
gzip or not. Names, types, units, UCDs and descriptions come from the file; what
it lacks is guessed from names and values and marked in the catalogue file for
you to correct."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", metavar="FILE", help="the table")
    parser.add_argument("--name", metavar="NAME", help="the name of the table (default: from the file name)")
    parser.add_argument("--title", metavar="TEXT", help="its title")
    parser.add_argument("--schema", metavar="NAME", default=SCHEMA, help=f"the schema of the table (default: {SCHEMA})")
    parser.add_argument("--dry-run", action="store_true", help="print the catalogue file and do nothing else")
    parser.add_argument("--no-load", action="store_true", help="write the catalogue file without loading rows")
    parser.add_argument("--no-check", action="store_true", help="do not check the service afterwards")
    parser.add_argument("--force", action="store_true", help="replace an existing catalogue file and its rows")
    parser.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop", help="what to do with a bad row (default: stop)"
    )


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Write a catalogue file for a table and load its rows."""
    (path,) = _expand_one(parsed.file)
    names = _choose_names(parsed, Path(path).name)
    target = _catalogue_folder(settings) / f"{names[0]}.toml"
    catalogue = _load_without(settings, target, parsed.force or parsed.dry_run)
    _check_names(catalogue, names)
    with console.status(f"looking at {path} ..."):
        draft = draft_catalogue(profile_file(path), names[0], parsed.title)
    text = to_toml(
        draft, PublishedNames(*names, _schema_description(catalogue, names[1], settings), settings.publisher)
    )
    if parsed.dry_run:
        print(text, end="")
        return 0
    collection = _install(text, target, names[0], settings)
    _print_draft(draft, target)
    if parsed.no_load:
        return 0
    code = _load_rows(collection, path, target, parsed.on_error, settings)
    if not parsed.no_check:
        _print_check(check_service(settings))
    return code


def _expand_one(name: str) -> list[str]:
    """Return the path of the file as a list of one.

    Raises UsageError for standard input, which cannot be read twice, and for a pattern that matches several files.
    """
    if name == "-":
        raise UsageError(
            "publish reads its file twice, so it cannot read standard input",
            hint="write it to a file",
            code=Code.SETTINGS_INVALID,
        )
    paths = expand_paths([name])
    if len(paths) > 1:
        raise UsageError(
            f"{name} matches {len(paths)} files, but publish takes one",
            hint="publish one, then load the others",
            code=Code.SETTINGS_INVALID,
        )
    return paths


def _choose_names(parsed: argparse.Namespace, file: str) -> tuple[str, str]:
    """Return the names of the table and of its schema."""
    name = parsed.name or derive_table_name(file)
    for option, value in (("--name", name), ("--schema", parsed.schema)):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", value) or normalise_name(value) != value:
            raise UsageError(
                f"{value!r} is not a valid name in queries",
                hint="use letters, digits, underscores and no reserved word,"
                f" such as {option} {normalise_name(value).lower()}",
                code=Code.SETTINGS_INVALID,
            )
    return name, parsed.schema


def _catalogue_folder(settings: Settings) -> Path:
    """Return the folder for catalogue files: the first of the setting `schemas`, or the one in the data folder."""
    folders = [Path(folder) for folder in settings.schemas.split(":") if folder]
    return next((folder for folder in folders if not folder.is_file()), get_catalogue_folder(settings.data))


def _load_without(settings: Settings, target: Path, force: bool) -> Catalogue:
    """Load the catalogue without the file `target`.

    Raises UsageError where the file exists and `force` is not set.
    """
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        return load_site_catalogue(settings)
    if not force:
        raise UsageError(
            f"{target} exists",
            hint="--force replaces it; vo-server load replaces only its rows",
            code=Code.CATALOGUE_INVALID,
        )
    with _hide(target):
        return load_site_catalogue(settings)


@contextmanager
def _hide(target: Path) -> Iterator[None]:
    """Rename a catalogue file for the duration of the block, so that it is not read."""
    hidden = target.with_suffix(".toml.before")
    target.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(target)


def _check_names(catalogue: Catalogue, names: tuple[str, str]) -> None:
    """Raise UsageError where another table has these names."""
    id, schema = names
    for each in catalogue.collections:
        used = {each.id.lower(), *(t.qualified_name.lower() for t in each.tables)}
        if used & {id.lower(), f"{schema}.{id}".lower()}:
            raise UsageError(
                f"the name is already used by {each.table.qualified_name} ({each.id})",
                hint="--name sets another name",
                code=Code.SETTINGS_INVALID,
            )


def _schema_description(catalogue: Catalogue, schema: str, settings: Settings) -> str | None:
    """Return a description of the schema, where no other file has one."""
    if any(s.name == schema and s.description for s in catalogue.schemas):
        return None
    return f"Tables published by {settings.publisher}." if settings.publisher else "Published tables."


def _install(text: str, target: Path, id: str, settings: Settings) -> Collection:
    """Write the catalogue file, load it and return its collection.

    Raises CatalogueError where it is invalid; the previous file is then restored.
    """
    previous = target.read_bytes() if target.exists() else None
    _replace_file(target, text.encode())
    try:
        return find_collection(load_site_catalogue(settings), id)
    except ServiceError:
        if previous is None:
            target.unlink()
        else:
            _replace_file(target, previous)
        raise


def _replace_file(target: Path, data: bytes) -> None:
    with write_atomically(target) as file:
        file.write(data)


def _print_check(report: CheckReport) -> None:
    """Print the findings of a check."""
    for line, finding in report.format_lines():
        say(line, "red" if finding.severity == "error" else "yellow")
    say(f"checked: {report.summary} (see vo-server check)")


def _print_draft(draft: Draft, target: Path) -> None:
    guesses = target.read_text("utf-8").count("# guess: ")
    columns = format_count(len(draft.columns), "column")
    say(f"{target}: {columns}, with {format_count(guesses, 'guess', 'guesses')} marked in it: please review")
    if isinstance(draft.position, PositionColumns):
        say(f"position: {draft.position.ra}, {draft.position.dec} ({draft.position.why})")
    else:
        say(f"no position found, so there is no cone search: {draft.position.why}", "yellow")
    if draft.number is not None:
        say(f"no column identifies the rows, so {draft.number} numbers them")


def _load_rows(collection: Collection, path: str, target: Path, on_error: str, settings: Settings) -> int:
    try:
        with progress_bar() as bar:
            result = load(
                collection,
                [path],
                DataDirectory(settings.data),
                sink=open_sink(settings.engine),
                on_error="skip" if on_error == "skip" else "stop",
                progress=load_reporter(bar, collection.table.qualified_name),
            )
    except ServiceError:
        say(f"correct {target}, then: vo-server load {collection.id} {path}", "yellow")
        raise
    print_load_summary(collection, result)
    what = f"a cone search at {get_path(collection)} and a record at /oai" if collection.cone else "a record at /oai"
    say(f"Start or restart the server to serve it at /tap as {collection.table.qualified_name}, with {what}.")
    return 3 if result.rejected else 0

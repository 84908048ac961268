"""vo-server publish: a table's file into a catalogue file and its rows into the service."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vo_server.app import catalogue_of
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.check import Report
from vo_server.commands.catalogues import collection
from vo_server.commands.check import check_service
from vo_server.commands.command import Command
from vo_server.commands.load import say_loaded
from vo_server.commands.terminal import bar, out, say, watch
from vo_server.engines.store import Store, published_in
from vo_server.errors import ServiceError, UsageError
from vo_server.load.inputs import expand
from vo_server.load.load import load
from vo_server.load.sinks import sink
from vo_server.publish.draft import Draft, drafted
from vo_server.publish.names import plainly, stem
from vo_server.publish.position import Place
from vo_server.publish.profile import described
from vo_server.publish.toml import Names, written
from vo_server.settings import Settings

SCHEMA = "published"
"""The schema of tables for which no other is named."""

_EXAMPLES = """examples:
  vo-server publish stars.fits                     as table published.stars
  vo-server publish cat.csv.gz --name stars --title 'Stars of the Example Survey'
  vo-server publish stars.vot --dry-run            only show the catalogue file
  vo-server publish stars.vot --no-load            write it, to be finished before the rows are loaded

FITS, Parquet, VOTable, CSV, TSV, ECSV and IPAC tables are told by their
content, gzip or not. Names, types, units, UCDs and descriptions are taken from
the file; what it does not say is guessed from names and values, and marked in
the catalogue file for you to correct."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the table")
    parser.add_argument("--name", metavar="NAME", help="what the table is to be called (default: after the file)")
    parser.add_argument("--title", metavar="TEXT", help="its title")
    parser.add_argument(
        "--schema", metavar="NAME", default=SCHEMA, help=f"the schema it is to lie in (default: {SCHEMA})"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="write the catalogue file to standard output, nothing else"
    )
    parser.add_argument("--no-load", action="store_true", help="write the catalogue file, and load no rows")
    parser.add_argument("--no-check", action="store_true", help="do not check the service afterwards")
    parser.add_argument("--force", action="store_true", help="replace a catalogue file that is there, and its rows")
    parser.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop", help="what a bad row does (default: stop)"
    )


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Write a catalogue file for a table and load its rows."""
    (path,) = _one(parsed.file)
    names = _names(parsed, Path(path).name)
    target = _folder(settings) / f"{names[0]}.toml"
    catalogue = _without(settings, target, parsed.force or parsed.dry_run)
    _check(catalogue, names)
    with out.status(f"looking at {path} ..."):
        draft = drafted(described(path), names[0], parsed.title)
    text = written(draft, Names(*names, _schema_text(catalogue, names[1], settings), settings.publisher))
    if parsed.dry_run:
        print(text, end="")
        return 0
    wanted = _put(text, target, names[0], settings)
    _say_written(draft, target)
    if parsed.no_load:
        return 0
    code = _load(wanted, path, target, parsed.on_error, settings)
    if not parsed.no_check:
        _say_checked(check_service(settings))
    return code


def _one(name: str) -> list[str]:
    """The file; standard input could not be read twice."""
    if name == "-":
        raise UsageError("publish reads its file twice: standard input can be read once", hint="write it to a file")
    found = expand([name])
    if len(found) > 1:
        raise UsageError(
            f"{name} means {len(found)} files, and one is published at a time", hint="publish one, then load"
        )
    return found


def _names(parsed: argparse.Namespace, file: str) -> tuple[str, str]:
    """The name of the table, and of its schema."""
    name = parsed.name or stem(file)
    for given in (name, parsed.schema):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", given) or plainly(given) != given:
            raise UsageError(
                f"a table cannot be called {given!r} in queries",
                hint=f"letters, digits and underscores, and no word of ADQL, such as --name {plainly(given).lower()}",
            )
    return name, parsed.schema


def _folder(settings: Settings) -> Path:
    """Where catalogue files are written: the first of the operator's folders, else beside the data."""
    further = [Path(folder) for folder in settings.schemas.split(":") if folder]
    return next((folder for folder in further if not folder.is_file()), published_in(settings.data))


def _without(settings: Settings, target: Path, force: bool) -> Catalogue:
    """What is published beside this.

    Raises UsageError where the file is there already, and is not to be replaced.
    """
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        return catalogue_of(settings)
    if not force:
        raise UsageError(
            f"{target} is there already", hint="--force writes it anew; vo-server load replaces its rows alone"
        )
    with _aside(target):
        return catalogue_of(settings)


@contextmanager
def _aside(target: Path) -> Iterator[None]:
    """The catalogue file out of the way, as if it were not there."""
    hidden = target.with_suffix(".toml.before")
    target.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(target)


def _check(catalogue: Catalogue, names: tuple[str, str]) -> None:
    """Raises UsageError where the names are those of another table."""
    id, schema = names
    for each in catalogue.collections:
        taken = {each.id.lower(), *(t.qualified.lower() for t in each.tables)}
        if taken & {id.lower(), f"{schema}.{id}".lower()}:
            raise UsageError(
                f"there is a table {each.table.qualified} called {each.id} already", hint="--name takes another"
            )


def _schema_text(catalogue: Catalogue, schema: str, settings: Settings) -> str | None:
    """What the schema is, where no other file says it."""
    if any(s.name == schema and s.description for s in catalogue.schemas):
        return None
    return f"Tables published by {settings.publisher}." if settings.publisher else "Tables that are published here."


def _put(text: str, target: Path, id: str, settings: Settings) -> Collection:
    """The catalogue file in its place, if it can be read there.

    Raises CatalogueError, and leaves what was there.
    """
    before = target.read_bytes() if target.exists() else None
    _replace(target, text.encode())
    try:
        return collection(catalogue_of(settings), id)
    except ServiceError:
        if before is None:
            target.unlink()
        else:
            _replace(target, before)
        raise


def _replace(target: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)
    Path(file.name).rename(target)


def _say_checked(report: Report) -> None:
    """What was found in the service as it is now."""
    for line, finding in report.lines():
        say(line, "red" if finding.severity == "error" else "yellow")
    say(f"checked: {report.summary} (vo-server check tells more)")


def _say_written(draft: Draft, target: Path) -> None:
    guesses = target.read_text("utf-8").count("# guess: ")
    say(f"{target}: {len(draft.columns)} columns; {guesses} guesses are marked in it, please look at them")
    if isinstance(draft.place, Place):
        say(f"position: {draft.place.ra}, {draft.place.dec} ({draft.place.why})")
    else:
        say(f"no position was found, and so there will be no cone search: {draft.place.why}", "yellow")
    if draft.number is not None:
        say(f"no column names the rows, so {draft.number} counts them")


def _load(wanted: Collection, path: str, target: Path, on_error: str, settings: Settings) -> int:
    try:
        with bar() as shown:
            done = load(
                wanted,
                [path],
                Store(settings.data),
                sink=sink(settings.engine),
                on_error="skip" if on_error == "skip" else "stop",
                progress=watch(shown, wanted.table.qualified),
            )
    except ServiceError:
        say(f"correct {target}, then: vo-server load {wanted.id} {path}", "yellow")
        raise
    say_loaded(wanted, done)
    cone = f", has a cone search at /cone/{wanted.id}" if wanted.cone else ""
    say(f"It is in /tap as {wanted.table.qualified}{cone}, and is in the registry at /oai. Restart a server that runs.")
    return 3 if done.rejected else 0


PUBLISH = Command("publish", "describe a table's file in a catalogue file and load it", _run, _arguments, _EXAMPLES)

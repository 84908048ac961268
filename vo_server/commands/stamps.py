"""vo-server stamps: postage stamps of the extended sources, made of Atlas images and of rows of the two catalogues."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vo_server.answer import meaning, prepared
from vo_server.app import catalogue_of, engine_of
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.commands.command import Command
from vo_server.commands.terminal import bar, say
from vo_server.errors import Fault, UsageFault
from vo_server.images import files, image, stamp
from vo_server.images.stamp import Coadd, Galaxy, Stars
from vo_server.settings import Settings, image_root

_EXAMPLES = """examples:
  vo-server stamps                             of all sources whose coadds are there
  vo-server stamps --where 'k_m_k20fe < 10'    of some; columns of the XSC, in ADQL
  vo-server load stamps                        then their inventory

The files are written below DATA/images/stamps under the names of the release.
What is there already stays: a run that was broken off goes on where it was."""

_AROUND = 60.0
"""Arcseconds about a stamp whose stars are looked at, too: their light reaches in, and they give the profile."""

_ALL = 1 << 40

Key = tuple[Any, ...]
"""Night, hemisphere, scan and image number of a coadd."""

Ask = Callable[[str], Iterator[dict[str, Any]]]
"""The rows of a query, one by one."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--where", metavar="ADQL", help="which sources, as a condition on columns of twomass.xsc")
    parser.add_argument("--again", action="store_true", help="make those anew that are there")


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make postage stamps."""
    folder, atlas = image_root(settings, "stamps"), image_root(settings, "atlas")
    if "://" in folder:
        raise UsageFault(f"stamps cannot be written to {folder}", hint="image_roots may give a folder of the disk")
    catalogue = with_tap_schema(catalogue_of(settings))
    engine = engine_of(settings, catalogue)

    def ask(text: str) -> Iterator[dict[str, Any]]:
        made = prepared(meaning(text, catalogue).query, engine, _ALL)
        for batch in engine.run(made.statement, made.slots).batches():
            yield from pa.Table.from_batches([batch]).to_pylist()

    try:
        return _made(list(ask(_sources(parsed.where))), Path(folder), ask, atlas, parsed.again)
    finally:
        engine.close()


def _made(rows: list[dict[str, Any]], folder: Path, ask: Ask, atlas: str, again: bool) -> int:
    made = there = without = 0
    faults: list[str] = []
    with bar() as shown:
        for row in shown.track(rows, description="stamps"):
            file = folder / stamp.file_name(f"{row['date']:%y%m%d}", row["hemis"], row["scan"], row["coadd"], row["id"])
            if file.exists() and not again:
                there += 1
                continue
            try:
                data = _stamp(row, ask, atlas)
            except Fault as fault:
                faults.append(f"{row['designation']}: {fault}")
                continue
            if data is None:
                without += 1
                continue
            _write(file, data)
            made += 1
    say(f"stamps: {made:,} made, {there:,} were there, {without:,} sources have no Atlas images of their coadd")
    for said in faults[:20]:
        say(f"  {said}", "red")
    if faults:
        say(f"{len(faults):,} could not be made", "red")
    return 3 if faults else 0


def _write(file: Path, data: bytes) -> None:
    """A file that is whole as soon as it is there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(data)
    part.replace(file)


def _sources(where: str | None) -> str:
    wanted = 'designation, ra, dec, r_k20fe, sup_ba, sup_phi, im_nx, ext_key, "date", hemis, scan, coadd, id'
    return f"SELECT {wanted} FROM twomass.xsc" + (f" WHERE {where}" if where else "")


def _stamp(row: dict[str, Any], ask: Ask, atlas: str) -> bytes | None:
    """The stamp of a row of the XSC, of its own coadd and, beyond its edges, of those that have most of the rest.

    None where its own coadd is not there in all three bands: a stamp is named after it.
    """
    galaxy = Galaxy(
        row["designation"], row["ra"], row["dec"], _or(row["r_k20fe"], 5.0), _or(row["sup_ba"], 1.0),
        _or(row["sup_phi"], 90.0), row["im_nx"], row["ext_key"],
    )  # fmt: skip
    reach = stamp.side(galaxy) / 3600 / 2**0.5
    place = f"{galaxy.ra!r}, {galaxy.dec!r}"
    with ExitStack() as stack:
        found = dict(_coadds(ask(_images(place, reach)), atlas, stack))
        own = found.pop(_key(row), None)
        if own is None:
            return None
        coadds = [own, *sorted(found.values(), key=lambda coadd: -stamp.coverage(coadd[0], galaxy))]
        return stamp.stamp(coadds, galaxy, _stars(list(ask(_points(place, reach + _AROUND / 3600)))))


def _key(row: dict[str, Any]) -> Key:
    return row["date"], row["hemis"], row["scan"], row["coadd"]


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or not np.isfinite(value) else float(value)


def _images(place: str, reach: float) -> str:
    return (
        'SELECT "date", hemis, scan, coadd, band, path FROM twomass.atlas'
        f" WHERE 1 = INTERSECTS(CIRCLE({place}, {reach!r}), footprint)"
        ' ORDER BY "date", hemis, scan, coadd, band'
    )


def _points(place: str, reach: float) -> str:
    near = f"1 = CONTAINS(POINT(ra, dec), CIRCLE({place}, {reach!r}))"
    return f"SELECT ra, dec, j_m, h_m, k_m FROM twomass.psc WHERE {near}"


def _coadds(rows: Iterator[dict[str, Any]], atlas: str, stack: ExitStack) -> Iterator[tuple[Key, Coadd]]:
    """Those of which all three bands are there, open until the stack is left."""
    for key, group in groupby(rows, key=_key):
        paths = {row["band"]: row["path"] for row in group}
        if {"J", "H", "K"} <= set(paths):
            opened = partial(_opened, stack, atlas)
            yield key, (opened(paths["J"]), opened(paths["H"]), opened(paths["K"]))


def _opened(stack: ExitStack, atlas: str, path: str) -> image.Image:
    return stack.enter_context(image.opened(files.below(atlas, path)))


def _stars(rows: list[dict[str, Any]]) -> Stars:
    def column(name: str) -> Any:
        return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=float)

    return Stars(column("ra"), column("dec"), np.stack([column(n) for n in ("j_m", "h_m", "k_m")], axis=1))


STAMPS = Command("stamps", "make postage stamps of extended sources", _run, _arguments, _EXAMPLES)

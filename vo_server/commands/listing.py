"""vo-server catalogues: what there is, and what is known of the columns of a table."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table as Shown

from vo_server.app import catalogue_of, engine_of
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.commands.catalogues import collection
from vo_server.commands.command import Command
from vo_server.engines.engine import Engine
from vo_server.model.column import Table
from vo_server.model.statistics import spoken
from vo_server.settings import Settings

_WIDEST = 200
"""Characters of a line where there is no terminal."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", nargs="?", metavar="TABLE", help="show its columns, and what is known of their values")


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """List the catalogues, or the columns of one."""
    catalogue = catalogue_of(settings)
    wanted = collection(catalogue, parsed.table).table if parsed.table else None
    engine = engine_of(settings, with_tap_schema(catalogue))
    try:
        made = _catalogues(catalogue, engine) if wanted is None else _columns(wanted, engine)
    finally:
        engine.close()
    out = Console(highlight=False)
    Console(highlight=False, width=None if out.is_terminal else _WIDEST).print(made)
    return 0


def _catalogues(catalogue: Catalogue, engine: Engine) -> Shown:
    made = _shown("name", "table", "rows", "columns", "cone search", "title")
    for each in catalogue.collections:
        rows = engine.rows(each.table)
        said = "not loaded" if rows is None else f"{rows:,}"
        cone = "no" if each.cone is None else f"/cone/{each.id}"
        made.add_row(each.id, each.table.qualified, said, str(len(each.table.columns)), cone, each.table.title or "")
    return made


def _columns(table: Table, engine: Engine) -> Shown:
    facts = engine.facts(table)
    made = _shown("column", "type", "unit", "UCD", "values", "missing")
    for column in table.columns:
        known = facts.statistics.get(column.name) if facts else None
        values, missing = ("", "") if known is None else (spoken(known), f"{known.nulls:,}")
        made.add_row(column.name, column.spelt, column.unit or "", column.ucd or "", values, missing)
    return made


def _shown(*names: str) -> Shown:
    made = Shown(box=None, pad_edge=False)
    for name in names:
        made.add_column(name, justify="right" if name in ("rows", "columns", "missing") else "left", overflow="fold")
    return made


CATALOGUES = Command("catalogues", "list the catalogues, or the columns of one", _run, _arguments)

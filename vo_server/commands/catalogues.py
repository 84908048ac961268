"""vo-server catalogues: list the collections, or the columns of a table with their statistics."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table as RichTable

from vo_server.assembly import load_site_catalogue, open_site_engine
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.commands.catalogue_lookup import find_collection
from vo_server.engines.engine import Engine
from vo_server.model.column import Table
from vo_server.model.statistics import format_range
from vo_server.protocols.cone import get_path
from vo_server.settings import Settings

_WIDTH_WITHOUT_TERMINAL = 200
"""Characters of a line where there is no terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "table", nargs="?", metavar="TABLE", help="show the columns of this table and the statistics of their values"
    )


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """List the collections, or the columns of one."""
    catalogue = load_site_catalogue(settings)
    table = find_collection(catalogue, parsed.table).table if parsed.table else None
    engine = open_site_engine(settings, add_tap_schema(catalogue))
    try:
        output = _list_collections(catalogue, engine) if table is None else _list_columns(table, engine)
    finally:
        engine.close()
    terminal = Console(highlight=False)
    Console(highlight=False, width=None if terminal.is_terminal else _WIDTH_WITHOUT_TERMINAL).print(output)
    return 0


def _list_collections(catalogue: Catalogue, engine: Engine) -> RichTable:
    table_view = _new_table("name", "table", "rows", "columns", "cone search", "title")
    for each in catalogue.collections:
        rows = engine.count_rows(each.table)
        count = "not loaded" if rows is None else f"{rows:,}"
        cone = "no" if each.cone is None else get_path(each)
        table_view.add_row(
            each.id, each.table.qualified_name, count, str(len(each.table.columns)), cone, each.table.title or ""
        )
    return table_view


def _list_columns(table: Table, engine: Engine) -> RichTable:
    facts = engine.get_facts(table)
    table_view = _new_table("column", "type", "unit", "UCD", "values", "missing")
    for column in table.columns:
        statistics = facts.statistics.get(column.name) if facts else None
        values, missing = ("", "") if statistics is None else (format_range(statistics), f"{statistics.nulls:,}")
        table_view.add_row(column.name, column.adql_type, column.unit or "", column.ucd or "", values, missing)
    return table_view


def _new_table(*names: str) -> RichTable:
    table_view = RichTable(box=None, pad_edge=False)
    for name in names:
        table_view.add_column(
            name, justify="right" if name in ("rows", "columns", "missing") else "left", overflow="fold"
        )
    return table_view

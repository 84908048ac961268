"""vo-server check: are the catalogue files in order, and what is loaded."""

from __future__ import annotations

import argparse

from vo_server.app import catalogue_of
from vo_server.commands.catalogues import loaded
from vo_server.commands.command import Command
from vo_server.settings import Settings


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Read the catalogue files and list the catalogues; a file that contradicts itself is a fault."""
    catalogue = catalogue_of(settings)
    there = loaded(settings, catalogue)
    for publication in catalogue.publications:
        table = publication.table
        cone = "cone search" if publication.cone else "no cone search"
        state = f"loaded ({there[publication.id]})" if publication.id in there else "not loaded"
        print(f"{publication.id}: {table.qualified}, {len(table.columns)} columns, {cone}, {state}")
    return 0


CHECK = Command("check", "read the catalogue files and list the catalogues", _run)

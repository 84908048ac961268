"""ObsCore 1.1: the table ivoa.obscore, which lists the images of all collections in the same columns.

Its rows are not stored: obscore/query.py replaces it in each query by the inventories of the collections.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from vo_server.catalogue.catalogue import Catalogue, Collection, Schema
from vo_server.catalogue.load import find_builtin_schemas, load_standard
from vo_server.model.column import Table

DATA_MODEL = "ivo://ivoa.net/std/ObsCore#core-1.1"


@cache
def load_obscore() -> tuple[Schema, Table]:
    """Return the schema ivoa and its table obscore."""
    schema, (table,) = load_standard(find_builtin_schemas() / "standard" / "obscore.toml")
    return schema, replace(table, kind="view")


def add_obscore(catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with ivoa.obscore as its last table, if it has image collections and not yet that table."""
    schema, table = load_obscore()
    if table in catalogue.tables or not get_image_collections(catalogue):
        return catalogue
    return catalogue.with_tables([table], schema)


def get_image_collections(catalogue: Catalogue) -> tuple[Collection, ...]:
    """Return the image collections of a catalogue."""
    return tuple(c for c in catalogue.collections if c.images is not None)

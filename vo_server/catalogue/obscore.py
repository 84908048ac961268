"""ObsCore 1.1: the table ivoa.obscore, which tells the images of all collections in the same columns.

It is kept nowhere: adql/imagery.py puts the inventories of the collections in its place, in every query.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from vo_server.catalogue.catalogue import Catalogue, Collection, Schema
from vo_server.catalogue.load import builtin_schemas, load_standard
from vo_server.model.column import Table

DATA_MODEL = "ivo://ivoa.net/std/ObsCore#core-1.1"


@cache
def obscore() -> tuple[Schema, Table]:
    """The schema ivoa and its table obscore."""
    schema, (table,) = load_standard(builtin_schemas() / "standard" / "obscore.toml")
    return schema, replace(table, kind="view")


def with_obscore(catalogue: Catalogue) -> Catalogue:
    """The catalogue with ivoa.obscore, after all others, where it has image collections; itself when it has it."""
    schema, table = obscore()
    if table in catalogue.tables or not image_collections(catalogue):
        return catalogue
    return catalogue.with_tables([table], schema)


def image_collections(catalogue: Catalogue) -> tuple[Collection, ...]:
    """The collections that are inventories of images."""
    return tuple(p for p in catalogue.collections if p.images is not None)

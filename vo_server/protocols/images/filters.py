"""Filters of the images of a collection besides their position: night, scan, band, name.

A filter has all names of its column in the catalogue file, among them those of IRSA's services of 2MASS (ds, band, hem,
date).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from vo_server.adql.semantics import query as q
from vo_server.catalogue.catalogue import Collection
from vo_server.errors import Code, UsageError
from vo_server.http import dali
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.query import InventoryRow
from vo_server.obscore.templates import template_columns
from vo_server.protocols.images import parameters

ALL_BANDS = ("A", "ALL")
"""The values of a band filter that select all bands."""


@dataclass(frozen=True, slots=True)
class ImageFilters:
    """The filters of a collection: the request parameters that are columns of its inventory."""

    collection: Collection

    def list_columns(self) -> dict[str, Column]:
        """Return the filter columns, those in the titles of the images and their names, by all parameter names."""
        table, images = self.collection.table, self.collection.images
        assert images is not None and table.identifier is not None  # no images without one
        names = [*template_columns(images.title), *template_columns(images.observation or ""), table.identifier]
        columns = {name: table.get_column(name) for name in dict.fromkeys(names)}
        also = {other: columns[name] for other, name in self.collection.files.also.items() if name in columns}
        return columns | also

    def describe(self) -> list[tuple[str, str]]:
        """Return each parameter name and its description."""
        described = [(name, column.description or "") for name, column in self.list_columns().items()]
        return [*described, ("ds", f"Data set: {', '.join(self._list_datasets())}")]

    def build_conditions(self, params: dali.Parameters, row: InventoryRow) -> Iterator[q.Condition]:
        """Yield a condition for each parameter of the request that is a filter.

        Raises UsageError for a value that does not fit its column.
        """
        images = self.collection.images
        for name, column in self.list_columns().items():
            texts = [text.strip() for value in params.get_all(name) for text in value.split(",") if text.strip()]
            if images is not None and column.name == images.band:
                texts = (
                    []
                    if any(text.upper() in ALL_BANDS for text in texts)
                    else [self.parse_band(text) for text in texts]
                )
            if texts:
                yield q.InTest(row.column(column.name), tuple(_parse_value(name, text, column) for text in texts))

    def has_dataset(self, params: dali.Parameters) -> bool:
        """Return whether the requested data set, if there is one, is this collection."""
        dataset = params.get("ds")
        return dataset is None or dataset.lower() in self._list_datasets()

    def _list_datasets(self) -> tuple[str, ...]:
        images = self.collection.images
        assert images is not None
        return (*images.datasets, self.collection.id)

    def parse_band(self, text: str) -> str:
        """Return a band as in the inventory: k and Ks are K.

        Raises UsageError for an unknown band.
        """
        assert self.collection.images is not None
        bands = {b.name.upper(): b.name for b in self.collection.images.bands}
        band = bands.get(text.upper()) or bands.get(text.upper().removesuffix("S"))
        if band is None:
            hint = f"there are {', '.join(bands.values())}"
            raise UsageError(f"there is no band {text!r}", hint=hint, code=Code.REQUEST_BAD_PARAMETER)
        return band


def _parse_value(name: str, text: str, column: Column) -> q.Constant:
    if column.type is types.DATE:
        return q.Constant(_parse_date(name, text), column)
    if column.type.family == "integer":
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
            message = f"{name} must be a non-negative integer, not {text!r}"
            raise UsageError(message, code=Code.REQUEST_BAD_PARAMETER)
        return q.Constant(int(text), column)
    if column.type.family == "real":
        return q.Constant(parameters.parse_number(name, text), column)
    return q.Constant(text, column.replace(length=None))


def _parse_date(name: str, text: str) -> date:
    """Return a date in the form of the survey (980128) or of ISO 8601.

    Raises UsageError for any other.
    """
    try:
        if re.fullmatch(r"\d{6}", text, re.ASCII):
            year = int(text[:2])
            return date((1900 if year > 69 else 2000) + year, int(text[2:4]), int(text[4:]))
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{name} is {text!r}, which is not a date",
            hint="such as 980128 or 1998-01-28",
            code=Code.REQUEST_BAD_PARAMETER,
        ) from None

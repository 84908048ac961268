"""By what else images of a collection are looked for than by their place: night, scan, band, name, under all names that
the catalogue file knows for the columns, those of the services of 2MASS at IRSA among them (ds, band, hem, date)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from vo_server.adql.semantics import query as q
from vo_server.catalogue.catalogue import Collection
from vo_server.errors import UsageError
from vo_server.http import dali
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.query import Row
from vo_server.obscore.templates import columns_of
from vo_server.protocols.images import parameters

ALL = ("A", "ALL")
"""All bands."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The parameters of a collection that are columns of its inventory."""

    publication: Collection

    def names(self) -> dict[str, Column]:
        """The columns by all the names that they have as parameters: those that the titles of the images are made from,
        and their names themselves."""
        table, images = self.publication.table, self.publication.images
        assert images is not None and table.identifier is not None  # no images without one
        wanted = [*columns_of(images.title), *columns_of(images.observation or ""), table.identifier]
        columns = {name: table.column(name) for name in dict.fromkeys(wanted)}
        also = {other: columns[name] for other, name in self.publication.files.also.items() if name in columns}
        return columns | also

    def described(self) -> list[tuple[str, str]]:
        """Each of these names, and what it is."""
        said = [(name, column.description or "") for name, column in self.names().items()]
        return [*said, ("ds", f"Data set: {', '.join(self._datasets())}")]

    def conditions(self, given: dali.Parameters, row: Row) -> Iterator[q.Condition]:
        """What is asked for, a condition for each parameter that is there.

        Raises UsageError for a value that the column cannot have.
        """
        images = self.publication.images
        for name, column in self.names().items():
            said = [v.strip() for value in given.all(name) for v in value.split(",") if v.strip()]
            if images is not None and column.name == images.band:
                said = [] if any(v.upper() in ALL for v in said) else [self.band(v) for v in said]
            if said:
                yield q.In(row.field(column.name), tuple(_value(name, v, column) for v in said))

    def has_dataset(self, given: dali.Parameters) -> bool:
        """Is the data set that is asked for this one?"""
        said = given.one("ds")
        return said is None or said.lower() in self._datasets()

    def _datasets(self) -> tuple[str, ...]:
        images = self.publication.images
        assert images is not None
        return (*images.datasets, self.publication.id)

    def band(self, said: str) -> str:
        """A band as the inventory has it: k and Ks are K.

        Raises UsageError for one that is not there.
        """
        assert self.publication.images is not None
        known = {b.name.upper(): b.name for b in self.publication.images.bands}
        found = known.get(said.upper()) or known.get(said.upper().removesuffix("S"))
        if found is None:
            raise UsageError(f"there is no band {said!r}", hint=f"there are {', '.join(known.values())}")
        return found


def _value(name: str, said: str, column: Column) -> q.Constant:
    if column.type is types.DATE:
        return q.Constant(_night(name, said), column)
    if column.type.family == "integer":
        if not re.fullmatch(r"\d{1,9}", said, re.ASCII):
            raise UsageError(f"{name} is {said!r}, which is not a whole number")
        return q.Constant(int(said), column)
    if column.type.family == "real":
        return q.Constant(parameters.number(name, said), column)
    return q.Constant(said, column.replace(length=None))


def _night(name: str, said: str) -> date:
    """A date as the survey writes it (980128) or as ISO 8601 does."""
    try:
        if re.fullmatch(r"\d{6}", said, re.ASCII):
            year = int(said[:2])
            return date((1900 if year > 69 else 2000) + year, int(said[2:4]), int(said[4:]))
        return date.fromisoformat(said)
    except ValueError:
        raise UsageError(f"{name} is {said!r}, which is no date", hint="such as 980128 or 1998-01-28") from None

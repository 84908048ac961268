"""How a publication's rows look in files: the names of its columns elsewhere, and the layout of the release's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vo_server.catalogue.catalogue import Publication
from vo_server.errors import LoadFault
from vo_server.load.irsa import Layout
from vo_server.model.column import Column

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """The published columns, every name (in lower case) that means one, and the release's own layout."""

    table: str
    columns: tuple[Column, ...]
    names: dict[str, str]
    bulk: Layout
    position: tuple[str, ...]

    def mapped(self, file: str, fields: Sequence[str], warn: Warn) -> tuple[str | None, ...]:
        """The published column behind each of a file's fields, None where there is none, which is warned of.

        A published name wins over another name of the same column, and the first of two over the second.

        Raises LoadFault where the position is missing.
        """
        found = self._chosen(fields)
        left = [f for f, name in zip(fields, found, strict=True) if name is None]
        unknown = [f for f in left if f.strip().lower() not in self.names]
        second = [f for f in left if f not in unknown]
        missing = [name for name in self.position if name not in found]
        if missing:
            raise LoadFault(
                f"{file} has no column {' and no column '.join(missing)}", hint=f"its columns are {', '.join(fields)}"
            )
        if not any(found):
            raise LoadFault(f"{file} has none of the columns of {self.table}")
        if unknown:
            warn(f"{file}: passed over {', '.join(unknown)}: no columns of {self.table}")
        if second:
            warn(f"{file}: passed over {', '.join(second)}: the columns that they mean are there under other names")
        return found

    def known(self, fields: Sequence[str]) -> int:
        """How many of these are names of columns."""
        return sum(f.strip().lower() in self.names for f in fields)

    def _chosen(self, fields: Sequence[str]) -> tuple[str | None, ...]:
        meant = [self.names.get(f.strip().lower()) for f in fields]
        exact = {f.strip().lower() for f in fields}
        taken: set[str] = set()
        chosen: list[str | None] = []
        for field, name in zip(fields, meant, strict=True):
            by_alias = name is not None and field.strip().lower() != name.lower() and name.lower() in exact
            if name is None or by_alias or name in taken:
                chosen.append(None)
            else:
                chosen.append(name)
                taken.add(name)
        return tuple(chosen)


def shape(publication: Publication) -> Shape:
    """The shape of a publication's rows."""
    files, table = publication.files, publication.table
    names = {other.lower(): name for other, name in (*files.also.items(), *files.columns)}
    names |= {c.name.lower(): c.name for c in table.columns}
    bulk = Layout(table.columns, tuple(name for _, name in files.columns), files.delimiter, (files.null,))
    position = () if table.position is None else (table.position.ra, table.position.dec)
    return Shape(table.qualified, table.columns, names, bulk, position)

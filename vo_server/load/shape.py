"""How a publication's rows look in files: the names of its columns elsewhere, and the layout of the release's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vo_server.catalogue.catalogue import Collection
from vo_server.errors import LoadError
from vo_server.load.delimited import Layout
from vo_server.model.column import Column

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """The published columns, every name that means one, exactly and in lower case, and the release's own layout."""

    table: str
    columns: tuple[Column, ...]
    exact: dict[str, str]
    names: dict[str, str]
    bulk: Layout
    position: tuple[str, ...]

    def mapped(self, file: str, fields: Sequence[str], warn: Warn) -> tuple[str | None, ...]:
        """The published column behind each of a file's fields, None where there is none, which is warned of.

        A published name wins over another name of the same column, and the first of two over the second.

        Raises LoadError where the position is missing.
        """
        found = self._chosen(fields)
        left = [f for f, name in zip(fields, found, strict=True) if name is None]
        unknown = [f for f in left if _key(f) not in self.names]
        second = [f for f in left if f not in unknown]
        missing = [name for name in self.position if name not in found]
        if missing:
            raise LoadError(
                f"{file} has no column {' and no column '.join(missing)}", hint=f"its columns are {', '.join(fields)}"
            )
        if not any(found):
            raise LoadError(f"{file} has none of the columns of {self.table}")
        if unknown:
            warn(f"{file}: passed over {', '.join(unknown)}: no columns of {self.table}")
        if second:
            warn(f"{file}: passed over {', '.join(second)}: the columns that they mean are there under other names")
        return found

    def known(self, fields: Sequence[str]) -> int:
        """How many of these are names of columns."""
        return sum(_key(f) in self.names for f in fields)

    def _chosen(self, fields: Sequence[str]) -> tuple[str | None, ...]:
        keys = [_key(field) for field in fields]
        named = [self.exact.get(field) or self.exact.get(field.strip()) for field in fields]
        meant = [name or self.names.get(key) for name, key in zip(named, keys, strict=True)]
        best: dict[str, int] = {}
        for place, (key, name) in enumerate(zip(keys, meant, strict=True)):
            if name is not None and (name not in best or key == name.lower() != keys[best[name]]):
                best[name] = place
        return tuple(n if n is not None and best[n] == i else None for i, n in enumerate(meant))


def _key(field: str) -> str:
    """A field's name for comparison; XML puts an underscore before a name that begins with a digit (_2MASS)."""
    name = field.strip().lower()
    return name[1:] if name[:1] == "_" and name[1:2].isdigit() else name


def shape(publication: Collection) -> Shape:
    """The shape of a publication's rows."""
    files, table = publication.files, publication.table
    exact = dict((*files.also.items(), *files.columns))
    names = {other.lower(): name for other, name in exact.items()}
    names |= {c.name.lower(): c.name for c in table.columns}
    bulk = Layout(table.columns, tuple(name for _, name in files.columns), files.delimiter, (files.null,))
    position = () if table.position is None else (table.position.ra, table.position.dec)
    return Shape(table.qualified, table.columns, exact | {c.name: c.name for c in table.columns}, names, bulk, position)

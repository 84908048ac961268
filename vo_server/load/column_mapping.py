"""The mapping of the fields of files to the columns of a collection, and the layout of its bulk files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vo_server.catalogue.catalogue import Collection
from vo_server.errors import Code, LoadError
from vo_server.load.delimited import DelimitedLayout
from vo_server.model.column import Column

WarningHandler = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The published columns of a collection with all their names in files.

    `exact` maps names as they are, `names` those in lower case, to published columns. `bulk` is the layout of the bulk
    files. `position` has the columns of the position, which a file must have.
    """

    table: str
    columns: tuple[Column, ...]
    exact: dict[str, str]
    names: dict[str, str]
    bulk: DelimitedLayout
    position: tuple[str, ...]

    def map_fields(self, file: str, fields: Sequence[str], warn: WarningHandler) -> tuple[str | None, ...]:
        """Return the published column of each field of a file, None for a field that is ignored, with a warning.

        A published name has precedence over an alternative name of the same column, and the first of two over the
        second. Raises LoadError if the position is missing.
        """
        columns = self._choose_columns(fields)
        ignored = [f for f, name in zip(fields, columns, strict=True) if name is None]
        unknown = [f for f in ignored if _to_key(f) not in self.names]
        repeated = [f for f in ignored if f not in unknown]
        missing = [name for name in self.position if name not in columns]
        if missing:
            raise LoadError(
                f"{file} has no column {' and no column '.join(missing)}",
                hint=f"its columns are {', '.join(fields)}",
                code=Code.LOAD_MISMATCH,
            )
        if not any(columns):
            raise LoadError(f"{file} has none of the columns of {self.table}", code=Code.LOAD_MISMATCH)
        if unknown:
            warn(f"{file}: ignored {', '.join(unknown)}: not columns of {self.table}")
        if repeated:
            warn(f"{file}: ignored {', '.join(repeated)}: the file has these columns under other names, too")
        return columns

    def count_known(self, fields: Sequence[str]) -> int:
        """Return how many of these fields are names of columns."""
        return sum(_to_key(f) in self.names for f in fields)

    def _choose_columns(self, fields: Sequence[str]) -> tuple[str | None, ...]:
        keys = [_to_key(field) for field in fields]
        named = [self.exact.get(field) or self.exact.get(field.strip()) for field in fields]
        targets = [name or self.names.get(key) for name, key in zip(named, keys, strict=True)]
        best: dict[str, int] = {}
        for index, (key, name) in enumerate(zip(keys, targets, strict=True)):
            if name is not None and (name not in best or key == name.lower() != keys[best[name]]):
                best[name] = index
        return tuple(n if n is not None and best[n] == i else None for i, n in enumerate(targets))


def _to_key(field: str) -> str:
    """Return the name of a field for comparison; XML names have an underscore before a first digit (_2MASS)."""
    name = field.strip().lower()
    return name[1:] if name[:1] == "_" and name[1:2].isdigit() else name


def map_columns(collection: Collection) -> ColumnMapping:
    """Return the column mapping of a collection."""
    files, table = collection.files, collection.table
    exact = dict((*files.also.items(), *files.columns))
    names = {other.lower(): name for other, name in exact.items()}
    names |= {c.name.lower(): c.name for c in table.columns}
    bulk = DelimitedLayout(table.columns, tuple(name for _, name in files.columns), files.delimiter, (files.null,))
    position = () if table.position is None else (table.position.ra, table.position.dec)
    return ColumnMapping(
        table.qualified_name, table.columns, exact | {c.name: c.name for c in table.columns}, names, bulk, position
    )

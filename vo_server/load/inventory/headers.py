"""A chunk of an inventory: what was read of some files, rows and errors alike, as the loader validates it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import pyarrow as pa

from vo_server.catalogue.images import ImageCollection
from vo_server.errors import Code, LoadError
from vo_server.load.chunks import SourceRow
from vo_server.load.inventory.fill import RowValues, build_row
from vo_server.load.inventory.header import InventoryError, read_header
from vo_server.model.column import Column, Table
from vo_server.storage.filesystem import open_root
from vo_server.storage.listing import ListedFile

_READ_AHEAD_BYTES = 1 << 15
"""Bytes that are requested of a remote store at once: more than most headers have."""


@dataclass(frozen=True, slots=True)
class InventoryEntry:
    """A file and its row, or the reason why it has none."""

    file: ListedFile
    row: RowValues | None
    reason: str | None = None


def read_headers(images: ImageCollection, root: str, files: Sequence[ListedFile]) -> list[InventoryEntry]:
    """Return the entries of these files, in their order. This runs in the processes of a walk."""
    return [_read_entry(images, root, file) for file in files]


def _read_entry(images: ImageCollection, root: str, file: ListedFile) -> InventoryEntry:
    try:
        system, home = open_root(root)
        with system.open(f"{home}/{file.path}", "rb", block_size=_READ_AHEAD_BYTES) as stream:
            header = read_header(stream)
            if file.size is None:  # a web server's list of files does not give it
                file = replace(file, size=getattr(stream, "size", None))
        return InventoryEntry(file, build_row(images, file, header))
    except InventoryError as error:
        return InventoryEntry(file, None, str(error))
    except OSError as error:
        return InventoryEntry(file, None, f"it cannot be read: {error.strerror or error}")


@dataclass(frozen=True, slots=True)
class InventoryChunk:
    """The entries of consecutive files of a walk, numbered from `first`."""

    root: str
    first: int
    entries: Sequence[InventoryEntry]
    columns: tuple[Column, ...]
    column_names: tuple[str, ...]
    unit: Literal["file"] = "file"

    @property
    def file(self) -> str:
        """The root of the collection."""
        return self.root

    @property
    def exact_columns(self) -> Collection[str]:
        """No column: a value of a header may be too large for its type."""
        return ()

    def to_table(self) -> pa.Table:
        """Return the rows, every published column with its type.

        Raises ArrowInvalid for a file without a row, and for a value that does not fit its column.
        """
        if any(read.row is None for read in self.entries):
            raise pa.ArrowInvalid("a file has no row")
        rows = [read.row or {} for read in self.entries]
        arrays = [pa.array([r.get(c.name) for r in rows], c.type.arrow) for c in self.columns]
        return pa.table(arrays, names=[c.name for c in self.columns])

    def iterate_rows(self) -> Iterator[SourceRow]:
        """Yield the files one by one."""
        for number, read in enumerate(self.entries, self.first):
            values = [] if read.row is None else [_to_text(read.row.get(name)) for name in self.column_names]
            yield SourceRow(number, read.file.path, values, read.reason, read.file.path)

    def drop_rows(self, numbers: Collection[int]) -> InventoryChunk:
        """Return the chunk without the files of these numbers."""
        entries = [read for number, read in enumerate(self.entries, self.first) if number not in numbers]
        return replace(self, entries=entries)


def _to_text(value: object) -> str | None:
    match value:
        case None:
            return None
        case date():
            return value.isoformat()
        case list():
            return " ".join(map(str, value))
        case _:
            return str(value)


LookupValues = Mapping[tuple[object, ...], tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class LookupTable:
    """Rows of another table that complete the inventory: `values` maps `key_columns` to `columns`."""

    table: str
    key_columns: tuple[str, ...]
    columns: tuple[str, ...]
    values: LookupValues

    def fill_row(self, row: RowValues) -> bool:
        """Fill missing values of a row in place, and return whether the table has a row of the image."""
        values = self.values.get(tuple(row.get(name) for name in self.key_columns))
        for name, value in zip(self.columns, values or (), strict=False):
            if row.get(name) is None:
                row[name] = value
        return values is not None


def list_filled_columns(table: Table, images: ImageCollection) -> tuple[str, ...]:
    """Return the names of the columns that a walk fills, in the order of the table.

    Raises LoadError for a required column that no rule fills.
    """
    filled = {f.column for f in images.fills} | {here for look in images.lookups for here, _ in look.take}
    missing = [c.name for c in table.columns if not c.nullable and c.name not in filled]
    if missing:
        message = f"{table.qualified_name}: no rule under [images.fill] fills {', '.join(missing)}"
        raise LoadError(message, code=Code.LOAD_MISMATCH)
    return tuple(c.name for c in table.columns if c.name in filled)

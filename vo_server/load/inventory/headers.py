"""A stretch of an inventory: what was read of some files, rows and refusals alike, as the loader's checks take it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import pyarrow as pa

from vo_server.catalogue.images import Images
from vo_server.errors import LoadError
from vo_server.load.inventory.fill import Row, row
from vo_server.load.inventory.header import Refused, read_header
from vo_server.load.pieces import Record
from vo_server.model.column import Column, Table
from vo_server.storage.listing import Listed, opened

_HEAD = 1 << 15
"""Bytes that are asked of a remote store at once: more than most headers."""


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a file: a row, or the reason why it has none."""

    listed: Listed
    row: Row | None
    reason: str | None = None


def read_all(images: Images, root: str, files: Sequence[Listed]) -> list[Read]:
    """What the headers of these files say. This is what runs in the processes of a walk."""
    return [_read(images, root, listed) for listed in files]


def _read(images: Images, root: str, listed: Listed) -> Read:
    system, home = opened(root)
    try:
        with system.open(f"{home}/{listed.path}", "rb", block_size=_HEAD) as stream:
            header = read_header(stream)
            if listed.size is None:  # a web server's list of files does not tell it
                listed = replace(listed, size=getattr(stream, "size", None))
        return Read(listed, row(images, listed, header))
    except Refused as refused:
        return Read(listed, None, str(refused))
    except OSError as error:
        return Read(listed, None, f"it cannot be read: {error.strerror or error}")


@dataclass(frozen=True, slots=True)
class Headers:
    """Files of a walk, numbered from `first`, as rows of the inventory."""

    root: str
    first: int
    found: Sequence[Read]
    columns: tuple[Column, ...]
    carried: tuple[str, ...]
    unit: Literal["file"] = "file"

    @property
    def file(self) -> str:
        """Where they lie."""
        return self.root

    @property
    def exact(self) -> Collection[str]:
        """None: what a header says may be too large."""
        return ()

    def table(self) -> pa.Table:
        """Every published column, of its type."""
        if any(read.row is None for read in self.found):
            raise pa.ArrowInvalid("a file was refused")
        rows = [read.row or {} for read in self.found]
        arrays = [pa.array([r.get(c.name) for r in rows], c.type.arrow) for c in self.columns]
        return pa.table(arrays, names=[c.name for c in self.columns])

    def records(self) -> Iterator[Record]:
        """The files one by one."""
        for number, read in enumerate(self.found, self.first):
            values = [] if read.row is None else [_text(read.row.get(name)) for name in self.carried]
            yield Record(number, read.listed.path, values, read.reason, read.listed.path)

    def without(self, numbers: Collection[int]) -> Headers:
        """The same without these files."""
        kept = [read for number, read in enumerate(self.found, self.first) if number not in numbers]
        return replace(self, found=kept)


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case date():
            return value.isoformat()
        case list():
            return " ".join(map(str, value))
        case _:
            return str(value)


Known = Mapping[tuple[object, ...], tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Told:
    """What another table knows of images: from the values of the columns `match` to those of the columns `take`."""

    table: str
    match: tuple[str, ...]
    take: tuple[str, ...]
    known: Known

    def add(self, row: Row) -> bool:
        """Fill what is missing in a row; whether the table knows the image."""
        found = self.known.get(tuple(row.get(name) for name in self.match))
        for name, value in zip(self.take, found or (), strict=False):
            if row.get(name) is None:
                row[name] = value
        return found is not None


def carried(table: Table, images: Images) -> tuple[str, ...]:
    """The columns that a walk fills, in the order of the table.

    Raises LoadError where a column that must be there is not among them.
    """
    filled = {f.column for f in images.fills} | {here for look in images.lookups for here, _ in look.take}
    lacking = [c.name for c in table.columns if not c.nullable and c.name not in filled]
    if lacking:
        raise LoadError(f"{table.qualified}: no rule under [images.fill] fills {', '.join(lacking)}")
    return tuple(c.name for c in table.columns if c.name in filled)

"""A table in a file, as its readers return it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa

from vo_server.load.input_files import InputFile
from vo_server.model.column import Column
from vo_server.model.types import Type

CHUNK_ROWS = 20_000
"""Rows of a chunk."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table in an open file: its columns and its metadata.

    `read` yields the rows of some columns, in chunks, under their names in the file. `untyped` columns have no declared
    type: their values are texts of one of these types, the narrowest first. `unit` and `first` define the row numbers
    in messages. `metadata` are further keywords, in lower case, with their values.
    """

    columns: tuple[Column, ...]
    read: Callable[[Sequence[str]], Iterator[pa.Table]]
    untyped: Mapping[str, tuple[Type, ...]] = field(default_factory=dict)
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    unit: Literal["line", "row"] = "row"
    first: int = 1


TableReader = Callable[[InputFile], AbstractContextManager[SourceTable]]


@contextmanager
def open_on_disk(input: InputFile) -> Iterator[Path]:
    """Return the path of the file; gzip and standard input are copied to a temporary file."""
    if input.path is not None:
        yield input.path
        return
    with tempfile.NamedTemporaryFile(prefix="vo-server-") as unpacked:
        shutil.copyfileobj(input.stream, unpacked, 1 << 20)
        unpacked.flush()
        yield Path(unpacked.name)

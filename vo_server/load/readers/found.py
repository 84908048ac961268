"""A table as its file has it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa

from vo_server.load.inputs import Input
from vo_server.model.column import Column
from vo_server.model.types import Type

ROWS = 20_000
"""Rows of a piece."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table in a file that is open: its columns, with all that the file says of them, and what it says of the whole.

    `read` gives the rows of some columns, piece by piece, under the names that the file has for them. The types of
    `loose` columns are not said: their values are texts that may be of any of these, the narrowest first.
    `unit` and `first` are how its rows are counted in messages. `said` are further statements, keywords in lower case.
    """

    columns: tuple[Column, ...]
    read: Callable[[Sequence[str]], Iterator[pa.Table]]
    loose: Mapping[str, tuple[Type, ...]] = field(default_factory=dict)
    name: str | None = None
    description: str | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    unit: Literal["line", "row"] = "row"
    first: int = 1


Reader = Callable[[Input], AbstractContextManager[Found]]


def distinct(names: Sequence[str]) -> list[str]:
    """The names, each once: the second x is x_2."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return made


@contextmanager
def on_disk(input: Input) -> Iterator[Path]:
    """The file as it lies on the disk; what came through gzip or standard input in a temporary one."""
    if input.path is not None:
        yield input.path
        return
    with tempfile.NamedTemporaryFile(prefix="vo-server-") as unpacked:
        shutil.copyfileobj(input.stream, unpacked, 1 << 20)
        unpacked.flush()
        yield Path(unpacked.name)

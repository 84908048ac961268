"""Files of tables as the source of a load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vo_server.catalogue.catalogue import Collection
from vo_server.load.detect_format import pieces
from vo_server.load.inputs import Meter, expand, meter, opened
from vo_server.load.inventory.complete import as_said
from vo_server.load.pieces import Piece
from vo_server.load.shape import Warn, shape


@dataclass(frozen=True, slots=True)
class Files:
    """Files of any kind that recognise.py knows, one after the other."""

    paths: Sequence[str]
    gauge: Meter

    @property
    def names(self) -> Sequence[str]:
        """Their names without folders."""
        return [Path(path).name for path in self.paths]

    def said(self, publication: Collection) -> Collection:
        """Of images headers speak otherwise."""
        return as_said(publication)

    def pieces(self, publication: Collection, folder: Path, warn: Warn) -> Iterator[Piece]:
        """Their rows, as they are said."""
        form = shape(self.said(publication))
        for path in self.paths:
            with opened(path, self.gauge) as input:
                yield from pieces(input, form, warn)

    def done(self) -> None:
        """Nothing was kept."""


def files(names: Sequence[str | Path]) -> Files:
    """The files that these names and patterns mean.

    Raises LoadError where one means nothing.
    """
    paths = expand(names)
    return Files(paths, meter(paths))

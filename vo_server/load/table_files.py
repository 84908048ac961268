"""Table files as the source of a load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vo_server.catalogue.catalogue import Collection
from vo_server.load.chunks import Chunk
from vo_server.load.column_mapping import WarningHandler, map_columns
from vo_server.load.detect_format import read_chunks
from vo_server.load.input_files import Meter, create_meter, expand_paths, open_input
from vo_server.load.inventory.complete import as_header_table


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Files in any supported format, read one after the other."""

    paths: Sequence[str]
    meter: Meter

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the files without folders."""
        return [Path(path).name for path in self.paths]

    def describe_rows(self, collection: Collection) -> Collection:
        """Return the collection with the columns of image headers, if it is one of images."""
        return as_header_table(collection)

    def read_chunks(self, collection: Collection, folder: Path, warn: WarningHandler) -> Iterator[Chunk]:
        """Yield the rows of the files in chunks."""
        mapping = map_columns(self.describe_rows(collection))
        for path in self.paths:
            with open_input(path, self.meter) as input:
                yield from read_chunks(input, mapping, warn)

    def finish(self) -> None:
        """Do nothing: there are no temporary files."""


def find_files(names: Sequence[str | Path]) -> TableFiles:
    """Return the files of these names and patterns.

    Raises LoadError for one without a file.
    """
    paths = expand_paths(names)
    return TableFiles(paths, create_meter(paths))

"""What commands ask of the tables that are loaded, in ADQL, by the road of all queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from typing_extensions import override

from vo_server.answer import meaning, prepared
from vo_server.app import engine_of
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.tap_schema import with_tap_schema
from vo_server.model.column import Table
from vo_server.settings import Settings

_ALL = 1 << 40

Row = tuple[Any, ...]


class Asking(AbstractContextManager["Asking"]):
    """The tables of a server, to be asked until it is closed."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self.catalogue = with_tap_schema(catalogue)
        self._engine = engine_of(settings, self.catalogue)

    def rows(self, text: str) -> Iterator[Row]:
        """The rows of a query, all of them.

        Raises QueryError.
        """
        made = prepared(meaning(text, self.catalogue).query, self._engine, _ALL)
        for batch in self._engine.run(made.statement, made.slots).batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def holds(self, table: Table) -> bool:
        """Is a table loaded?"""
        return self._engine.rows(table) is not None

    def close(self) -> None:
        """Let go of the database."""
        self._engine.close()

    @override
    def __exit__(self, *_: object) -> None:
        self.close()

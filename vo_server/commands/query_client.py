"""ADQL queries of commands over the loaded tables, run in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from typing_extensions import override

from vo_server.answer import compile_query, fetch_rows
from vo_server.assembly import open_site_engine
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.model.column import Table
from vo_server.settings import Settings

Row = tuple[Any, ...]


class QueryClient(AbstractContextManager["QueryClient"]):
    """A connection to the tables of a server, for queries until it is closed."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self.catalogue = add_tap_schema(catalogue)
        self._engine = open_site_engine(settings, self.catalogue)

    def fetch_rows(self, text: str) -> Iterator[Row]:
        """Return all rows of a query.

        Raises QueryError.
        """
        return fetch_rows(compile_query(text, self.catalogue).query, self._engine)

    def is_loaded(self, table: Table) -> bool:
        """Tell whether the rows of a table are loaded."""
        return self._engine.count_rows(table) is not None

    def close(self) -> None:
        """Close the database."""
        self._engine.close()

    @override
    def __exit__(self, *_: object) -> None:
        self.close()

"""SQLAlchemy's dialect for DuckDB: PostgreSQL's with DuckDB's reserved words and numbered parameters."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import duckdb
from sqlalchemy.dialects.postgresql.base import PGDialect, PGIdentifierPreparer

DIALECT = "duckdb"


@lru_cache(maxsize=1)
def read_reserved_words() -> frozenset[str]:
    """Return the words that DuckDB does not take as a name without quotes."""
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'")
        return frozenset(name for (name,) in rows.fetchall())


class DuckDBPreparer(PGIdentifierPreparer):
    """The quoting of identifiers, among them the reserved words of PostgreSQL and DuckDB."""

    def __init__(self, dialect: DuckDBDialect, **options: Any) -> None:
        super().__init__(dialect, **options)
        self.reserved_words = self.reserved_words | read_reserved_words()


class DuckDBDialect(PGDialect):
    """DuckDB's SQL with parameters $1, $2 ...; it compiles statements and opens no connection.

    The package duckdb-engine has a dialect with connections, too, which are not needed here.
    """

    name = DIALECT
    preparer = DuckDBPreparer  # type: ignore[assignment]
    supports_statement_cache = True
    div_is_floordiv = False

    def __init__(self) -> None:
        super().__init__(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

"""SQLAlchemy's dialect for DuckDB: PostgreSQL's with DuckDB's reserved words and numbered parameters."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import duckdb
from sqlalchemy.dialects.postgresql.base import PGDialect, PGIdentifierPreparer

DIALECT = "duckdb"


@lru_cache(maxsize=1)
def reserved_words() -> frozenset[str]:
    """Return the words that DuckDB does not take as a name without quotes."""
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'")
        return frozenset(name for (name,) in rows.fetchall())


class DuckDBPreparer(PGIdentifierPreparer):
    """Quotes the identifiers that are reserved words of PostgreSQL or DuckDB."""

    def __init__(self, dialect: DuckDBDialect, **options: Any) -> None:
        super().__init__(dialect, **options)
        self.reserved_words = self.reserved_words | reserved_words()


class DuckDBDialect(PGDialect):
    """DuckDB's SQL with parameters $1, $2 ...; it compiles statements and opens no connection.

    The package duckdb-engine has a dialect, too, but only its compiler is of use here, and that is PostgreSQL's.
    """

    name = DIALECT
    preparer = DuckDBPreparer  # type: ignore[assignment]
    supports_statement_cache = True
    div_is_floordiv = False

    def __init__(self) -> None:
        super().__init__(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

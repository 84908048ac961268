"""The databases, each under the schemes of its URLs; each knows how to say the sky."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from vo_server.catalogue.catalogue import Catalogue
from vo_server.engines.database import DuckDBLimits
from vo_server.engines.duckdb import DuckDBEngine
from vo_server.engines.engine import Engine
from vo_server.engines.store import DataDirectory
from vo_server.errors import UsageError
from vo_server.extras import import_with_extra
from vo_server.processes import processors

__all__ = ["ENGINES", "Kind", "Opening", "kind_of", "open_engine", "scheme"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What an engine is opened with: its URL, the folder of the embedded one and its limits, what is published, and
    tables that are not loaded but known (TAP_SCHEMA), by qualified name."""

    url: str
    data: Path
    limits: DuckDBLimits
    catalogue: Catalogue
    static: Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Kind:
    """An engine that can be chosen; the embedded one goes by the empty scheme. `at_once` is how many short queries of
    one process it answers at a time: more than that and each only takes longer."""

    schemes: tuple[str, ...]
    open: Callable[[Opening], Engine]
    at_once: int


def _duckdb(given: Opening) -> Engine:
    return DuckDBEngine(DataDirectory(given.data), given.catalogue, static=given.static, limits=given.limits)


def _postgres(given: Opening) -> Engine:
    module = import_with_extra("vo_server.engines.postgres", "postgresql")
    engine: Engine = module.PostgresEngine(given.url, given.catalogue, static=given.static)
    return engine


ENGINES = (
    Kind(("",), _duckdb, max(2, processors())),
    Kind(("postgresql", "postgres"), _postgres, max(8, 2 * processors())),
)


def open_engine(given: Opening) -> Engine:
    """The engine for a URL.

    Raises UsageError for one that is not known.
    """
    return kind_of(given.url).open(given)


def kind_of(url: str) -> Kind:
    """The kind of engine that a URL names.

    Raises UsageError for one that is not known.
    """
    for kind in ENGINES:
        if scheme(url) in kind.schemes:
            return kind
    known = ", ".join(f"{s}://" for kind in ENGINES for s in kind.schemes if s)
    raise UsageError(f"no engine for {scheme(url)}", hint=f"leave it empty for the embedded one, or give {known}")


def scheme(url: str) -> str:
    """What stands before the colon; nothing for the empty URL."""
    return url.partition(":")[0].lower()

"""The registry of database engines: one record in ENGINES and one module for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import pyarrow as pa

from vo_server.catalogue.catalogue import Catalogue
from vo_server.engines.engine import Engine, EngineLimits
from vo_server.engines.sink import Sink
from vo_server.errors import Code, UsageError
from vo_server.extras import import_with_extra
from vo_server.processes import count_processors


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options of an engine.

    `url` is empty for the embedded engine, whose files are in the folder `data`; `static` are tables that are not
    loaded from files (TAP_SCHEMA), by qualified name.
    """

    url: str
    data: Path
    limits: EngineLimits
    catalogue: Catalogue
    static: Mapping[str, pa.Table]


class EngineModule(Protocol):
    """The functions that the module of an engine defines."""

    def open_engine(self, options: EngineOptions) -> Engine:
        """Return the engine; it may connect later, when it is used."""

    def open_sink(self, url: str) -> Sink:
        """Return the sink through which loads write."""

    def find_loaded(self, options: EngineOptions) -> dict[str, str]:
        """Return the ids of the loaded collections, each with its file or its number of rows, for people to read."""


@dataclass(frozen=True, slots=True)
class EngineKind:
    """A kind of database engine.

    `schemes` are those of its URLs, the empty one for the embedded engine. `module` is the dotted name of an
    EngineModule, imported when the engine is used; `extra` is the extra of pyproject.toml with its packages.
    `short_queries` is the number of short queries that one process runs at a time: with more of them each takes
    longer. `has_spill` tells whether queries use the spill folder of this machine.
    """

    name: str
    schemes: tuple[str, ...]
    module: str
    short_queries: int
    extra: str = ""
    has_spill: bool = False

    def import_module(self) -> EngineModule:
        """Import the module of the engine.

        Raises UsageError (SETTINGS.INVALID) if the packages of its extra are not installed.
        """
        return cast(EngineModule, import_with_extra(self.module, self.extra))


ENGINES = (
    EngineKind("duckdb", ("",), "vo_server.engines.duckdb", max(2, count_processors()), has_spill=True),
    EngineKind(
        "postgresql",
        ("postgresql", "postgres"),
        "vo_server.engines.postgres",
        max(8, 2 * count_processors()),
        extra="postgresql",
    ),
)
"""The engines. Another engine is one more record here, and a module."""


def find_engine_kind(url: str) -> EngineKind:
    """Return the kind of engine of a URL.

    Raises UsageError (SETTINGS.INVALID) for an unknown scheme.
    """
    scheme = url.partition(":")[0].lower()
    for kind in ENGINES:
        if scheme in kind.schemes:
            return kind
    known = ", ".join(f"{s}://" for kind in ENGINES for s in kind.schemes if s)
    hint = f"leave it empty for the embedded engine, or give {known}"
    raise UsageError(f"setting engine: unknown engine {scheme!r}", hint=hint, code=Code.SETTINGS_INVALID)


def open_engine(options: EngineOptions) -> Engine:
    """Return the engine of a URL.

    Raises UsageError (SETTINGS.INVALID) for an unknown scheme.
    """
    return find_engine_kind(options.url).import_module().open_engine(options)


def open_sink(url: str) -> Sink:
    """Return the sink of the engine of a URL, through which loads write.

    Raises UsageError (SETTINGS.INVALID) for an unknown scheme.
    """
    return find_engine_kind(url).import_module().open_sink(url)


def find_loaded(options: EngineOptions) -> dict[str, str]:
    """Return the ids of the loaded collections, each with its file or its number of rows."""
    return find_engine_kind(options.url).import_module().find_loaded(options)

"""The registry of engines: another engine is one record and one module."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from vo_server import engines
from vo_server.app import create_app
from vo_server.catalogue.load import load_catalogue
from vo_server.commands.catalogue_lookup import find_loaded
from vo_server.engines import EngineKind, EngineOptions, duckdb
from vo_server.engines.engine import Engine, EngineLimits
from vo_server.engines.sink import Sink
from vo_server.errors import Code, UsageError
from vo_server.settings import Settings


class ToyEngine(duckdb.DuckDBEngine):
    """An engine of its own scheme, over an empty data directory."""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of a toy engine, registered under toy://."""
    module = ModuleType("toy_engine")

    def open_engine(options: EngineOptions) -> Engine:
        directory = duckdb.DataDirectory(options.data)
        return ToyEngine(directory, options.catalogue, static=options.static, limits=options.limits)

    def open_sink(url: str) -> Sink:
        return duckdb.open_sink(url)

    def find_loaded(options: EngineOptions) -> dict[str, str]:
        return {"psc": options.url}

    module.open_engine, module.open_sink, module.find_loaded = open_engine, open_sink, find_loaded  # type: ignore
    monkeypatch.setitem(sys.modules, "toy_engine", module)
    monkeypatch.setattr(engines, "ENGINES", (*engines.ENGINES, EngineKind("toy", ("toy",), "toy_engine", 3)))
    return module


def test_one_record_registers_engine(toy: ModuleType, tmp_path: Path) -> None:
    """The server, loads and commands use an engine by the scheme of its URL."""
    settings = Settings(engine="toy://here", data=tmp_path)
    assert create_app(settings).routes
    catalogue = load_catalogue([])
    options = EngineOptions("toy://here", tmp_path, EngineLimits("64MB"), catalogue, {})
    assert isinstance(engines.open_engine(options), ToyEngine)
    assert engines.open_sink("toy://here") is duckdb.open_sink("")
    assert find_loaded(settings, catalogue) == {"psc": "toy://here"}
    assert engines.find_engine_kind("TOY://x").short_queries == 3


@pytest.mark.parametrize("url", ["oracle://x", "toy://here", "nonsense"])
def test_rejects_unknown_scheme(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        engines.open_sink(url)
    assert raised.value.code == Code.SETTINGS_INVALID
    assert raised.value.hint is not None
    assert "postgresql://" in raised.value.hint


@pytest.mark.parametrize("kind", engines.ENGINES, ids=lambda kind: kind.name)
def test_every_module_has_functions_of_engine(kind: EngineKind) -> None:
    module = kind.import_module()
    assert all(callable(getattr(module, name)) for name in ("open_engine", "open_sink", "find_loaded"))

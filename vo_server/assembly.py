"""The catalogue and the database engine that the settings describe."""

from __future__ import annotations

from pathlib import Path

from vo_server import __version__
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.load import find_builtin_schemas, load_catalogue
from vo_server.catalogue.obscore import add_obscore
from vo_server.catalogue.tap_schema import build_rows
from vo_server.engines import EngineOptions, open_engine
from vo_server.engines.data_directory import get_catalogue_folder
from vo_server.engines.engine import Engine, EngineLimits
from vo_server.settings import Settings

SOFTWARE = f"vo_server/{__version__}"


def load_site_catalogue(settings: Settings, shipped: bool = True) -> Catalogue:
    """Return the published catalogue, from the `shipped` files, the operator's folders and the data folder."""
    operator_folders = [Path(folder) for folder in settings.schemas.split(":") if folder]
    data_folder = get_catalogue_folder(settings.data)
    is_listed = data_folder.resolve() in {folder.resolve() for folder in operator_folders}
    data_folders = [data_folder] if data_folder.is_dir() and not is_listed else []
    shipped_folders = [find_builtin_schemas() / "catalogues"] if shipped else []
    return add_obscore(load_catalogue([*shipped_folders, *operator_folders, *data_folders]))


def open_site_engine(settings: Settings, catalogue: Catalogue) -> Engine:
    """Return the engine that the settings name, with TAP_SCHEMA."""
    return open_engine(make_engine_options(settings, catalogue))


def make_engine_options(settings: Settings, catalogue: Catalogue) -> EngineOptions:
    """Return the options of the engine, with the rows of TAP_SCHEMA."""
    static = {f"tap_schema.{name}": rows for name, rows in build_rows(catalogue).items()}
    limits = EngineLimits(settings.memory, get_spill_folder(settings), settings.threads or None)
    return EngineOptions(settings.engine, settings.data, limits, catalogue, static)


def get_spill_folder(settings: Settings) -> Path:
    """Return the local folder for what queries cannot hold in memory."""
    return Path(settings.spill) if settings.spill else settings.data / "spill"

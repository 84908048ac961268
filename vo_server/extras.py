"""Optional dependencies: modules that need the packages of an extra of pyproject.toml."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from vo_server.errors import Code, UsageError


def import_with_extra(module: str, extra: str) -> ModuleType:
    """Import a module of this package that needs the packages of an extra.

    Raises UsageError with the command that installs the extra where a package is missing.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "vo_server":
            raise
        message = f"the Python package {error.name} is not installed"
        raise UsageError(message, hint=f"pip install 'vo-server[{extra}]'", code=Code.SETTINGS_INVALID) from None

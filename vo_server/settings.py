"""The settings: each with its name, default and help in one row.

A value comes from a flag of the command line, else from a VO_SERVER_* variable, else from a TOML file, else it is the
default. Read once, in __main__; every other room is handed plain values.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

from vo_server.errors import UsageFault

PREFIX = "VO_SERVER_"


def _row(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a server."""

    data: Path = _row(Path("data"), "the folder that holds the loaded catalogues")
    schemas: str = _row("", "further folders of catalogue files, separated by colons")
    host: str = _row("127.0.0.1", "the address to listen on")
    port: int = _row(8000, "the port to listen on")
    public_url: str = _row("", "the URL under which clients reach the server, if it is not the one they ask for")
    workers: int = _row(1, "how many processes serve")
    title: str = _row("vo_server", "the name of the service, for people")
    publisher: str = _row("", "who runs the service")
    contact: str = _row("", "an e-mail address for questions about the service")
    ivoid: str = _row("", "the IVOA identifier of the service, once it is registered")
    maxrec: int = _row(1_000_000, "rows of an answer when the client sets no MAXREC")
    maxrec_hard: int = _row(100_000_000, "rows of an answer at the most")
    timeout: float = _row(300.0, "seconds that a query may keep the database busy")
    memory: str = _row("4GB", "memory that the database of one process may use")
    spill: str = _row("", "a folder for what does not fit into memory (default: beside the data)")
    threads: int = _row(0, "threads of the database of one process (0: as many as there are processors)")
    log_level: str = _row("warning", "how much to log: debug, info, warning or error")


def read(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Settings:
    """The settings from their three sources; a flag that is None was not given.

    Raises UsageFault with the source and the name of what cannot be understood.
    """
    told: dict[str, Any] = {}
    if file is not None:
        told |= {name: _known(name, value, f"{file}") for name, value in _toml(file).items()}
    for name, text in environment.items():
        if name.startswith(PREFIX) and name not in _NOT_OURS:
            setting = name.removeprefix(PREFIX).lower()
            told[setting] = _known(setting, text, "the environment", shown=name)
    told |= {name: value for name, value in flags.items() if value is not None}
    return Settings(**told)


_NOT_OURS = {f"{PREFIX}CONFIG"}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageFault(f"the settings file {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageFault(f"the settings file {file} is not TOML: {error}") from None


def _known(name: str, value: Any, source: str, shown: str = "") -> Any:
    types = get_type_hints(Settings)
    if name not in types:
        close = get_close_matches(name, types, n=1)
        raise UsageFault(f"{source}: no setting {shown or name}", hint=f"did you mean {close[0]}?" if close else None)
    try:
        return types[name](value)
    except (TypeError, ValueError):
        wanted = {int: "a whole number", float: "a number"}.get(types[name], "a text")
        raise UsageFault(f"{source}: {shown or name} is {value!r}, where {wanted} is needed") from None


def described() -> list[tuple[str, Any, str]]:
    """Name, default and help of each setting."""
    return [(f.name, _default(f), f.metadata["help"]) for f in fields(Settings)]


def _default(row: Field[Any]) -> Any:
    return None if row.default is MISSING else row.default

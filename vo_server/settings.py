"""The settings: each with its name, default and help in one row.

A value comes from a flag of the command line, else from a VO_SERVER_* variable, else from a TOML file, else it is the
default. Read once, in __main__; every other room is handed plain values.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Any, get_type_hints

from vo_server.errors import UsageError

PREFIX = "VO_SERVER_"


def _row(default: Any, help: str, *, low: float = -inf, high: float = inf, like: str = "", such: str = "") -> Any:
    """A number has its bounds; a text may have a pattern, and in words what fits it."""
    return field(default=default, metadata={"help": help, "low": low, "high": high, "like": like, "such": such})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a server."""

    data: Path = _row(Path("data"), "the folder that holds the loaded catalogues")
    engine: str = _row("", "the URL of the database, postgresql://USER@HOST/NAME; the embedded one if empty")
    schemas: str = _row("", "further folders of catalogue files, separated by colons")
    image_roots: str = _row(
        "", "where image collections lie, as ID=FOLDER or ID=URL with commas between them; else in DATA/images/ID",
        like=r"|[A-Za-z][\w-]*=[^,=]+(,[A-Za-z][\w-]*=[^,=]+)*", such="a list such as atlas=/archive/2mass,stamps=s3://a/b",
    )  # fmt: skip
    host: str = _row("127.0.0.1", "the address to listen on")
    port: int = _row(8000, "the port to listen on; 0 takes a free one", low=0, high=65535)
    public_url: str = _row(
        "", "the URL under which clients reach the server, if it is not the one they ask for",
        like=r"|https?://\S+", such="a URL such as https://vo.example.org",
    )  # fmt: skip
    workers: int = _row(1, "how many processes serve", low=1)
    title: str = _row("vo_server", "the name of the service, for people")
    publisher: str = _row("", "who runs the service")
    contact: str = _row(
        "", "an e-mail address for questions about the service",
        like=r"|[^\s@]+@([^\s@.]+\.)+[^\s@.]+", such="an e-mail address",
    )  # fmt: skip
    authority: str = _row(
        "", "the IVOA authority under which the registry publishes, such as org.example; see Register",
        like=r"|[A-Za-z0-9][A-Za-z0-9._~-]{2,}", such="an authority such as org.example",
    )  # fmt: skip
    ivoid: str = _row("", "the IVOA identifier of the service, if another registry publishes it")
    maxrec: int = _row(1_000_000, "rows of an answer when the client sets no MAXREC", low=0)
    maxrec_hard: int = _row(100_000_000, "rows of an answer at the most", low=0)
    timeout: float = _row(300.0, "seconds that a query may keep the database busy", low=0.001, high=1e6)
    strict: bool = _row(False, "refuse what goes beyond the standard's ADQL, such as CASE and LIMIT")
    queries: int = _row(4, "long queries that run at once in one process, half of them at most for one client", low=1)
    queue: int = _row(
        100, "queries that may wait for their turn in one process; what comes then is answered with 503", low=0
    )
    upload_limit: int = _row(100_000_000, "bytes that the uploads of a query may have; 0 takes none", low=0)
    upload_hosts: str = _row(
        "", "hosts, separated by blanks, that uploads may be fetched from; a private address must be listed itself",
        like=r"[^/,;]*", such="hosts or host:port, separated by blanks",
    )  # fmt: skip
    job_workers: int = _row(
        2, "processes that run jobs, half of them at most for one client, started by serve; 0 where others do", low=0
    )
    jobs: str = _row(
        "", "the URL of a PostgreSQL database that keeps the jobs of several servers; a file if empty",
        like=r"|(postgresql|postgres|sqlite)://\S+", such="a URL such as postgresql://USER@HOST/NAME",
    )  # fmt: skip
    job_queue: int = _row(1_000, "jobs that may wait to be run; more are refused until there is room", low=1)
    job_results: str = _row(
        "",
        "the folder of what jobs were sent and of their results, or a URL such as s3://a/b; beside the data if empty",
    )
    execution: int = _row(3_600, "seconds that a job may run when its client asks for no other time", low=1)
    execution_hard: int = _row(86_400, "seconds that a job may run at the most", low=1, high=10**8)
    retention: int = _row(7 * 86_400, "seconds that a job is kept when its client asks for no other time", low=1)
    retention_hard: int = _row(30 * 86_400, "seconds that a job is kept at the most", low=1, high=10**9)
    results_limit: int = _row(
        100_000_000_000, "bytes that the results of all jobs may have; then the oldest are destroyed; 0 for no limit",
        low=0,
    )  # fmt: skip
    memory: str = _row(
        "4GB", "memory that the database of one process may use",
        like=r"(?i)\d+(\.\d+)? ?[KMGT]i?B", such="a size such as 4GB or 500MB",
    )  # fmt: skip
    spill: str = _row("", "a folder for what does not fit into memory; beside the data if empty")
    threads: int = _row(0, "threads of the database of one process; 0 for as many as there are processors", low=0)
    log_level: str = _row(
        "warning", "how much to log: debug, info, warning or error",
        like="debug|info|warning|error", such="debug, info, warning or error",
    )  # fmt: skip
    log_format: str = _row(
        "text", "the log's form: text, or json with an object a line", like="text|json", such="text or json"
    )
    log_personal: str = _row(
        "no", "whether the log tells the addresses of clients and the texts of queries: no or yes",
        like="no|yes", such="no or yes",
    )  # fmt: skip
    metrics: str = _row(
        "private", "who may read /metrics: private (clients without a public address), all or none",
        like="private|all|none", such="private, all or none",
    )  # fmt: skip


def image_root(settings: Settings, id: str) -> str:
    """The folder or the URL below which the files of an image collection lie."""
    said = dict(pair.split("=", 1) for pair in settings.image_roots.split(",") if pair)
    return said.get(id) or str((settings.data / "images" / id).absolute())


def read(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Settings:
    """The settings from their three sources; a flag that is None was not given.

    Raises UsageError with the source and the name of what cannot be understood.
    """
    told: dict[str, Any] = {}
    if file is not None:
        told |= {name: _known(name, value, f"{file}: {name}") for name, value in _toml(file).items()}
    for name, text in environment.items():
        if name.startswith(PREFIX) and name not in _NOT_OURS:
            setting = name.removeprefix(PREFIX).lower()
            told[setting] = _known(setting, text, f"the environment: {name}")
    for name, value in flags.items():
        if value is not None:
            told[name] = _known(name, value, f"--{name.replace('_', '-')}")
    return _together(Settings(**told))


def _together(settings: Settings) -> Settings:
    """Raises UsageError where one setting needs another: registry records name who is to be asked, and where."""
    missing = [name for name in ("publisher", "contact", "public_url") if not getattr(settings, name)]
    if settings.authority and missing:
        raise UsageError(f"authority is set, but not {', '.join(missing)}", hint="registry records need them")
    return settings


_NOT_OURS = {f"{PREFIX}CONFIG", f"{PREFIX}VENV"}
"""Variables of the command line and of deploy/demo.sh."""


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the settings file {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the settings file {file} is not TOML: {error}") from None


def _known(name: str, value: Any, source: str) -> Any:
    """The value as the setting's type; `source` tells where the setting was given, and its name there."""
    row = {f.name: f for f in fields(Settings)}.get(name)
    if row is None:
        close = get_close_matches(name, (f.name for f in fields(Settings)), n=1)
        meant = [PREFIX + c.upper() if PREFIX in source else c for c in close]
        raise UsageError(f"{source} is no setting", hint=f"did you mean {meant[0]}?" if meant else None)
    kind = get_type_hints(Settings)[name]
    try:
        made = _as(kind, value)
    except (TypeError, ValueError):
        raise UsageError(f"{source} is {value!r}, where {_KINDS[kind]} is needed") from None
    _check(row, made, source)
    return made


_KINDS = {int: "a whole number", float: "a number", str: "a text", Path: "a path", bool: "true or false"}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _as(kind: Any, value: Any) -> Any:
    """A text may mean any type; what TOML gives as a number must be one here too."""
    if isinstance(value, str) and kind is bool:
        if value.lower() not in _TRUTHS:
            raise ValueError
        return _TRUTHS[value.lower()]
    if isinstance(value, str):
        return kind(value)
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise TypeError
    return kind(value)


def _check(row: Field[Any], value: Any, source: str) -> None:
    low, high, like, such = (row.metadata[key] for key in ("low", "high", "like", "such"))
    if like and not re.fullmatch(like, value):
        raise UsageError(f"{source} is {value!r}, where {such} is needed")
    if isinstance(value, int | float) and not low <= value <= high:
        span = f"{low:,} to {high:,}" if high < inf else f"{low:,} or more"
        raise UsageError(f"{source} is {value}, where {span} is needed")


def described() -> list[tuple[str, Any, str]]:
    """Name, default and help of each setting."""
    return [(f.name, _default(f), f.metadata["help"]) for f in fields(Settings)]


def _default(row: Field[Any]) -> Any:
    return None if row.default is MISSING else row.default

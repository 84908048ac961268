"""The settings, each with its name, default and help in one row.

A value comes from a command-line flag, else from a VO_SERVER_* variable, else from a TOML file, else from the default.
They are read once, in __main__; other packages receive plain values.
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

from vo_server.errors import Code, UsageError

PREFIX = "VO_SERVER_"


def _setting(
    default: Any, help: str, *, low: float = -inf, high: float = inf, pattern: str = "", pattern_help: str = ""
) -> Any:
    """Describe a setting: a number has bounds, a text may have a pattern and a description of what matches it."""
    return field(
        default=default,
        metadata={"help": help, "low": low, "high": high, "pattern": pattern, "pattern_help": pattern_help},
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a server."""

    data: Path = _setting(Path("data"), "the folder that holds the loaded tables, jobs and registry dates")
    engine: str = _setting("", "the URL of the database, postgresql://USER@HOST/NAME; the embedded one if empty")
    schemas: str = _setting("", "additional folders of catalogue files, separated by colons")
    image_roots: str = _setting(
        "", "the roots of image collections, as ID=FOLDER or ID=URL, separated by commas; DATA/images/ID for others",
        pattern=r"|[A-Za-z][\w-]*=[^,=]+(,[A-Za-z][\w-]*=[^,=]+)*", pattern_help="a list such as atlas=/archive/2mass,stamps=s3://a/b",
    )  # fmt: skip
    host: str = _setting("127.0.0.1", "the address to listen on")
    port: int = _setting(8000, "the port to listen on; 0 picks a free port", low=0, high=65535)
    public_url: str = _setting(
        "", "the URL under which clients reach the server, if it differs from the requested one",
        pattern=r"|https?://\S+", pattern_help="a URL such as https://vo.example.org",
    )  # fmt: skip
    workers: int = _setting(1, "the number of server processes", low=1)
    title: str = _setting("vo_server", "the title of the service")
    publisher: str = _setting("", "the organisation that runs the service")
    contact: str = _setting(
        "", "an e-mail address for questions about the service",
        pattern=r"|[^\s@]+@([^\s@.]+\.)+[^\s@.]+", pattern_help="an e-mail address",
    )  # fmt: skip
    authority: str = _setting(
        "", "the IVOA authority under which the registry publishes, such as org.example; see deploy/README.md",
        pattern=r"|[A-Za-z0-9][A-Za-z0-9._~-]{2,}", pattern_help="an authority such as org.example",
    )  # fmt: skip
    ivoid: str = _setting("", "the IVOA identifier of the service, if another registry publishes it")
    maxrec: int = _setting(1_000_000, "default row limit of a result, where the request sets no MAXREC", low=0)
    maxrec_hard: int = _setting(100_000_000, "maximum row limit of a result, whatever MAXREC is", low=0)
    timeout: float = _setting(
        300.0, "time limit of a synchronous query in the database, in seconds", low=0.001, high=1e6
    )
    strict: bool = _setting(False, "reject extensions to ADQL 2.1, such as CASE and LIMIT")
    queries: int = _setting(
        4, "long queries that one process runs at a time; one client gets at most half of them", low=1
    )
    queue: int = _setting(100, "length of the query queue of one process; further queries get 503", low=0)
    upload_limit: int = _setting(
        100_000_000, "size limit of the uploads of a query, in bytes; 0 disables uploads", low=0
    )
    upload_hosts: str = _setting(
        "", "hosts that uploads may be fetched from, as HOST or HOST:PORT, separated by spaces; see deploy/README.md",
        pattern=r"[^/,;]*", pattern_help="hosts or host:port, separated by spaces",
    )  # fmt: skip
    job_workers: int = _setting(
        2, "job workers that serve starts, of which one client gets at most half; 0 where they run elsewhere", low=0
    )
    jobs: str = _setting(
        "", "the URL of a PostgreSQL job database, shared by several servers; a local file if empty",
        pattern=r"|(postgresql|postgres|sqlite)://\S+", pattern_help="a URL such as postgresql://USER@HOST/NAME",
    )  # fmt: skip
    job_queue: int = _setting(1_000, "length of the job queue; further jobs get 503", low=1)
    job_results: str = _setting(
        "",
        "the folder of job uploads and results, or a URL such as s3://a/b; in the data folder if empty",
    )
    execution: int = _setting(3_600, "default time limit of a job, in seconds", low=1)
    execution_hard: int = _setting(86_400, "maximum time limit of a job, in seconds", low=1, high=10**8)
    retention: int = _setting(7 * 86_400, "default lifetime of a job, in seconds", low=1)
    retention_hard: int = _setting(30 * 86_400, "maximum lifetime of a job, in seconds", low=1, high=10**9)
    results_limit: int = _setting(
        100_000_000_000, "total size limit of stored job results, in bytes; the oldest go first; 0 disables it",
        low=0,
    )  # fmt: skip
    memory: str = _setting(
        "4GB", "memory limit of the database of one process",
        pattern=r"(?i)\d+(\.\d+)? ?[KMGT]i?B", pattern_help="a size such as 4GB or 500MB",
    )  # fmt: skip
    spill: str = _setting("", "a folder for data that does not fit into memory; in the data folder if empty")
    threads: int = _setting(0, "database threads of one process; 0 uses one per processor", low=0)
    log_level: str = _setting(
        "warning", "the log level: debug, info, warning or error",
        pattern="debug|info|warning|error", pattern_help="debug, info, warning or error",
    )  # fmt: skip
    log_format: str = _setting(
        "text", "the log format: text, or json (one object per line)", pattern="text|json", pattern_help="text or json"
    )
    log_personal: str = _setting(
        "no", "whether the log contains client addresses and query texts: no or yes",
        pattern="no|yes", pattern_help="no or yes",
    )  # fmt: skip
    metrics: str = _setting(
        "private", "who may read /metrics: private (clients without a public address), all or none",
        pattern="private|all|none", pattern_help="private, all or none",
    )  # fmt: skip


def find_image_root(settings: Settings, id: str) -> str:
    """Return the folder or URL below which the files of an image collection are stored."""
    roots = dict(pair.split("=", 1) for pair in settings.image_roots.split(",") if pair)
    return roots.get(id) or str((settings.data / "images" / id).absolute())


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Settings:
    """Read the settings from their three sources; a flag that is None is ignored.

    Raises UsageError with the source and the name of an invalid setting.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values |= {name: _convert(name, value, f"{file}: {name}") for name, value in _read_toml(file).items()}
    for name, text in environment.items():
        if name.startswith(PREFIX) and name not in _OTHER_VARIABLES:
            setting = name.removeprefix(PREFIX).lower()
            values[setting] = _convert(setting, text, f"the environment: {name}")
    for name, value in flags.items():
        if value is not None:
            values[name] = _convert(name, value, f"--{name.replace('_', '-')}")
    return _check_combinations(Settings(**values))


def _check_combinations(settings: Settings) -> Settings:
    """Return the settings; raise UsageError where one needs another: registry records need a contact."""
    missing = [name for name in ("publisher", "contact", "public_url") if not getattr(settings, name)]
    if settings.authority and missing:
        raise UsageError(
            f"authority is set, but not {', '.join(missing)}",
            hint="registry records need them",
            code=Code.SETTINGS_INVALID,
        )
    return settings


_OTHER_VARIABLES = {f"{PREFIX}CONFIG", f"{PREFIX}VENV"}
"""Variables that are not settings: of the command line and of deploy/demo.sh."""


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the settings file {file} cannot be read: {error.strerror}", code=Code.SETTINGS_INVALID
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the settings file {file} is not TOML: {error}", code=Code.SETTINGS_INVALID) from None


def _convert(name: str, value: Any, source: str) -> Any:
    """Convert a value to the type of its setting; `source` names the setting and its source in messages."""
    row = {f.name: f for f in fields(Settings)}.get(name)
    if row is None:
        close = get_close_matches(name, (f.name for f in fields(Settings)), n=1)
        meant = [PREFIX + c.upper() if PREFIX in source else c for c in close]
        raise UsageError(
            f"{source} is not a setting",
            hint=f"did you mean {meant[0]}?" if meant else None,
            code=Code.SETTINGS_INVALID,
        )
    kind = get_type_hints(Settings)[name]
    try:
        converted = _convert_value(kind, value)
    except (TypeError, ValueError):
        raise UsageError(f"{source} must be {_TYPE_NAMES[kind]}, not {value!r}", code=Code.SETTINGS_INVALID) from None
    _check_bounds(row, converted, source)
    return converted


_TYPE_NAMES = {int: "an integer", float: "a number", str: "a text", Path: "a path", bool: "true or false"}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _convert_value(kind: Any, value: Any) -> Any:
    """Convert a value: a text to any type, a TOML value only to its own type."""
    if isinstance(value, str) and kind is bool:
        if value.lower() not in _TRUTHS:
            raise ValueError
        return _TRUTHS[value.lower()]
    if isinstance(value, str):
        return kind(value)
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise TypeError
    return kind(value)


def _check_bounds(row: Field[Any], value: Any, source: str) -> None:
    low, high, pattern, pattern_help = (row.metadata[key] for key in ("low", "high", "pattern", "pattern_help"))
    if pattern and not re.fullmatch(pattern, value):
        raise UsageError(f"{source} must be {pattern_help}, not {value!r}", code=Code.SETTINGS_INVALID)
    if isinstance(value, int | float) and not low <= value <= high:
        span = f"{low:,} to {high:,}" if high < inf else f"{low:,} or more"
        raise UsageError(f"{source} must be {span}, not {value}", code=Code.SETTINGS_INVALID)


def describe_settings() -> list[tuple[str, Any, str]]:
    """Return name, default and help of each setting."""
    return [(f.name, _default(f), f.metadata["help"]) for f in fields(Settings)]


def _default(row: Field[Any]) -> Any:
    return None if row.default is MISSING else row.default

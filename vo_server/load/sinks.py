"""Which sink puts rows where the engine of a URL finds them."""

from __future__ import annotations

from collections.abc import Callable

from vo_server.engines import scheme
from vo_server.errors import UsageError
from vo_server.load import database
from vo_server.load.sink import Sink


def _postgres(url: str) -> Sink:
    from vo_server.load import postgres  # noqa: PLC0415 - as in engines: 17 MB that sites with DuckDB do without

    return postgres.database(url)


SINKS: dict[str, Callable[[str], Sink]] = {
    "": lambda _: database.file,
    "postgresql": _postgres,
    "postgres": _postgres,
}


def sink(url: str) -> Sink:
    """The sink for the engine under a URL.

    Raises UsageError where there is none.
    """
    if scheme(url) not in SINKS:
        raise UsageError(f"nothing can be loaded into {scheme(url)}", hint="see --engine")
    return SINKS[scheme(url)](url)

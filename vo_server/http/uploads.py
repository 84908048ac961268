"""UPLOAD: tables that come with a query, and that it alone sees (DALI 1.1 section 3.4.5, TAP 1.1 section 2.7.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

import anyio
import pyarrow as pa
from starlette.requests import Request

from vo_server.catalogue.catalogue import UPLOADS, Catalogue, Schema
from vo_server.errors import UsageError
from vo_server.formats.read.upload import Upload, read
from vo_server.http.dali import Parameters
from vo_server.http.fetch import MARK, Allowed, fetch, too_large
from vo_server.http.service import Site
from vo_server.model.column import Column, Table

SCHEMA = Schema(UPLOADS, description="Tables that came with this query")

FETCHES = 8
"""Uploads that are fetched at a time: our own URLs need threads, too."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Uploads:
    """The tables of a request: as the catalogue knows tables, and their rows by name."""

    tables: tuple[Table, ...] = ()
    rows: Mapping[str, pa.Table] = field(default_factory=dict)

    @classmethod
    def of(cls, sent: Iterable[tuple[str, tuple[Column, ...], pa.Table]]) -> Uploads:
        """Those of such names, columns and rows, which may call their columns otherwise."""
        sent = tuple(sent)
        return cls(tuple(_table(*each) for each in sent), {name: rows for name, _, rows in sent})

    def beside(self, catalogue: Catalogue) -> Catalogue:
        """The catalogue with these tables."""
        return catalogue.with_tables(self.tables, SCHEMA) if self.tables else catalogue


def _table(name: str, columns: tuple[Column, ...], rows: pa.Table) -> Table:
    called = {c.name: n for c, n in zip(columns, rows.column_names, strict=True) if c.name != n}
    return Table(SCHEMA.name, name, columns, nrows=rows.num_rows, source=called)


def named(given: Parameters) -> dict[str, str]:
    """The URI of each upload by its name; TAP 1.0 had several in one value, with semicolons between.

    Raises UsageError where the form is not `name,uri` or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in (pair for value in given.all("UPLOAD") for pair in value.split(";") if pair.strip()):
        name, comma, uri = (part.strip() for part in pair.partition(","))
        if not comma or not uri or not _NAME.fullmatch(name):
            raise UsageError(f"UPLOAD is {pair!r}", hint="write it as name,param:part or name,URL; a name has letters")
        if name.lower() in map(str.lower, found):
            raise UsageError(f"two uploads are called {name}")
        found[name] = uri
    return found


async def uploads(request: Request, given: Parameters, site: Site) -> Uploads:
    """All uploads of a request, read.

    Raises UsageError and TooLargeError, with the name of the one that is wrong.
    """
    wanted = named(given)
    if not wanted:
        return Uploads()
    if not site.upload_limit:
        raise UsageError("this service takes no uploads")
    made: dict[str, Upload] = {}
    size = 0
    for name, uri in wanted.items():
        file = await _file(request, given, site, uri, size)
        size += file.seek(0, 2)
        if size > site.upload_limit:
            raise too_large(size, site.upload_limit)
        made[name] = await anyio.to_thread.run_sync(_read, name, file, site.upload_limit)
    return Uploads.of((name, upload.columns, upload.rows) for name, upload in made.items())


async def _file(request: Request, given: Parameters, site: Site, uri: str, before: int) -> IO[bytes]:
    if uri.lower().startswith("param:"):
        part = uri.partition(":")[2]
        if part not in given.files:
            sent = f"its parts are {', '.join(given.files)}" if given.files else "no files came with this request"
            raise UsageError(f"UPLOAD speaks of the part {part!r}, which is not there", hint=sent)
        return given.files[part]
    if MARK.lower() in request.headers:
        raise UsageError("an upload's URL may not ask for uploads by URL itself")
    arguments = (uri, allowed(request, site), site.upload_limit, before)
    return await anyio.to_thread.run_sync(fetch, *arguments, limiter=_limiter(request))


def allowed(request: Request, site: Site) -> Allowed:
    """The hosts of the setting, and this server: as it listens, and as the operator says that it is called."""
    own = [f"{host}:{port}" for host, port in [request.scope.get("server") or ("", 0)]]
    if site.public_url:
        url = urlsplit(site.public_url)
        own.append(f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}")
    return Allowed(site.upload_hosts, own)


def _limiter(request: Request) -> anyio.CapacityLimiter:
    """One for the application: it cannot be made before there is an event loop."""
    state = request.app.state
    if not hasattr(state, "fetches"):
        state.fetches = anyio.CapacityLimiter(FETCHES)
    limiter: anyio.CapacityLimiter = state.fetches
    return limiter


def _read(name: str, file: IO[bytes], limit: int) -> Upload:
    try:
        with closing(file):
            file.seek(0)
            return read(file.read(), limit)
    except UsageError as fault:
        fault.message = f"the upload {name}: {fault.message}"
        raise

"""UPLOAD: tables that come with a query and that only this query sees (DALI 1.1 section 3.4.5, TAP 1.1 section
2.7.6)."""

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
from vo_server.errors import Code, UsageError
from vo_server.formats.read.upload import UploadedTable, read_upload
from vo_server.http.dali import Parameters
from vo_server.http.fetch import UPLOAD_HEADER, UploadHosts, fetch, size_error
from vo_server.http.service import Site
from vo_server.model.column import Column, Table

UPLOAD_SCHEMA = Schema(UPLOADS, description="Tables that came with this query")

MAX_FETCHES = 8
"""Concurrent fetches of uploads: the server's own URLs need threads, too."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Uploads:
    """The tables of a request as catalogue tables, and their rows by table name."""

    tables: tuple[Table, ...] = ()
    rows: Mapping[str, pa.Table] = field(default_factory=dict)

    @classmethod
    def from_tables(cls, tables: Iterable[tuple[str, tuple[Column, ...], pa.Table]]) -> Uploads:
        """Return the uploads of tables given as name, columns and rows; the names of the columns in the rows may
        differ."""
        tables = tuple(tables)
        return cls(tuple(_to_table(*each) for each in tables), {name: rows for name, _, rows in tables})

    def add_to(self, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue with the uploaded tables."""
        return catalogue.with_tables(self.tables, UPLOAD_SCHEMA) if self.tables else catalogue


def _to_table(name: str, columns: tuple[Column, ...], rows: pa.Table) -> Table:
    source = {c.name: n for c, n in zip(columns, rows.column_names, strict=True) if c.name != n}
    return Table(UPLOAD_SCHEMA.name, name, columns, nrows=rows.num_rows, source=source)


def parse_uploads(parameters: Parameters) -> dict[str, str]:
    """Return the URI of each upload by table name; TAP 1.0 had several in one value, separated by semicolons.

    Raises UsageError where the form is not `name,uri` or a name occurs twice.
    """
    uris: dict[str, str] = {}
    for pair in (pair for value in parameters.get_all("UPLOAD") for pair in value.split(";") if pair.strip()):
        name, comma, uri = (part.strip() for part in pair.partition(","))
        if not comma or not uri or not _NAME.fullmatch(name):
            hint = "write it as name,param:part or name,URL; a name has letters"
            raise UsageError(f"invalid UPLOAD {pair!r}", hint=hint, code=Code.UPLOAD_BAD_REFERENCE)
        if name.lower() in map(str.lower, uris):
            raise UsageError(f"two uploads have the name {name}", code=Code.UPLOAD_BAD_REFERENCE)
        uris[name] = uri
    return uris


async def read_uploads(request: Request, parameters: Parameters, site: Site) -> Uploads:
    """Return all uploads of a request, read.

    Raises UsageError and TooLargeError, which name the upload.
    """
    uris = parse_uploads(parameters)
    if not uris:
        return Uploads()
    if not site.upload_limit:
        raise UsageError("this service takes no uploads", code=Code.UPLOAD_NOT_ALLOWED)
    uploads: dict[str, UploadedTable] = {}
    size = 0
    for name, uri in uris.items():
        file = await _open_upload(request, parameters, site, uri, size)
        size += file.seek(0, 2)
        if size > site.upload_limit:
            raise size_error(size, site.upload_limit)
        uploads[name] = await anyio.to_thread.run_sync(_read_table, name, file, site.upload_limit)
    return Uploads.from_tables((name, upload.columns, upload.rows) for name, upload in uploads.items())


async def _open_upload(request: Request, parameters: Parameters, site: Site, uri: str, earlier_bytes: int) -> IO[bytes]:
    if uri.lower().startswith("param:"):
        part = uri.partition(":")[2]
        if part not in parameters.files:
            hint = (
                f"its parts are {', '.join(parameters.files)}"
                if parameters.files
                else "no files came with this request"
            )
            message = f"UPLOAD refers to form part {part!r}, which the request does not contain"
            raise UsageError(message, hint=hint, code=Code.UPLOAD_BAD_REFERENCE)
        return parameters.files[part]
    if UPLOAD_HEADER.lower() in request.headers:
        raise UsageError("the URL of an upload must not upload by URL itself", code=Code.UPLOAD_NOT_ALLOWED)
    arguments = (uri, find_upload_hosts(request, site), site.upload_limit, earlier_bytes)
    return await anyio.to_thread.run_sync(fetch, *arguments, limiter=_get_limiter(request))


def find_upload_hosts(request: Request, site: Site) -> UploadHosts:
    """Return the hosts of the setting and the addresses of this server: its own and that of its public URL."""
    own_addresses = [f"{host}:{port}" for host, port in [request.scope.get("server") or ("", 0)]]
    if site.public_url:
        url = urlsplit(site.public_url)
        own_addresses.append(f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}")
    return UploadHosts(site.upload_hosts, own_addresses)


def _get_limiter(request: Request) -> anyio.CapacityLimiter:
    """Return the limiter of the application, which can only be created in an event loop."""
    state = request.app.state
    if not hasattr(state, "fetches"):
        state.fetches = anyio.CapacityLimiter(MAX_FETCHES)
    limiter: anyio.CapacityLimiter = state.fetches
    return limiter


def _read_table(name: str, file: IO[bytes], limit: int) -> UploadedTable:
    try:
        with closing(file):
            file.seek(0)
            return read_upload(file.read(), limit)
    except UsageError as error:
        error.message = f"the upload {name}: {error.message}"
        raise

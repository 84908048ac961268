"""Files as HTTP responses: whole or in parts (RFC 9110 section 14), from a disk or from wherever fsspec reaches."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

from fsspec.implementations.local import LocalFileSystem
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from vo_server.errors import ImageError, NotFoundError
from vo_server.http.conditional import heed_only_ranges, known
from vo_server.images import image
from vo_server.images.quicklook import restore
from vo_server.storage import files
from vo_server.storage.listing import opened

PIECE = 256 * 1024
"""Bytes that are read of a remote file at a time."""

GZIP, PACKED = ".gz", ".fz"


def on_disk(request: Request, path: Path, headers: Mapping[str, str]) -> Response:
    """A file of a disk under headers that have its Content-Type; an ETag among them is believed.

    Raises FileNotFoundError.
    """
    heed_only_ranges(request)
    answer = FileResponse(path, headers=headers, media_type=headers["Content-Type"], stat_result=path.stat())
    return answer if _changed(request, answer.headers["ETag"]) else _unchanged(answer)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file below a root, which is a folder or a URL."""

    root: str
    path: str

    def answer(self, request: Request, headers: Mapping[str, str]) -> Response:
        """It under headers that have its Content-Type. One that is compressed is sent as it is to whom can unpack it.

        Raises NotFoundError where it is not there, or does not lie below the root.
        """
        try:
            return self._packed(request, headers) if self.path.endswith(GZIP) else self._plain(request, headers)
        except (FileNotFoundError, IsADirectoryError):
            raise NotFoundError("the file of this image is not where the inventory says that it is") from None

    def restored(self, request: Request, headers: Mapping[str, str]) -> Response:
        """A Quicklook image as plain FITS, under such headers.

        Raises NotFoundError where it is not there, or does not lie below the root, ImageError where it is damaged.
        """
        try:
            where = files.below(self.root, self.path)
            etag = files.facts(where).etag
        except ImageError as fault:
            raise NotFoundError(fault.message) from None
        more = {**headers, "ETag": f'"{etag}-restored"', "Accept-Ranges": "bytes"}
        if not _changed(request, more["ETag"]):
            return Response(status_code=304, headers={"ETag": more["ETag"]})
        with image.opened(where) as opened:
            data = restore(opened)
        part = _part(request, len(data), more["ETag"])
        if part is None:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
        first, last = part
        whole = (first, last) == (0, len(data) - 1)
        if not whole:
            more["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return Response(data[first : last + 1], status_code=200 if whole else 206, headers=more)

    def _packed(self, request: Request, headers: Mapping[str, str]) -> Response:
        if accepts_gzip(request):
            return self._plain(request, {**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        system, path = self._place()
        more = {**headers, "ETag": _etag(system.info(path), "-plain"), "Vary": "Accept-Encoding"}
        if not _changed(request, more["ETag"]):
            return Response(status_code=304, headers={"ETag": more["ETag"]})
        if request.method == "HEAD":
            answer = Response(headers=more)
            del answer.headers["Content-Length"]  # it is not known before all is unpacked
            return answer
        packed = cast(IO[bytes], system.open(path, "rb"))
        return StreamingResponse(_pieces(cast(IO[bytes], gzip.open(packed)), None, packed), headers=more)

    def _plain(self, request: Request, headers: Mapping[str, str]) -> Response:
        system, path = self._place()
        if isinstance(system, LocalFileSystem):
            return on_disk(request, Path(path), headers)
        info = system.info(path)
        size = int(info["size"])
        more = {**headers, "ETag": headers.get("ETag") or _etag(info), "Accept-Ranges": "bytes"}
        if not _changed(request, more["ETag"]):
            return Response(status_code=304, headers={"ETag": more["ETag"]})
        part = _part(request, size, more["ETag"])
        if part is None:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
        first, last = part
        more["Content-Length"] = str(last - first + 1)
        whole = (first, last) == (0, size - 1) or size == 0
        if not whole:
            more["Content-Range"] = f"bytes {first}-{last}/{size}"
        if request.method == "HEAD":
            return Response(status_code=200 if whole else 206, headers=more)
        if not whole:  # fsspec would read on
            return StreamingResponse(files.pieces(files.below(self.root, self.path), first, last + 1), 206, more)
        return StreamingResponse(_pieces(cast(IO[bytes], system.open(path, "rb")), size), headers=more)

    def _place(self) -> tuple[Any, str]:
        """The file system, and what it calls the file: a path of the inventory that leads out of the root is none."""
        system, home = opened(self.root)
        try:
            return system, files.below(home, self.path)
        except ImageError:
            raise FileNotFoundError(self.path) from None


def accepts_gzip(request: Request) -> bool:
    """Can the client unpack gzip?"""
    words = (w.partition(";") for w in request.headers.get("accept-encoding", "").split(","))
    return any(name.strip() in ("gzip", "x-gzip") and q.replace(" ", "") != "q=0" for name, _, q in words)


def _changed(request: Request, etag: str) -> bool:
    return not known(request.headers.get("if-none-match", ""), etag)


def _unchanged(answer: Response) -> Response:
    kept = ("etag", "cache-control", "vary")
    return Response(status_code=304, headers={name: answer.headers[name] for name in kept if name in answer.headers})


def _etag(info: Mapping[str, Any], mark: str = "") -> str:
    """By what the file system says of a file that changes with it."""
    said = next((info[key] for key in ("ETag", "etag", "mtime", "LastModified", "last_modified") if key in info), "")
    moment = said.timestamp() if isinstance(said, datetime) else said
    return f'"{info.get("size")}-{re.sub(r"[^A-Za-z0-9.]", "", str(moment))}{mark}"'


def _part(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The first and the last byte of what is asked for: the whole where nothing else is, or several parts are; None
    where there is no such part."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", "").replace(" ", ""))
    if found is None or found[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return 0, size - 1
    if not found[1]:
        first, last = max(size - int(found[2]), 0), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
    return (first, last) if first <= last else None


def _pieces(stream: IO[bytes], count: int | None, *others: IO[bytes]) -> Iterator[bytes]:
    """So many bytes, or all of them."""
    try:
        while count is None or count > 0:
            piece = stream.read(PIECE if count is None else min(PIECE, count))
            if not piece:
                return
            count = None if count is None else count - len(piece)
            yield piece
    finally:
        for each in (stream, *others):
            each.close()

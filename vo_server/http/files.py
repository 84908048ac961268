"""Files as HTTP responses: whole or in ranges (RFC 9110 section 14), of a local disk or any store of fsspec.

Images and results of jobs are served by the same code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from vo_server.errors import Code, ImageError, NotFoundError
from vo_server.http.conditional import drop_invalid_range, etag_matches
from vo_server.images import image
from vo_server.images.quicklook import restore
from vo_server.storage.files import CHUNK_BYTES, read_chunks, resolve_path
from vo_server.storage.filesystem import FileInfo, is_local, open_stream, read_info, to_local_path
from vo_server.storage.gzip import open_gzip

GZIP_SUFFIX, FPACK_SUFFIX = ".gz", ".fz"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file below a root, which is a folder or a URL."""

    root: str
    path: str

    def response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Return the file under headers that include its Content-Type; an ETag among them is used as it is.

        A gzipped file is sent as it is to clients that accept gzip, and decompressed to others. Raises NotFoundError
        where there is no such file, or it does not lie below the root.
        """
        with _raise_not_found():
            location = resolve_path(self.root, self.path)
            info = read_info(location)
            if not self.path.endswith(GZIP_SUFFIX):
                return _create_file_response(request, location, info, headers)
            headers = {**headers, "Vary": "Accept-Encoding"}
            if accepts_gzip(request):
                return _create_file_response(request, location, info, {**headers, "Content-Encoding": "gzip"})
            return _create_gunzip_response(request, location, {**headers, "ETag": f'"{info.etag}-plain"'})

    def fits_response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Return a Quicklook image as plain FITS under such headers; see `response`.

        Raises NotFoundError as `response` does, ImageError where the file is damaged.
        """
        with _raise_not_found():
            location = resolve_path(self.root, self.path)
            info = read_info(location)
        headers = {**headers, "ETag": f'"{info.etag}-restored"', "Accept-Ranges": "bytes"}
        if _is_cached(request, headers):
            return _create_not_modified(headers)
        with image.open_image(location) as opened:
            data = restore(opened)
        span = parse_range(request, len(data), headers["ETag"])
        if span is None:
            return _create_range_error(len(data))
        status, headers = _describe_span(span, len(data), headers)
        return Response(data[span[0] : span[1] + 1], status_code=status, headers=headers)


def _create_file_response(request: Request, location: str, info: FileInfo, headers: Mapping[str, str]) -> Response:
    headers = {**headers, "ETag": headers.get("ETag") or f'"{info.etag}"', "Accept-Ranges": "bytes"}
    if _is_cached(request, headers):
        return _create_not_modified(headers)
    if is_local(location):
        drop_invalid_range(request)
        path = to_local_path(location)
        return FileResponse(path, headers=headers, media_type=headers["Content-Type"], stat_result=os.stat(path))
    span = parse_range(request, info.size, headers["ETag"])
    if span is None:
        return _create_range_error(info.size)
    status, headers = _describe_span(span, info.size, headers)
    headers["Content-Length"] = str(span[1] - span[0] + 1)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    if status == 206:  # fsspec would read beyond the range
        return StreamingResponse(read_chunks(location, span[0], span[1] + 1), status, headers)
    return StreamingResponse(_read_stream(open_stream(location)), status, headers)


def _create_gunzip_response(request: Request, location: str, headers: Mapping[str, str]) -> Response:
    """Return the decompressed content of a gzipped file, whose length is not known before its end."""
    if _is_cached(request, headers):
        return _create_not_modified(headers)
    if request.method == "HEAD":
        response = Response(headers=dict(headers))
        del response.headers["Content-Length"]
        return response
    compressed = open_stream(location)
    return StreamingResponse(_read_stream(open_gzip(compressed), compressed), headers=headers)


@contextmanager
def _raise_not_found() -> Iterator[None]:
    """Raise a missing file, and a path that leads out of its root, as a NotFoundError."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError):
        message = "the file of this image is not where the inventory says that it is"
        raise NotFoundError(message, code=Code.IMAGE_NOT_FOUND) from None
    except ImageError as error:
        raise NotFoundError(error.message, code=Code.IMAGE_NOT_FOUND) from None


def accepts_gzip(request: Request) -> bool:
    """Return whether the client accepts gzip (RFC 9110 section 12.5.3)."""
    codings = (coding.partition(";") for coding in request.headers.get("accept-encoding", "").split(","))
    return any(name.strip() in ("gzip", "x-gzip") and q.replace(" ", "") != "q=0" for name, _, q in codings)


def parse_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Return the first and the last byte of the requested range; None where the file has no such bytes.

    The whole file is requested without a Range, with several ranges, and where If-Range names another ETag.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", "").replace(" ", ""))
    if match is None or match[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return 0, size - 1
    if not match[1]:
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
    return (first, last) if first <= last else None


def _describe_span(span: tuple[int, int], size: int, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Return the status of a response of these bytes of a file, and its headers."""
    if span == (0, size - 1):
        return 200, dict(headers)
    return 206, {**headers, "Content-Range": f"bytes {span[0]}-{span[1]}/{size}"}


def _create_range_error(size: int) -> Response:
    return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})


def _is_cached(request: Request, headers: Mapping[str, str]) -> bool:
    return etag_matches(request.headers.get("if-none-match", ""), headers["ETag"])


def _create_not_modified(headers: Mapping[str, str]) -> Response:
    """Return a response of status 304 (RFC 9110 section 15.4.5)."""
    names = ("ETag", "Cache-Control", "Vary")
    return Response(status_code=304, headers={name: headers[name] for name in names if name in headers})


def _read_stream(stream: IO[bytes], *also_close: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a stream, and close it and others at the end."""
    try:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
    finally:
        for file in (stream, *also_close):
            file.close()

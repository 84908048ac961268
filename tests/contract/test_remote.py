"""Image collections at a URL: walks, searches, downloads and cutouts read no more bytes than needed."""

from __future__ import annotations

import gzip
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import httpx
import numpy as np
import pytest
from astropy.io import fits

from tests.conftest import PSC_ROWS, Listening
from vo_server import demo
from vo_server.assembly import load_site_catalogue
from vo_server.commands.images import plan_walk
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.load import load
from vo_server.settings import Settings


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the synthetic Atlas images, of which the first three are not gzipped."""
    folder = tmp_path_factory.mktemp("atlas")
    for path in demo.write_images(folder, PSC_ROWS)[:3]:
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    return folder


@dataclass
class RequestLog:
    """The requests to a web server: path, range and bytes sent."""

    log: list[tuple[str, str, int]] = field(default_factory=list)
    walked: int = 0

    def bytes(self) -> int:
        """Return the bytes sent since the last call."""
        done = sum(size for *_, size in self.log)
        self.log.clear()
        return done


class RangeRequestHandler(SimpleHTTPRequestHandler):
    """A web server of a folder with listings and ranges."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, sent: RequestLog, **more: Any) -> None:
        self.sent = sent
        super().__init__(*args, **more)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send_head(self) -> Any:
        path = Path(self.translate_path(self.path))
        if path.is_dir() or not path.exists():
            return super().send_head()
        data, requested_range = path.read_bytes(), self.headers.get("Range", "")
        first, last = (requested_range.removeprefix("bytes=") or "0-").split("-")
        part = data[int(first) : int(last) + 1 if last else None]
        self.send_response(206 if requested_range else 200)
        if requested_range:
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.command == "GET":
            self.sent.log.append((self.path, requested_range, len(part)))
        return io.BytesIO(part)


@pytest.fixture(scope="module")
def web(images: Path) -> Iterator[tuple[str, RequestLog]]:
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")
    sent = RequestLog()
    handler = partial(RangeRequestHandler, directory=str(images), sent=sent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def memory(images: Path) -> Iterator[tuple[str, RequestLog]]:
    store = fsspec.filesystem("memory")
    store.put(str(images), "/remote", recursive=True)
    yield "memory://remote", RequestLog()
    store.rm("/remote", recursive=True)


@pytest.fixture(scope="module", params=["web", "memory"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, listening: Listening
) -> Iterator[tuple[httpx.Client, RequestLog]]:
    """Start a server of images that were loaded from a URL."""
    root, sent = request.getfixturevalue(request.param)
    settings = Settings(data=tmp_path_factory.mktemp("remote"), image_roots=f"atlas={root}")
    catalogue = load_site_catalogue(settings)
    atlas = catalogue.get_collection("atlas")
    folder = plan_walk(atlas, [f"{root}/980128n/s009"], settings, catalogue)
    assert load(atlas, folder, DataDirectory(settings.data)).rows == 9
    done = load(atlas, plan_walk(atlas, [], settings, catalogue), DataDirectory(settings.data))
    assert (done.rows, done.rejected) == (18, 0)
    sent.walked = sent.bytes()
    with listening(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client, sent


Ask = Callable[[str], list[list[str]]]


@pytest.fixture
def ask(served: tuple[httpx.Client, RequestLog]) -> Ask:
    def asked(text: str) -> list[list[str]]:
        response = served[0].get("/tap/sync", params={"LANG": "ADQL", "QUERY": text, "RESPONSEFORMAT": "csv"})
        return [line.split(",") for line in response.text.splitlines()[1:]]

    return asked


def test_walk_reads_headers_only(served: tuple[httpx.Client, RequestLog], images: Path, ask: Ask) -> None:
    found = {path: int(size) for path, size in ask("SELECT path, f_size FROM atlas")}
    assert found == {str(p.relative_to(images)): p.stat().st_size for p in images.rglob("*.fits*")}
    if served[1].walked:
        assert served[1].walked < 27 * 3 * (1 << 15)  # 27 headers in pieces of 32 kB, of files of 1 to 2 MB


def test_serves_files_and_ranges(served: tuple[httpx.Client, RequestLog], images: Path, ask: Ask) -> None:
    client, sent = served
    for like in ("%.fits", "%.gz"):
        (name, path), *_ = ask(f"SELECT TOP 1 image, path FROM atlas WHERE path LIKE '{like}' ORDER BY image")
        content = (images / path).read_bytes()
        plain = gzip.decompress(content) if like == "%.gz" else content
        response = client.get(f"/images/atlas/{name}")
        assert response.content == plain
        sent.bytes()
        with client.stream("GET", f"/images/atlas/{name}", headers={"Range": "bytes=5760-8639"}) as part:
            assert part.status_code == 206
            assert b"".join(part.iter_raw()) == content[5760:8640]
        assert sent.bytes() < 300_000
        tag = response.headers["etag"]
        assert client.get(f"/images/atlas/{name}", headers={"If-None-Match": tag}).status_code == 304


def test_cutouts_read_only_needed_bytes(served: tuple[httpx.Client, RequestLog], images: Path, ask: Ask) -> None:
    client, sent = served
    (name, path, ra, dec), *_ = ask("SELECT TOP 1 image, path, ra, dec FROM atlas WHERE path LIKE '%.fits'")
    ((did,),) = ask(f"SELECT obs_publisher_did FROM ivoa.obscore WHERE obs_publisher_did LIKE '%{name}'")
    sent.bytes()
    response = client.get("/soda/sync", params={"ID": did, "CIRCLE": f"{ra} {dec} {20 / 3600}"})
    assert response.status_code == 200, response.text
    if sent.log:
        assert sent.bytes() < 300_000 < (images / path).stat().st_size / 6
    with fits.open(io.BytesIO(response.content)) as cut, fits.open(images / path) as whole:
        first = whole[0].header["CRPIX2"] - cut[0].header["CRPIX2"], whole[0].header["CRPIX1"] - cut[0].header["CRPIX1"]
        row, column = (round(n) for n in first)
        rows, columns = cut[0].data.shape
        assert 39 <= rows <= 43 and 39 <= columns <= 43
        same = whole[0].data[row : row + rows, column : column + columns]
        np.testing.assert_array_equal(cut[0].data, same)


def test_missing_file_is_not_found(served: tuple[httpx.Client, RequestLog], images: Path, ask: Ask) -> None:
    client, _ = served
    (name, path), *_ = ask("SELECT TOP 1 image, path FROM atlas WHERE path LIKE '%.fits' ORDER BY image DESC")
    ((did,),) = ask(f"SELECT obs_publisher_did FROM ivoa.obscore WHERE obs_publisher_did LIKE '%{name}'")
    store = fsspec.filesystem("memory")
    data = (images / path).read_bytes()
    (images / path).unlink()
    exists = store.exists(f"/remote/{path}")
    if exists:
        store.rm(f"/remote/{path}")
    try:
        gone = client.get(f"/images/atlas/{name}")
        assert (gone.status_code, gone.headers["vo-error-code"]) == (404, "IMAGE.NOT_FOUND")
        cut = client.get("/soda/sync", params={"ID": did})
        assert cut.status_code >= 400 and "127.0.0.1" not in cut.text
    finally:
        (images / path).write_bytes(data)
        if exists:
            store.pipe(f"/remote/{path}", data)

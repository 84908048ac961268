"""Image files: local files, gzip, tiles, stores of fsspec, and which bytes are read."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tests.atlas import atlas_header
from vo_server.errors import ImageError, ImageNotFoundError, TooLargeError
from vo_server.images import image
from vo_server.storage import files


def test_etag_changes_with_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"12345")
    before = files.stat_file(str(path))
    assert before == files.stat_file(f"file://{path}")
    assert before.size == 5
    assert before.modified is not None
    assert before.modified.timestamp() == pytest.approx(path.stat().st_mtime, abs=1e-3)
    os.utime(path, ns=(0, 1))
    assert files.stat_file(str(path)).etag != before.etag


def test_read_chunks_yields_content(tmp_path: Path) -> None:
    data = np.random.default_rng(1).bytes(3 * files.CHUNK_BYTES + 17)
    path = tmp_path / "a.fits"
    path.write_bytes(data)
    store = fsspec.filesystem("memory")
    store.pipe("/pieces.fits", data)
    for where in (str(path), "memory://pieces.fits"):
        assert b"".join(files.read_chunks(where)) == data
        assert b"".join(files.read_chunks(where, 5, files.CHUNK_BYTES + 9)) == data[5 : files.CHUNK_BYTES + 9]
        assert b"".join(files.read_chunks(where, len(data) - 3)) == data[-3:]
        assert max(map(len, files.read_chunks(where))) == files.CHUNK_BYTES
        assert files.stat_file(where).size == len(data)
    store.rm("/pieces.fits")


@pytest.mark.parametrize(
    "where", ["/nowhere/a.fits", "memory://nowhere.fits", "nosuch://a/b.fits", "/dev", "/dev/zero"]
)
def test_errors_hide_path(where: str) -> None:
    for ask in (files.stat_file, lambda w: list(files.read_chunks(w)), lambda w: image.open_image(w).__enter__()):
        with pytest.raises(ImageError) as caught:
            ask(where)
        assert "fits" not in str(caught.value)
        assert "/dev" not in str(caught.value)


def test_rejects_path_outside_root() -> None:
    assert files.resolve_path("/data/atlas/", "000616n/s060/a.fits.gz") == "/data/atlas/000616n/s060/a.fits.gz"
    assert files.resolve_path("s3://bucket/atlas", "a.fits") == "s3://bucket/atlas/a.fits"
    for path in ("", "/etc/passwd", "../a.fits", "a/../../b.fits", "a.fits\0", "zip://a::b.fits", "http://host/a.fits"):
        with pytest.raises(ImageError):
            files.resolve_path("/data/atlas", path)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 30)), max_size=20), st.integers(0, 20))
def test_merged_ranges_contain_input_and_are_apart(pairs: list[tuple[int, int]], gap: int) -> None:
    ranges = [(start, start + length) for start, length in pairs]
    found = files.merge_ranges(ranges, gap)
    assert all(any(a <= start and stop <= b for a, b in found) for start, stop in ranges)
    assert all(b + gap < c for (_, b), (c, _) in pairwise(found))
    assert {v for pair in found for v in pair} <= {v for pair in ranges for v in pair}


def test_rejects_read_beyond_limit(atlas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_READ_BYTES", 30_000)
    with image.open_image(str(atlas)) as opened:
        opened.read_stored((0, 10), (0, 10))
        with pytest.raises(TooLargeError):
            opened.read_all()
    monkeypatch.setattr(image, "MAX_PIXELS", 99)
    with image.open_image(str(atlas)) as opened, pytest.raises(TooLargeError):
        opened.read_stored((0, 10), (0, 10))


def encode(atlas: Path, how: str) -> bytes:
    data, header = fits.getdata(atlas), fits.getheader(atlas)
    file = io.BytesIO()
    match how:
        case "plain":
            return atlas.read_bytes()
        case "gzip":
            return gzip.compress(atlas.read_bytes())
        case "extension":
            hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, header)]
        case "after a table":
            table = fits.BinTableHDU.from_columns([fits.Column("a", "PJ()", array=[[1, 2], [3]])])
            hdus = [fits.PrimaryHDU(), table, fits.ImageHDU(data, header)]
        case _:
            kind = {"rice": "RICE_1", "rice under gzip": "RICE_1"}.get(how, "GZIP_2")
            level = 16 if kind == "RICE_1" else 0
            hdus = [fits.PrimaryHDU(), fits.CompImageHDU(data, header, compression_type=kind, quantize_level=level)]
    fits.HDUList(hdus).writeto(file)
    return gzip.compress(file.getvalue()) if "under gzip" in how else file.getvalue()


NOISE = np.random.default_rng(7).bytes(40_000)

KINDS = ["plain", "gzip", "extension", "after a table", "rice", "gzip tiles", "rice under gzip"]


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("store", ["local", "memory"])
def test_reads_pixels_and_header_of_every_format(atlas: Path, tmp_path: Path, how: str, store: str) -> None:
    data = encode(atlas, how)
    where = str(tmp_path / "packed.fits")
    if store == "local":
        Path(where).write_bytes(data)
    else:
        where = "memory://packed.fits"
        fsspec.filesystem("memory").pipe("/packed.fits", data)
    with fits.open(io.BytesIO(data if data[:2] != image.GZIP_MAGIC else gzip.decompress(data))) as hdus:
        same = next(h.data for h in hdus if h.is_image and h.data is not None)
        with image.open_image(where) as opened:
            assert opened.shape == (1, 140, 100)
            np.testing.assert_array_equal(opened.read_stored((100, 140), (3, 99))[0], same[100:140, 3:99])
            np.testing.assert_array_equal(opened.read_stored((5, 6), (0, 100))[0], same[5:6])
            np.testing.assert_array_equal(opened.read_all()[0], same)
            assert opened.header["ORDATE"] == "001022"
            assert opened.header.comments["CRVAL1"] == "RA  at Frame Center, J2000 (deg)"


def test_reads_stored_integers_of_tiles() -> None:
    header = atlas_header()
    values = np.arange(14000).reshape(140, 100)
    hdu = fits.CompImageHDU(values.astype(np.int16), compression_type="RICE_1")
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.25, 10.0
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    with fits.open(io.BytesIO(file.getvalue())) as hdus:
        physical = hdus[1].data
    opened = image.read_image(files.MemoryFile(file.getvalue()))
    np.testing.assert_allclose(opened.read_all()[0], physical)
    assert header["NAXIS1"] == opened.shape[2]


def test_reads_only_needed_bytes(atlas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide image: a small window must not cost its rows as a whole."""
    header = atlas_header(rows=400, columns=20_000)
    path = atlas.with_name("wide.fits")
    with path.open("wb") as file:
        file.write(header.tostring().encode())
        file.truncate(len(header.tostring()) + 400 * 20_000 * 4 + 1280)
    read: list[int] = []
    pread = os.pread

    def counted(descriptor: int, length: int, at: int) -> bytes:
        read.append(length)
        return pread(descriptor, length, at)

    monkeypatch.setattr(os, "pread", counted)
    with image.open_image(str(path)) as opened:
        opened.read_stored((100, 160), (7000, 7060))
    assert sum(read) < 60 * 60 * 4 + 30_000


def encode_header(**cards: Any) -> bytes:
    head: bytes = fits.Header([("SIMPLE", True), *cards.items()]).tostring().encode()
    return head


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"SIMPLE  =                    T".ljust(2880),
        gzip.compress(b"SIMPLE  =                    T".ljust(2880), mtime=0),
        gzip.compress(NOISE, mtime=0)[:-9000],
        b"\x1f\x8b" + bytes(5000),
        encode_header(BITPIX=8, NAXIS=0),
        fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", 2880)]).tostring().encode()
        + bytes(2880),
        fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", -5), ("NAXIS2", 5)]).tostring().encode(),
        fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 5)]).tostring().encode(),
        fits.Header([("SIMPLE", True), ("BITPIX", 7), ("NAXIS", 2), ("NAXIS1", 5), ("NAXIS2", 5)]).tostring().encode(),
        fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", "x"), ("NAXIS1", 5)]).tostring().encode(),
    ],
)
def test_rejects_invalid_image(data: bytes) -> None:
    with pytest.raises(ImageError):
        image.read_image(files.MemoryFile(data))


def test_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError) as caught, image.open_image(str(tmp_path / "gone.fits")):
        pass
    assert (caught.value.status, str(tmp_path) in str(caught.value)) == (404, False)


def test_rejects_truncated_file(atlas: Path) -> None:
    whole = atlas.read_bytes()
    for data in (whole[:20_000], gzip.compress(whole[:20_000]), gzip.compress(whole)[:-15_000]):
        opened = image.read_image(files.MemoryFile(data))
        with pytest.raises(ImageError):
            opened.read_all()


def test_rejects_damaged_tiles(atlas: Path) -> None:
    data = bytearray(encode(atlas, "gzip tiles"))
    data[-20_000:-3000] = bytes(17_000)
    opened = image.read_image(files.MemoryFile(bytes(data)))
    with pytest.raises(ImageError):
        opened.read_all()


class RangeRequestHandler(SimpleHTTPRequestHandler):
    """A handler that serves a folder with ranges and records the bytes sent."""

    sent: list[int]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send_head(self) -> Any:
        data = Path(self.translate_path(self.path)).read_bytes()
        asked = self.headers.get("Range", "")
        part = slice(None)
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            part = slice(int(first), int(last) + 1 if last else None)
        self.send_response(206 if asked else 200)
        if asked:
            begin, end, _ = part.indices(len(data))
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"abc"')
        self.send_header("Content-Length", str(len(data[part])))
        self.end_headers()
        if self.command == "GET":
            self.sent.append(len(data[part]))
        return io.BytesIO(data[part])


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, list[int]]]:
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")
    sent: list[int] = []
    kind = type("Here", (RangeRequestHandler,), {"sent": sent})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()
        thread.join()


def test_range_requests_over_http(web: tuple[str, list[int]], tmp_path: Path) -> None:
    url, sent = web
    header = atlas_header(rows=2000, columns=1000)
    pixels = np.random.default_rng(3).normal(70, 1, (2000, 1000)).astype(">f4")
    fits.PrimaryHDU(pixels, header).writeto(tmp_path / "large.fits")
    with image.open_image(f"{url}/large.fits") as opened:
        np.testing.assert_array_equal(opened.read_stored((900, 960), (400, 460))[0], pixels[900:960, 400:460])
    assert sum(sent) < 400_000  # of 8 MB: the rows lie nearer to one another than a request takes
    about = files.stat_file(f"{url}/large.fits")
    assert about.size == (tmp_path / "large.fits").stat().st_size
    with pytest.raises(ImageError):
        files.stat_file(f"{url}/none.fits")

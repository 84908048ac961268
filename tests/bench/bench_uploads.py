"""Times of uploads through HTTP, from the first byte of the request to the response of a count over the table.

    python tests/bench/bench_uploads.py                    1,000,000 rows of a number and a position, in each format
    python tests/bench/bench_uploads.py --rows 100000 --only csv,fits --data DIR

CPU is user and system time of the server; memory is the peak of its resident set, by /proc (Linux). Other work on the
machine makes the time longer, but not the CPU time.
"""

from __future__ import annotations

import argparse
import csv
import io
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
from common import ServerProcess, make_demo, serve

from vo_server.formats import ARROW, BINARY, BINARY2, CSV, FITS, PARQUET, TABLEDATA, TSV
from vo_server.model.column import Column
from vo_server.model.result import Result
from vo_server.model.types import BIGINT, DOUBLE

FORMATS = (TABLEDATA, BINARY, BINARY2, CSV, TSV, FITS, PARQUET, ARROW)

COLUMNS = (Column("id", BIGINT), Column("ra", DOUBLE, unit="deg"), Column("dec", DOUBLE, unit="deg"))

BOUNDARY = b"--------1234567890"

TARGET_SECONDS = 5.0
"""Seconds that a million rows may take."""


def make_positions(rows: int) -> pa.RecordBatch:
    """Return random positions with six decimals, as in a catalogue."""
    random = np.random.default_rng(1)
    ra, dec = np.round(random.uniform(0, 360, rows), 6), np.round(random.uniform(-90, 90, rows), 6)
    return pa.RecordBatch.from_arrays([pa.array(np.arange(rows)), pa.array(ra), pa.array(dec)], names=["a", "b", "c"])


def make_form(document: bytes) -> bytes:
    """Return a multipart form with an upload and a query over it."""
    query = b"SELECT COUNT(*) AS n, SUM(id) AS s, AVG(ra) AS r, MIN(dec) AS d FROM TAP_UPLOAD.t"
    parameters = {b"LANG": b"ADQL", b"QUERY": query, b"RESPONSEFORMAT": b"csv", b"UPLOAD": b"t,param:f"}
    parts = [b'form-data; name="%s"\r\n\r\n%s' % pair for pair in parameters.items()]
    parts.append(b'form-data; name="f"; filename="t"\r\n\r\n' + document)
    return b"".join(b"--%s\r\nContent-Disposition: %s\r\n" % (BOUNDARY, p) for p in parts) + b"--%s--\r\n" % BOUNDARY


def post_form(url: str, content: bytes) -> tuple[float, list[str]]:
    """Post a form and return the seconds and the row of the response."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=600)
    start = time.perf_counter()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
    connection.request("POST", "/tap/sync", content, headers)
    response = connection.getresponse()
    text = response.read().decode()
    seconds = time.perf_counter() - start
    if response.status != 200:
        raise RuntimeError(f"{response.status} {text[:500]}")
    return seconds, list(csv.reader(io.StringIO(text)))[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="a data folder to serve (default: a new one, removed at the end)")
    parser.add_argument("--only", help="formats, separated by commas")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    positions = make_positions(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder)
        make_demo(data, 20_000)
        with serve(data, VO_SERVER_UPLOAD_LIMIT="1000000000") as (url, pid):
            server = ServerProcess(pid)
            post_form(url, make_form(b"id,ra,dec\n1,2,3\n"))
            print(f"{'':12}{'s':>7}{'CPU s':>8}{'rows/s':>12}{'MB/s':>7}{'MB':>6}{'memory MB':>11}")
            for format in FORMATS:
                if options.only is None or format.name in options.only.split(","):
                    document = b"".join(format.write(Result(COLUMNS, iter([positions]))))
                    print(measure(format.name, url, server, document, options), flush=True)


def measure(name: str, url: str, server: ServerProcess, document: bytes, options: argparse.Namespace) -> str:
    """Return a line of the figures of the fastest run."""
    content = make_form(document)
    runs = []
    for _ in range(options.runs):
        server.reset_peak()
        cpu_before = server.cpu_seconds()
        seconds, row = post_form(url, content)
        assert row[:2] == [str(options.rows), str(options.rows * (options.rows - 1) // 2)], row
        runs.append((seconds, server.cpu_seconds() - cpu_before, server.peak_megabytes()))
    seconds, cpu, _ = min(runs)
    peak = max(p for *_, p in runs)
    size = len(document) / 1e6
    missed = f"   missed: {TARGET_SECONDS:g} s" if seconds > TARGET_SECONDS * options.rows / 1e6 else ""
    rate = options.rows / seconds
    return f"{name:12}{seconds:7.2f}{cpu:8.2f}{rate:12,.0f}{size / seconds:7.0f}{size:6.0f}{peak:11.0f}{missed}"


if __name__ == "__main__":
    main()

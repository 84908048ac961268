"""How fast uploads are: through HTTP, from the first byte of the request to the answer of a count over the table.

    python tests/bench/bench_uploads.py                    1,000,000 rows of a number and a position, in each format
    python tests/bench/bench_uploads.py --rows 100000 --only csv,fits --data DIR

CPU is the server's, user and system; memory is the peak of its resident set, by /proc (Linux). A machine that is busy
with other things makes the time longer and not the CPU.
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
from bench_http import Process, serving

from vo_server.formats import ARROW, BINARY, BINARY2, CSV, FITS, PARQUET, TABLEDATA, TSV
from vo_server.model.column import Column
from vo_server.model.result import Result
from vo_server.model.types import BIGINT, DOUBLE

FORMATS = (TABLEDATA, BINARY, BINARY2, CSV, TSV, FITS, PARQUET, ARROW)

COLUMNS = (Column("id", BIGINT), Column("ra", DOUBLE, unit="deg"), Column("dec", DOUBLE, unit="deg"))

BOUNDARY = b"--------1234567890"

AIM = 5.0
"""Seconds that a million rows of TABLEDATA may take."""


def table(rows: int) -> pa.RecordBatch:
    """Positions with six decimals, as catalogues have them."""
    random = np.random.default_rng(1)
    ra, dec = np.round(random.uniform(0, 360, rows), 6), np.round(random.uniform(-90, 90, rows), 6)
    return pa.RecordBatch.from_arrays([pa.array(np.arange(rows)), pa.array(ra), pa.array(dec)], names=["a", "b", "c"])


def body(document: bytes) -> bytes:
    """A multipart form with the upload and a query over it."""
    query = b"SELECT COUNT(*) AS n, SUM(id) AS s, AVG(ra) AS r, MIN(dec) AS d FROM TAP_UPLOAD.t"
    said = {b"LANG": b"ADQL", b"QUERY": query, b"RESPONSEFORMAT": b"csv", b"UPLOAD": b"t,param:f"}
    parts = [b'form-data; name="%s"\r\n\r\n%s' % pair for pair in said.items()]
    parts.append(b'form-data; name="f"; filename="t"\r\n\r\n' + document)
    return b"".join(b"--%s\r\nContent-Disposition: %s\r\n" % (BOUNDARY, p) for p in parts) + b"--%s--\r\n" % BOUNDARY


def ask(url: str, content: bytes) -> tuple[float, list[str]]:
    """Seconds, and the row of the answer."""
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=600)
    began = time.perf_counter()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
    connection.request("POST", "/tap/sync", content, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    took = time.perf_counter() - began
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} {text[:500]}")
    return took, list(csv.reader(io.StringIO(text)))[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="a data folder to serve (default: a new one, removed at the end)")
    parser.add_argument("--only", help="formats, with commas between")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    made = table(options.rows)
    limit = {"VO_SERVER_UPLOAD_LIMIT": "1000000000"}
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(options.data or Path(folder), 20_000, 0, **limit) as (url, pid),
    ):
        server = Process(pid)
        ask(url, body(b"id,ra,dec\n1,2,3\n"))
        print(f"{'':12}{'s':>7}{'CPU s':>8}{'rows/s':>12}{'MB/s':>7}{'MB':>6}{'memory MB':>11}")
        for format in FORMATS:
            if options.only is None or format.name in options.only.split(","):
                document = b"".join(format.write(Result(COLUMNS, iter([made]))))
                print(line(format.name, url, server, document, options), flush=True)


def line(name: str, url: str, server: Process, document: bytes, options: argparse.Namespace) -> str:
    """The best of some runs."""
    content = body(document)
    taken = []
    for _ in range(options.runs):
        server.forget_peak()
        before = server.cpu()
        seconds, row = ask(url, content)
        assert row[:2] == [str(options.rows), str(options.rows * (options.rows - 1) // 2)], row
        taken.append((seconds, server.cpu() - before, server.peak()))
    seconds, cpu, _ = min(taken)
    peak = max(p for *_, p in taken)
    size = len(document) / 1e6
    missed = f"   missed: {AIM:g} s" if seconds > AIM * options.rows / 1e6 else ""
    rate = options.rows / seconds
    return f"{name:12}{seconds:7.2f}{cpu:8.2f}{rate:12,.0f}{size / seconds:7.0f}{size:6.0f}{peak:11.0f}{missed}"


if __name__ == "__main__":
    main()

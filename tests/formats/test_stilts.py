"""STIL, the library under TOPCAT and STILTS, reads what we write. Two runs only: each starts a Java machine."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from vo_server.formats import BINARY, BINARY2, CSV, FITS, TABLEDATA, Format
from vo_server.model.column import Column
from vo_server.model.result import Result
from vo_server.model.types import (
    BIGINT,
    BOOLEAN,
    BYTE,
    CHAR,
    CIRCLE,
    DATE,
    DOUBLE,
    INTEGER,
    POLYGON,
    REAL,
    SMALLINT,
    TIMESTAMP,
    UNICODE,
    VARCHAR,
)

pytestmark = [
    pytest.mark.stilts,
    pytest.mark.skipif(shutil.which("stilts") is None, reason="there is no stilts command"),
]

COLUMNS = (
    Column("id", INTEGER, nullable=False, description="a number & more"),
    Column("ra", DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main"),
    Column("dec", DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main"),
    Column("mag", REAL, unit="mag", ucd="phot.mag;em.IR.J"),
    Column("small", SMALLINT),
    Column("byte", BYTE),
    Column("big", BIGINT),
    Column("flag", CHAR, 3),
    Column("name", VARCHAR, 17, ucd="meta.id"),
    Column("remark", UNICODE),
    Column("yes", BOOLEAN),
    Column("day", DATE),
    Column("at", TIMESTAMP),
    Column("circle", CIRCLE, unit="deg"),
    Column("outline", POLYGON, unit="deg"),
)
ROWS = [
    (1, 0.1, -89.5, 14.513, -7, 254, 2**62, "AAA", "a<b & c", "é€", True, date(1999, 1, 2),
     datetime(2001, 2, 3, 4, 5, 6), [1.0, 2.0, 0.5], [1.0, 1.0, 2.0, 1.0, 2.0, 2.0]),
    (2, float("inf"), 1e-300, float("-inf"), None, None, None, "B", "x, \"y\"", "z", False, None,
     datetime(2001, 2, 3, 4, 5, 6, 70000), None, None),
    (3, *[None] * 14),
    (4, 359.999999999, 0.0, 3.4e38, 32767, 0, -1, "ab", "0123456789abcdefg", "𝄞", None, date(2026, 11, 22), None,
     [1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
]  # fmt: skip

FILES: dict[str, tuple[Format, str]] = {
    "b2": (BINARY2, "votable"),
    "td": (TABLEDATA, "votable"),
    "b": (BINARY, "votable"),
    "csv": (CSV, "csv"),
    "fits": (FITS, "fits"),
}


def write(format: Format, file: Path, count: int = len(COLUMNS)) -> None:
    columns = COLUMNS[:count]
    arrays = [pa.array([row[i] for row in ROWS], c.type.arrow) for i, c in enumerate(columns)]
    batch = pa.RecordBatch.from_arrays(arrays, names=[c.name for c in columns])
    file.write_bytes(b"".join(format.write(Result(columns, iter([batch, batch])))))


def stilts(*words: str) -> str:
    done = subprocess.run(["stilts", *words], capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_stilts_reads_every_format(tmp_path: Path) -> None:
    words = [f"nin={len(FILES)}", "fixcols=all", "ofmt=csv", "out=-"]
    for number, (kind, (format, stil)) in enumerate(FILES.items(), 1):
        write(format, tmp_path / kind)
        words += [f"in{number}={tmp_path / kind}", f"ifmt{number}={stil}", f"suffix{number}=_{kind}"]
    rows = list(csv.DictReader(io.StringIO(stilts("-Dfile.encoding=UTF-8", "tjoin", *words))))
    assert len(rows) == 2 * len(ROWS)
    for row in rows:
        for column in COLUMNS:
            # BINARY has no way to say that a circle is missing.
            got = row[f"{column.name}_b2"]
            assert got == row[f"{column.name}_td"]
            assert got == row[f"{column.name}_b"].replace("(NaN, NaN, NaN)", "")
            if column.type is not UNICODE:
                assert got == row[f"{column.name}_fits"].replace("(NaN, NaN, NaN)", "")
            if column.type.family not in ("geometry", "real") and column.type is not UNICODE:
                assert row[f"{column.name}_csv"] == got
    # STIL takes CSV for Latin-1, and writes infinities and arrays of CSV as the text that they are there.
    first = rows[0]
    assert (first["mag_b2"], first["ra_b2"], first["big_b2"], first["byte_b2"]) == ("14.513", "0.1", str(2**62), "254")
    assert (first["name_b2"], first["remark_b2"], first["at_b2"]) == ("a<b & c", "é€", "2001-02-03T04:05:06")
    assert {value for name, value in rows[2].items() if not name.endswith(("_b", "_fits"))} == {"", "3"}


def test_votlint_reports_nothing(tmp_path: Path) -> None:
    """The polygon is left out: votlint of STILTS 3.4.7 misreads one in BINARY2, in the files of astropy, too."""
    write(BINARY2, tmp_path / "table.vot", len(COLUMNS) - 1)
    assert stilts("votlint", str(tmp_path / "table.vot")) == ""

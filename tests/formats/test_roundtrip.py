"""One suite over FORMATS: random rows of every type, written and read back by other libraries."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html

from vo_server.formats import (
    ARROW,
    BINARY,
    BINARY2,
    CSV,
    FITS,
    FORMATS,
    HTML,
    JSON,
    PARQUET,
    TABLEDATA,
    TEXT,
    TSV,
    Format,
)
from vo_server.formats.read.upload import read_upload
from vo_server.model.column import Column
from vo_server.model.result import Result
from vo_server.model.types import ARRAYS, TYPES, VARCHAR, Type

Rows = list[tuple[Any, ...]]

ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("\t\n&<>\",;'"), max_size=12)
ANY = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=12)
DOUBLES = st.floats(allow_nan=True, allow_infinity=True)
COORDINATES = st.floats(-90, 360, allow_nan=False)


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "BOOLEAN": st.booleans(),
    "UNSIGNED BYTE": st.integers(0, 254),
    "SMALLINT": integers(16),
    "INTEGER": integers(32),
    "BIGINT": integers(64),
    "REAL": st.floats(width=32),
    "DOUBLE PRECISION": DOUBLES,
    "CHAR": ASCII.map(lambda s: s[:4]),
    "VARCHAR": ASCII,
    "UNICODE": ANY,
    "CLOB": ASCII,
    "REGION": ASCII,
    "MOC": ASCII,
    "DATE": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "TIMESTAMP": st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
    "BLOB": st.binary(max_size=5),
    "POINT": st.lists(COORDINATES, min_size=2, max_size=2),
    "CIRCLE": st.lists(COORDINATES, min_size=3, max_size=3),
    "POLYGON": st.lists(COORDINATES, max_size=8),
}
ELEMENTS = VALUES | {"REAL": st.integers(-9999, 9999).map(float), "DOUBLE PRECISION": st.floats(allow_nan=False)}
VALUES |= {t.name: st.lists(ELEMENTS[t.name.removesuffix(" ARRAY")], max_size=4) for t in ARRAYS}


def column(type: Type, number: int) -> Column:
    length = {"CHAR": 4, "VARCHAR": 12}.get(type.name)
    return Column(f"{type.name} {number}", type, length, unit="m", ucd="pos.eq.ra" if number == 1 else None)


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[Column, ...], Rows, int]:
    """Draw columns, rows and the number of rows in a batch."""
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=len(TYPES) + 3))
    columns = tuple(column(t, n) for n, t in enumerate(types))
    row = st.tuples(*(st.none() | VALUES[t.name] for t in types))
    return columns, draw(st.lists(row, max_size=9)), draw(st.integers(1, 9))


def batches(columns: tuple[Column, ...], rows: Rows, size: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        arrays = [pa.array([row[i] for row in part], c.type.arrow) for i, c in enumerate(columns)]
        yield pa.RecordBatch.from_arrays(arrays, names=[f"_{i}" for i in range(len(columns))])


def written(format: Format, columns: tuple[Column, ...], rows: Rows, size: int = 5) -> bytes:
    return b"".join(format.write(Result(columns, batches(columns, rows, size))))


def instant(value: date) -> str:
    text = value.isoformat()
    return text.rstrip("0").rstrip(".") if "." in text else text


def seen_by_astropy(column: Column, value: Any) -> Any:
    """Return a value as astropy reads it from VOTable, where NaN and empty mean missing."""
    if value is None or value in ("", b"", []) or value != value:
        return None
    match column.type.family:
        case "time":
            return instant(value)
        case "geometry" | "binary" | "array":
            return list(value)
        case _:
            return value


def stripped(rows: Rows) -> Rows:
    """Return texts without blanks at their ends, which astropy strips in TABLEDATA."""
    return [tuple((v.strip() or None) if isinstance(v, str) else v for v in row) for row in rows]


def plain(value: Any) -> Any:
    """Return a cell of astropy as a plain value."""
    if isinstance(value, np.ndarray | np.ma.MaskedArray):
        flat = np.ma.asarray(value).ravel()
        missing = flat.size == 0 or np.ma.getmaskarray(flat).all()
        return None if missing else flat.tolist()
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is np.ma.masked or value == "" or value != value else value


def read_votable(document: bytes) -> Rows:
    array = parse(io.BytesIO(document), verify="ignore").get_first_table().array
    return [tuple(plain(row[name]) for name in array.dtype.names) for row in array]


def as_text(column: Column, value: Any) -> str:
    """Return a value as CSV spells it."""
    match column.type.family, value:
        case _, None:
            return ""
        case "time", _:
            return instant(value)
        case "boolean", _:
            return str(value).lower()
        case "geometry" | "binary" | "array", _:
            return " ".join(str(v).lower() for v in value)
        case _:
            return str(value)


def meant(column: Column, text: str) -> Any:
    """Return the number of a text, or the text."""
    if not text or column.type.family in ("text", "time", "boolean") or column.datatype == "boolean":
        return text
    number = np.float32 if column.datatype == "float" else float
    values = [number(word) for word in text.split(" ")]
    return ["NaN" if math.isnan(v) else v for v in values]


@pytest.mark.parametrize("format", [f for f in FORMATS if "votable" in f.family], ids=lambda f: f.name)
@settings(deadline=None, max_examples=60)
@given(tables())
def test_votable(format: Format, table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    expected = [tuple(seen_by_astropy(c, v) for c, v in zip(columns, row, strict=True)) for row in rows]
    got = read_votable(written(format, columns, rows, size))
    assert stripped(got) == stripped(expected) if format is TABLEDATA else got == expected


@settings(deadline=None, max_examples=60)
@given(st.lists(ANY | ASCII))
def test_tabledata_keeps_every_character(texts: list[str]) -> None:
    columns = (Column("a", VARCHAR),)
    cells = etree.fromstring(written(TABLEDATA, columns, [(t,) for t in texts])).iterfind(".//{*}TD")
    assert [cell.text or "" for cell in cells] == texts


def _csv(document: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(document.decode(), newline="")))


def _tsv(document: bytes) -> list[list[str]]:
    return [line.split("\t") for line in document.decode().split("\n")[:-1]]


def _flat(text: str) -> str:
    return text.translate(str.maketrans("\t\r\n", "   "))


@pytest.mark.parametrize(
    ("format", "read", "shown"), [(CSV, _csv, str), (TSV, _tsv, _flat)], ids=lambda f: getattr(f, "name", "")
)
@settings(deadline=None, max_examples=60)
@given(table=tables())
def test_text(
    format: Format,
    read: Callable[[bytes], list[list[str]]],
    shown: Callable[[str], str],
    table: tuple[tuple[Column, ...], Rows, int],
) -> None:
    columns, rows, size = table
    header, *lines = read(written(format, columns, rows, size))
    assert header == [c.name for c in columns]
    for line, row in zip(lines, rows, strict=True):
        for c, got, value in zip(columns, line or [""], row, strict=True):
            assert meant(c, got) == meant(c, shown(as_text(c, value)))


# ------------------------------------------------------------------ files


def same(a: Any, b: Any) -> bool:
    """Return whether values are equal, where NaN equals itself."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def assert_same(columns: tuple[Column, ...], got: Rows, expected: Rows) -> None:
    for row, wanted in zip(got, expected, strict=True):
        for c, a, b in zip(columns, row, wanted, strict=True):
            assert same(a, b), (c.name, a, b)


def _parquet(document: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(document))


def _arrow(document: bytes) -> pa.Table:
    return pa.ipc.open_stream(document).read_all()


@pytest.mark.parametrize(
    ("format", "read"), [(PARQUET, _parquet), (ARROW, _arrow)], ids=lambda f: getattr(f, "name", "")
)
@settings(deadline=None, max_examples=60)
@given(table=tables())
def test_arrow(format: Format, read: Callable[[bytes], pa.Table], table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    got = read(written(format, columns, rows, size))
    assert got.schema.types == [c.type.arrow for c in columns]
    assert_same(columns, list(zip(*(c.to_pylist() for c in got.columns), strict=True)), rows)


def as_json(column: Column, value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, list | bytes):
        return [as_json(column, v) for v in value]
    if column.datatype == "float" and value is not None:
        return float(str(np.float32(value)))
    return instant(value) if isinstance(value, date) else value


@settings(deadline=None, max_examples=60)
@given(tables())
def test_json(table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    got = json.loads(written(JSON, columns, rows, size))
    assert [c["name"] for c in got["metadata"]] == [c.name for c in columns]
    assert got["status"] == "OK"
    assert_same(columns, got["data"], [tuple(as_json(c, v) for c, v in zip(columns, r, strict=True)) for r in rows])


def seen_in_fits(column: Column, value: Any) -> Any:
    """Return a value as FITS stores it: ASCII, no trailing blanks, no missing arrays."""
    match column.type.family:
        case "text" | "time":
            said = instant(value) if isinstance(value, date) else value or ""
            return "".join(c if c.isascii() else "?" for c in said).rstrip()
        case "geometry" | "array" | "binary" if column.element_count:
            return [math.nan] * column.element_count if value is None else list(value)
        case "geometry" | "array" | "binary":
            return list(value or [])
        case "real":
            return math.nan if value is None else value
        case _:
            return value


def from_fits(column: Column, cell: Any, null: Any) -> Any:
    if column.type.family in ("text", "time"):
        return str(cell).rstrip()
    if column.type.family == "boolean":
        return {b"T": True, b"F": False}.get(bytes(cell).rstrip(b"\0"))
    if column.arraysize is not None:
        cells = np.asarray(cell).ravel().tolist()
        return [c in (ord("T"), b"T", True) for c in cells] if column.datatype == "boolean" else cells
    return None if null is not None and cell == null else np.asarray(cell).item()


@settings(deadline=None, max_examples=60)
@given(tables())
def test_fits(table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    with fits.open(io.BytesIO(written(FITS, columns, rows, size)), logical_as_bytes=True) as file:
        file.verify("exception")
        header, data = file[1].header, file[1].data
        assert header["NAXIS2"] == len(rows)
        assert [header[f"TTYPE{n}"] for n in range(1, len(columns) + 1)] == [c.name for c in columns]
        assert {header[f"TUNIT{n}"] for n in range(1, len(columns) + 1)} == {"m"}
        for n, c in enumerate(columns):
            got = [from_fits(c, row.field(n), header.get(f"TNULL{n + 1}")) for row in data] if rows else []
            for a, row in zip(got, rows, strict=True):
                assert same(a, seen_in_fits(c, row[n])), (c.name, a, row[n])


@settings(deadline=None, max_examples=60)
@given(tables())
def test_page(table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    page = html.fromstring(written(HTML, columns, rows, size))
    assert [th.text or "" for th in page.iterfind(".//th")] == [c.name for c in columns]
    cells = [[td.text_content() for td in tr.iterfind("td")] for tr in page.iterfind(".//tbody/tr")]
    assert len(cells) == len(rows)
    for line, row in zip(cells, rows, strict=True):
        for c, got, value in zip(columns, line, row, strict=True):
            assert meant(c, got.strip()) == meant(c, as_text(c, value).strip())


@settings(deadline=None, max_examples=60)
@given(tables())
def test_aligned_text(table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    head, _, _, *lines = written(TEXT, columns, rows, size).decode().split("\n")[:-1]
    assert head.split() == " ".join(c.name for c in columns).split()
    assert len(lines) == len(rows) + 1
    assert lines[-1].startswith(f"# {len(rows)} row")


# ----------------------------------------------------------------- shapes

SIDES = {"3": 3, "2x3": 6, "2x2x2": 8, "2x*": None, "*": None}


@st.composite
def arrays(draw: st.DrawFn) -> tuple[tuple[Column, ...], Rows, int]:
    """Draw arrays of each shape, one column for each type; those of variable length hold pairs."""
    shapes = [draw(st.sampled_from(list(SIDES))) for _ in ARRAYS]
    columns = tuple(
        Column(t.name, t, arraysize_override=s if s != "*" else None) for t, s in zip(ARRAYS, shapes, strict=True)
    )

    def values(column: Column) -> st.SearchStrategy[Any]:
        inner = ELEMENTS[column.type.name.removesuffix(" ARRAY")]
        if column.element_count is not None:
            return st.lists(inner, min_size=column.element_count, max_size=column.element_count)
        return st.lists(st.tuples(inner, inner), max_size=3).map(lambda pairs: [v for pair in pairs for v in pair])

    return columns, draw(st.lists(st.tuples(*map(values, columns)), max_size=5)), draw(st.integers(1, 9))


@pytest.mark.parametrize("format", [BINARY2, TABLEDATA, BINARY, FITS, PARQUET, ARROW], ids=lambda f: f.name)
@settings(deadline=None, max_examples=25)
@given(arrays())
def test_arrays_of_any_shape_are_read_back(format: Format, table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    got = read_upload(written(format, columns, rows, size), 10**8)
    for c, back, array, values in zip(columns, got.columns, got.rows.columns, zip(*rows, strict=True), strict=False):
        if format is not FITS or c.element_count is not None:  # FITS has no "2x*"
            assert (back.datatype, back.arraysize) == (c.datatype, c.arraysize)
        for cell, value in zip(array.to_pylist(), values, strict=True):
            assert same(cell if cell is not None or format is not TABLEDATA else [], value), (c.name, cell, value)


@pytest.mark.parametrize("shape", ["3", "2x3", "2x2x2"])
def test_astropy_sees_the_shape(shape: str) -> None:
    columns = tuple(Column(t.name, t, arraysize_override=shape) for t in ARRAYS)
    row: tuple[Any, ...] = tuple([c.datatype == "boolean" or 1] * (c.element_count or 0) for c in columns)
    whole = [written(format, columns, [row, row]) for format in (FITS, BINARY2, TABLEDATA)]
    with fits.open(io.BytesIO(whole[0])) as file:
        votables = [parse(io.BytesIO(w), verify="ignore").get_first_table().array for w in whole[1:]]
        for c in columns:
            sides = (2, *map(int, reversed(shape.split("x"))))
            assert [seen[c.name].shape for seen in (file[1].data, *votables)] == [sides] * 3


# --------------------------------------------------------------- read again

SAID = ("name", "datatype", "arraysize", "xtype", "unit", "ucd")


def left(format: Format, column: Column, value: Any) -> Any:
    """Return a value as it is read back from a format."""
    if isinstance(value, date):
        return instant(value)
    if format in (TABLEDATA, BINARY) and value in ("", b"", []):
        return [] if format is BINARY and value == [] else b"" if format is BINARY and value == b"" else None
    if format is not BINARY:
        return value
    if value is None and column.arraysize is not None and column.type.family in ("geometry", "array", "binary"):
        return b"" if column.type.family == "binary" else [math.nan] * (column.element_count or 0)
    return None if value != value else value


@pytest.mark.parametrize("format", [BINARY2, TABLEDATA, BINARY, PARQUET, ARROW], ids=lambda f: f.name)
@settings(deadline=None, max_examples=60)
@given(tables())
def test_results_are_read_back_as_uploads(format: Format, table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    got = read_upload(written(format, columns, rows, size), 10**8)
    assert [[getattr(c, n) for n in SAID] for c in got.columns] == [[getattr(c, n) for n in SAID] for c in columns]
    assert got.rows.num_rows == len(rows)
    for c, array, values in zip(columns, got.rows.columns, zip(*rows, strict=True), strict=False):
        cells = [instant(v) if isinstance(v, date) else v for v in array.to_pylist()]
        for cell, value in zip(cells, values, strict=True):
            assert same(cell, left(format, c, value)), (c.name, cell, value)


def left_by_fits(column: Column, value: Any) -> Any:
    """Return a value as it is read back from FITS: NaN and empty texts are missing, arrays never are."""
    seen = seen_in_fits(column, value)
    if column.type.family == "binary":
        return bytes(seen)
    return None if seen == "" or seen != seen else seen


@settings(deadline=None, max_examples=60)
@given(tables())
def test_fits_results_are_read_back_as_uploads(table: tuple[tuple[Column, ...], Rows, int]) -> None:
    columns, rows, size = table
    got = read_upload(written(FITS, columns, rows, size), 10**8)
    said = ("name", "unit", "ucd", "xtype")
    assert [[getattr(c, n) for n in said] for c in got.columns] == [[getattr(c, n) for n in said] for c in columns]
    assert got.rows.num_rows == len(rows)
    for c, back, array, values in zip(columns, got.columns, got.rows.columns, zip(*rows, strict=True), strict=False):
        assert c.type.family in ("text", "time") or (c.datatype, c.element_count) == (back.datatype, back.element_count)
        for cell, value in zip(array.to_pylist(), values, strict=True):
            shown = instant(cell) if isinstance(cell, date) else cell
            assert same(shown, left_by_fits(c, value)), (c.name, cell, value)


@settings(deadline=None, max_examples=60)
@given(tables())
def test_csv_numbers_and_texts_are_read_back(table: tuple[tuple[Column, ...], Rows, int]) -> None:
    """CSV has no types: a column gets a type that fits all its values, so their texts are compared."""
    columns, rows, size = table
    kept = [n for n, c in enumerate(columns) if c.type.family in ("boolean", "integer", "real")]
    kept = kept[: size % 3 or None]  # a table of one column has no empty lines
    columns = tuple(columns[n].replace(name=f"c{n}") for n in kept)
    rows = [tuple(row[n] for n in kept) for row in rows]
    if not columns:
        return
    got = read_upload(written(CSV, columns, rows, size), 10**8)
    assert [c.name for c in got.columns] == [c.name for c in columns]
    assert got.rows.num_rows == len(rows)
    for c, array, values in zip(columns, got.rows.columns, zip(*rows, strict=True), strict=False):
        for cell, value in zip(array.to_pylist(), values, strict=True):
            shown = np.float32(cell) if c.datatype == "float" and cell is not None else cell
            assert same(shown, value), (c.name, cell, value)


@settings(deadline=None, max_examples=60)
@given(tables())
def test_parser_agrees_with_fast_tabledata_reader(table: tuple[tuple[Column, ...], Rows, int]) -> None:
    document = written(TABLEDATA, *table)
    slow = document.replace(b"<TABLEDATA>", b"<TABLEDATA><!-- rows -->")
    assert str(read_upload(document, 10**8)) == str(read_upload(slow, 10**8))

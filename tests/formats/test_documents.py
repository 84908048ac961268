"""Whole documents: header, statuses, errors, and the bytes of BINARY2."""

from __future__ import annotations

import base64
import csv
import io
import struct
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from astropy.io import ascii as texts
from lxml import etree

from vo_server.errors import QueryError, QueryTimeoutError, TextSpan
from vo_server.formats import ARROW, BINARY, BINARY2, CSV, FORMATS, HTML, JSON, PARQUET, TABLEDATA, TSV, Format
from vo_server.formats.write.votable import unique_ids
from vo_server.model.column import Column
from vo_server.model.result import Info, Result
from vo_server.model.types import (
    BIGINT,
    BLOB,
    BOOLEAN,
    BYTE,
    CHAR,
    DOUBLE,
    INTEGER,
    POINT,
    POLYGON,
    REAL,
    SMALLINT,
    TIMESTAMP,
    UNICODE,
    VARCHAR,
)

SCHEMA = Path(__file__).resolve().parents[3] / "shared" / "standards" / "xsd" / "local" / "VOTable-v1.4.xsd"
VOTABLES = [f for f in FORMATS if "votable" in f.family]
NUMBER = (Column("n", INTEGER),)
by_name = pytest.mark.parametrize("format", VOTABLES, ids=lambda f: f.name)


def batch(columns: tuple[Column, ...], *rows: tuple[Any, ...]) -> pa.RecordBatch:
    arrays = [pa.array([row[i] for row in rows], c.type.arrow) for i, c in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, names=[f"_{i}" for i in range(len(columns))])


def document(format: Format, columns: tuple[Column, ...], *rows: tuple[Any, ...], **said: Any) -> bytes:
    return b"".join(format.write(Result(columns, iter([batch(columns, *rows)]), **said)))


def stream(columns: tuple[Column, ...], *rows: tuple[Any, ...]) -> bytes:
    root = etree.fromstring(document(BINARY2, columns, *rows))
    return base64.b64decode(root.findtext(".//{*}STREAM"))


def statuses(whole: bytes) -> list[tuple[str, str | None]]:
    infos = etree.fromstring(whole).iterfind("{*}RESOURCE/{*}INFO[@name='QUERY_STATUS']")
    return [(info.get("value"), info.text) for info in infos]


def codes(whole: bytes) -> dict[str, str]:
    """Return the INFOs with the code, line and column of an error."""
    infos = etree.fromstring(whole).iterfind(".//{*}INFO")
    return {info.get("name"): info.get("value") for info in infos if info.get("name").startswith("ERROR_")}


@cache
def schema() -> etree.XMLSchema:
    if not SCHEMA.exists():
        pytest.skip("the IVOA's schemas are not beside this checkout")
    return etree.XMLSchema(etree.parse(SCHEMA))


RICH = (
    Column("ra", DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main", utype="a:b.c", description='R & <D> "q"'),
    Column("dec", DOUBLE, ucd="POS_EQ_DEC_MAIN"),
    Column("1 é", BYTE),
    Column("1 é", BOOLEAN),
    Column("ICRS", POLYGON),
    Column("t", TIMESTAMP, description=""),
    Column("blob", BLOB, nullable=False),
)
RICH_ROW = (1.5, None, None, None, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], None, b"ab")


@by_name
def test_valid(format: Format) -> None:
    infos = (Info("citation", "a & b", "told", "meta.bib"), Info("server", 'x"y\x01'))
    whole = document(format, RICH, RICH_ROW, title="T & T", description="rows", infos=infos)
    schema().assertValid(etree.fromstring(whole))


@by_name
def test_valid_without_rows_with_overflow(format: Format) -> None:
    whole = b"".join(format.write(Result(RICH, iter([])).limit(0)))
    schema().assertValid(etree.fromstring(whole))
    assert [value for value, _ in statuses(whole)] == ["OK", "OVERFLOW"]


@by_name
def test_error_document_is_valid(format: Format) -> None:
    whole = format.error_document(
        QueryError("no such column", text="SELECT x", span=TextSpan(7, 8)), [Info("Error", "no")]
    )
    schema().assertValid(etree.fromstring(whole))
    [(value, text)] = statuses(whole)
    assert value == "ERROR"
    assert text is not None
    assert text.startswith("UsageFault: ")
    assert codes(whole) == {"ERROR_CODE": "ADQL.INVALID", "ERROR_LINE": "1", "ERROR_COLUMN": "8"}
    assert etree.fromstring(whole).find("{*}INFO[@name='Error']").get("value") == "no"


def test_error_document_of_a_text_format() -> None:
    document = CSV.error_document(QueryTimeoutError("too slow", hint="TOP"), ())
    assert document == b"UsageFault: too slow (TOP)\nERROR_CODE: QUERY.TIMEOUT\n"
    assert TSV.error_media_type.startswith("text/plain")


def test_header_has_column_metadata() -> None:
    root = etree.fromstring(document(BINARY2, RICH, RICH_ROW, title="T", description="D"))
    fields = root.findall(".//{*}FIELD")
    assert [f.get("name") for f in fields] == [c.name for c in RICH]
    assert [f.get("ID") for f in fields] == ["ra", "dec", "_1__", "_1___2", "ICRS_2", "t", "blob"]
    assert [f.get("ref") for f in fields] == ["ICRS", "ICRS", *[None] * 5]
    assert dict(fields[0].attrib).items() >= {"unit": "deg", "ucd": "pos.eq.ra;meta.main", "utype": "a:b.c"}.items()
    assert fields[0].findtext("{*}DESCRIPTION") == 'R & <D> "q"'
    assert (fields[4].get("arraysize"), fields[4].get("xtype")) == ("*", "polygon")
    assert root.findtext("{*}DESCRIPTION") == "T"
    assert root.findtext(".//{*}TABLE/{*}DESCRIPTION") == "D"
    assert not root.findall(".//{*}VALUES")


def test_only_positions_need_a_frame() -> None:
    assert b"COOSYS" not in document(TABLEDATA, NUMBER, (1,))


def test_binary_marks_integers_that_may_be_missing() -> None:
    columns = (Column("a", SMALLINT), Column("b", SMALLINT, nullable=False), Column("c", BYTE))
    root = etree.fromstring(document(BINARY, columns, (None, 7, None)))
    assert [v.get("null") for v in root.findall(".//{*}VALUES")] == ["-32768", "255"]
    assert base64.b64decode(root.findtext(".//{*}STREAM")) == struct.pack(">hhB", -32768, 7, 255)


def test_binary_rejects_a_value_that_means_missing() -> None:
    whole = document(BINARY, (Column("c", BYTE),), (255,))
    assert statuses(whole)[-1][0] == "ERROR"
    assert codes(whole) == {"ERROR_CODE": "QUERY.NOT_REPRESENTABLE"}


def test_ids_are_unique() -> None:
    assert unique_ids(["a", "a", "a_2", "A", "", "-x"]) == ["a", "a_2", "a_2_2", "A", "_", "_-x"]


@pytest.mark.parametrize("format", [*VOTABLES, CSV, TSV, JSON, ARROW, HTML], ids=lambda f: f.name)
def test_header_comes_before_rows_are_read(format: Format) -> None:
    read = []

    def rows() -> Iterator[pa.RecordBatch]:
        for number in range(3):
            read.append(number)
            yield batch(NUMBER, *[(n,) for n in range(100_000)])

    pieces = format.write(Result(NUMBER, rows()))
    first = next(pieces)
    assert b"n" in first and not read
    assert len(b"".join(pieces)) > (1_000_000 if format is not HTML else 10_000)


def test_chunks_are_about_a_megabyte() -> None:
    rows = (batch(NUMBER, *[(n,) for n in range(1000)]) for _ in range(1000))
    sizes = [len(piece) for piece in BINARY2.write(Result(NUMBER, rows))]
    assert all(1 << 20 <= size < 2 << 20 for size in sizes[1:-1])
    assert len(sizes) > 5


def broken(error: Exception) -> Iterator[pa.RecordBatch]:
    yield batch(NUMBER, (1,), (2,))
    raise error


@by_name
def test_error_after_rows(format: Format) -> None:
    whole = b"".join(format.write(Result(NUMBER, broken(QueryTimeoutError("took too long")))))
    schema().assertValid(etree.fromstring(whole))
    assert statuses(whole) == [("OK", None), ("ERROR", "UsageFault: took too long")]
    assert codes(whole) == {"ERROR_CODE": "QUERY.TIMEOUT"}


@by_name
def test_internal_error_after_rows_is_not_disclosed(format: Format, caplog: pytest.LogCaptureFixture) -> None:
    whole = b"".join(format.write(Result(NUMBER, broken(RuntimeError("the password is 1234")))))
    assert statuses(whole)[-1] == ("ERROR", "FatalFault: internal error")
    assert codes(whole) == {"ERROR_CODE": "SERVICE.INTERNAL"}
    assert b"1234" not in whole
    assert "1234" in caplog.text


def test_rows_before_an_error_are_written() -> None:
    root = etree.fromstring(b"".join(BINARY2.write(Result(NUMBER, broken(ValueError())))))
    assert base64.b64decode(root.findtext(".//{*}STREAM")) == struct.pack(">BiBi", 0, 1, 0, 2)


@pytest.mark.parametrize("format", [f for f in FORMATS if f not in (*VOTABLES, HTML)], ids=lambda f: f.name)
def test_other_formats_raise_errors_after_rows(format: Format) -> None:
    pieces = format.write(Result(NUMBER, broken(QueryTimeoutError("took too long"))))
    with pytest.raises(QueryTimeoutError):
        list(pieces)


@by_name
@pytest.mark.parametrize(("maxrec", "ends"), [(2, ["OK", "OVERFLOW"]), (3, ["OK"]), (None, ["OK"])])
def test_overflow(format: Format, maxrec: int | None, ends: list[str]) -> None:
    result = Result(NUMBER, iter([batch(NUMBER, (1,), (2,), (3,))])).limit(maxrec)
    said = statuses(b"".join(format.write(result)))
    assert [value for value, _ in said] == ends
    assert len(said) == 1 or "2 rows" in (said[1][1] or "")


def test_overflow_follows_the_table() -> None:
    result = Result(NUMBER, iter([batch(NUMBER, (1,), (2,))])).limit(1)
    resource = etree.fromstring(b"".join(TABLEDATA.write(result))).find("{*}RESOURCE")
    assert [etree.QName(child).localname for child in resource] == ["INFO", "TABLE", "INFO"]


def test_binary2_flags_run_from_the_highest_bit() -> None:
    columns = tuple(Column(f"c{n}", SMALLINT) for n in range(10))
    row = (None, 1, 2, 3, 4, 5, 6, 7, 8, None)
    assert stream(columns, row) == struct.pack(">BB10h", 0b10000000, 0b01000000, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0)


def test_binary2_bytes() -> None:
    columns = (
        Column("s", VARCHAR, 9),
        Column("c", CHAR, 4),
        Column("b", BOOLEAN),
        Column("f", REAL),
        Column("p", POINT),
        Column("u", UNICODE),
        Column("l", BIGINT),
    )
    rows = [("", "ab", True, 1.5, [1.0, 2.0], "aé", -1), (None, None, None, None, None, None, None)]
    nan32, nan64 = struct.pack(">f", float("nan")), struct.pack(">d", float("nan"))
    first = b"\0" + b"\0\0\0\0" + b"ab\0\0" + b"T" + struct.pack(">fddI", 1.5, 1, 2, 2) + b"\0a\0\xe9" + b"\xff" * 8
    second = b"\xfe" + b"\0\0\0\0" + b"\0\0\0\0" + b"?" + nan32 + nan64 * 2 + b"\0" * 12
    assert stream(columns, *rows) == first + second


def test_char_is_utf8_truncated_between_characters() -> None:
    columns = (Column("c", CHAR, 3), Column("v", VARCHAR, 3))
    assert stream(columns, ("aéé", "aéé")) == b"\0" + b"a\xc3\xa9" + b"\0\0\0\x05" + "aéé".encode()


def test_wider_types_are_cast() -> None:
    columns = (Column("sum", BIGINT), Column("f", REAL), Column("s", VARCHAR))
    wide = pa.RecordBatch.from_arrays(
        [pa.array([Decimal(7)], pa.decimal128(38, 0)), pa.array([0.5]), pa.array(["x"]).dictionary_encode()],
        names=["a", "b", "c"],
    )
    whole = b"".join(TABLEDATA.write(Result(columns, iter([wide]))))
    assert b"<TR><TD>7</TD><TD>0.5</TD><TD>x</TD></TR>" in whole


@by_name
def test_slices_of_a_batch(format: Format) -> None:
    columns = (*RICH, Column("u", UNICODE), Column("p", POINT), Column("c", CHAR, 2))
    rows = [(*RICH_ROW, f"é{n}", [n, 2.0], "x") for n in range(9)]
    whole = document(format, columns, *rows[3:5])
    part = b"".join(format.write(Result(columns, iter([batch(columns, *rows).slice(3, 2)]))))
    assert part == whole


def test_drops_characters_that_xml_does_not_allow() -> None:
    columns = (Column("s", VARCHAR), Column("p", INTEGER))
    whole = document(TABLEDATA, columns, ("a\x00b\x1fc\ufffed\re<f>&amp;", 1))
    assert etree.fromstring(whole).findtext(".//{*}TD") == "abcd\re<f>&amp;"


def test_infinities_and_nan() -> None:
    columns = (Column("a", DOUBLE), Column("b", REAL), Column("c", DOUBLE))
    row = (float("inf"), float("-inf"), float("nan"))
    assert b"<TR><TD>+Inf</TD><TD>-Inf</TD><TD>NaN</TD></TR>" in document(TABLEDATA, columns, row)
    assert document(CSV, columns, row).split(b"\r\n")[1] == b"Infinity,-Infinity,NaN"


def test_csv_distinguishes_empty_from_missing() -> None:
    columns = (Column("s", VARCHAR), Column('x"y', VARCHAR))
    assert document(CSV, columns, ("", None), ("a,b", 'c"d')) == b's,"x""y"\r\n"",\r\n"a,b","c""d"\r\n'


def test_csv_of_one_column_has_no_empty_line() -> None:
    """Readers skip empty lines: a row would be lost."""
    whole = document(CSV, NUMBER, (1,), (None,), (3,))
    assert whole == b'n\r\n1\r\n""\r\n3\r\n'
    assert texts.read(whole.decode(), format="csv")["n"].tolist() == [1, None, 3]
    assert pa.csv.read_csv(io.BytesIO(whole))["n"].to_pylist() == [1, None, 3]


def test_csv_distinguishes_text_from_comment() -> None:
    columns = (Column("#a", VARCHAR), Column("b", VARCHAR))
    whole = document(CSV, columns, ("#1", "#"), ("a#", "b"))
    assert whole == b'"#a",b\r\n"#1","#"\r\n"a#",b\r\n'
    assert len(texts.read(whole.decode(), format="csv", comment="#")) == 2


TWO = (Column("n", INTEGER, unit="m"), Column("a,b", VARCHAR))
LINES = {CSV.name: b"# OVERFLOW: The result was cut at 2 rows; the limit (MAXREC): there are more.,\r\n"}
LINES[TSV.name] = LINES[CSV.name].replace(b",\r", b"\t")


def cut(format: Format) -> bytes:
    rows = iter([batch(TWO, (1, "x"), (2, "y"), (3, "z"))])
    return b"".join(format.write(Result(TWO, rows).limit(2)))


@pytest.mark.parametrize("format", [CSV, TSV], ids=lambda f: f.name)
def test_last_line_reports_overflow(format: Format) -> None:
    assert cut(format).endswith(LINES[format.name])
    assert b"#" not in document(format, TWO, (1, "x"))


def test_last_line_is_readable_as_a_row() -> None:
    """Readers that know comments see only the rows; others see a further row, as wide as the rest."""
    whole = cut(CSV)
    assert list(map(len, csv.reader(io.StringIO(whole.decode(), newline="")))) == [2, 2, 2, 2]
    assert pa.csv.read_csv(io.BytesIO(whole)).num_rows == 3
    assert len(texts.read(whole.decode(), format="csv")) == 3
    table = texts.read(whole.decode(), format="csv", comment="#")
    assert (len(table), table["n"].dtype.kind) == (2, "i")
    assert len(texts.read(cut(TSV).decode(), format="tab")) == 2


@pytest.mark.parametrize("format", [CSV, TSV], ids=lambda f: f.name)
def test_last_line_reports_failure(format: Format) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield batch(TWO, (1, "x"))
        raise QueryTimeoutError('"300" s,\tthe limit')

    pieces = format.write(Result(TWO, rows()))
    seen = [next(pieces), next(pieces)]
    with pytest.raises(QueryTimeoutError):
        next(pieces)
    line = b"".join(seen).splitlines()[-1]
    assert line.rstrip(b",\t") == b"# ERROR QUERY.TIMEOUT: UsageFault: 300 s; the limit"


def test_tsv_has_no_tabs_in_values() -> None:
    assert document(TSV, (Column("a\tb", VARCHAR), *NUMBER), ("x\ty\nz", 3)) == b"a b\tn\nx y z\t3\n"


@pytest.mark.parametrize("format", [*VOTABLES, CSV, TSV, PARQUET, HTML, JSON], ids=lambda f: f.name)
def test_many_rows_are_written_as_few(format: Format) -> None:
    columns = (*RICH, Column("u", UNICODE), Column("p", POINT), Column("c", CHAR, 2), Column("v", VARCHAR))
    rows = [(*RICH_ROW, f"é{n}", [n, 2.0], "x", "&<" * (n % 5)) for n in range(5000)]
    parts = (batch(columns, *rows[start : start + 100]) for start in range(0, len(rows), 100))
    few = b"".join(format.write(Result(columns, parts)))
    assert document(format, columns, *rows).replace(b"\n", b"") == few.replace(b"\n", b"")


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ((Column("p", POINT),), pa.RecordBatch.from_arrays([pa.array([[1.0, 2.0, 3.0]])], names=["p"])),
        ((*NUMBER, *NUMBER), batch(NUMBER, (1,))),
        (NUMBER, pa.RecordBatch.from_arrays([pa.array(["x"])], names=["n"])),
    ],
    ids=["array too long", "array too few", "not a number"],
)
def test_rows_that_do_not_fit_their_columns_are_an_error(columns: tuple[Column, ...], rows: pa.RecordBatch) -> None:
    whole = b"".join(BINARY2.write(Result(columns, iter([rows]))))
    schema().assertValid(etree.fromstring(whole))
    assert statuses(whole)[-1] == ("ERROR", "FatalFault: internal error")


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.name)
def test_only_nulls_and_no_rows(format: Format) -> None:
    missing = pa.RecordBatch.from_arrays([pa.nulls(2, c.type.arrow) for c in RICH], names=[str(n) for n in range(7)])
    empty = document(format, RICH)
    full = b"".join(format.write(Result(RICH, iter([missing.slice(0, 0), missing]))))
    assert len(full) > len(empty)

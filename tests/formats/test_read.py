"""Uploads: documents of every version and serialisation, of other writers than ours, and hostile ones."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import re
import struct
import warnings
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.io.votable.tree import VOTableFile
from astropy.table import MaskedColumn, Table

from vo_server.errors import Code, TooLargeError, UsageError
from vo_server.formats.read.upload import UploadedTable, read_upload

LIMIT = 10**7
ROWS = "<TR><TD>1</TD><TD>a</TD></TR><TR><TD/><TD></TD></TR>"
FIELDS = '<FIELD name="n" datatype="int"/><FIELD name="s" datatype="char" arraysize="*"/>'


def votable(
    rows: str = ROWS, fields: str = FIELDS, version: str = "1.4", data: str | None = None, ns: str = ""
) -> bytes:
    inside = f"<TABLEDATA>{rows}</TABLEDATA>" if data is None else data
    return (
        f'<?xml version="1.0"?>\n<VOTABLE version="{version}"{ns}><RESOURCE><TABLE>{fields}'
        f"<DATA>{inside}</DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


def values(upload: UploadedTable) -> list[tuple[Any, ...]]:
    return list(zip(*(c.to_pylist() for c in upload.rows.columns), strict=True))


def one(text: str, **said: str) -> Any:
    """Return the value of a single cell and its column."""
    attributes = "".join(f' {name}="{value}"' for name, value in said.items() if name != "null")
    null = f'<VALUES null="{said["null"]}"/>' if "null" in said else ""
    field = f'<FIELD name="x"{attributes}>{null}</FIELD>'
    upload = read_upload(votable(f"<TR><TD>{text}</TD></TR>", field), LIMIT)
    return upload.columns[0], upload.rows.column(0)[0].as_py()


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"])
@pytest.mark.parametrize("ns", ["", ' xmlns="http://www.ivoa.net/xml/VOTable/v1.3"'])
def test_versions(version: str, ns: str) -> None:
    assert values(read_upload(votable(version=version, ns=ns), LIMIT)) == [(1, "a"), (None, None)]


def test_prefixes_comments_and_cdata() -> None:
    document = votable("<TR><!-- x --><TD>2</TD><TD><![CDATA[<&>]]> &lt;b&gt;&#65;</TD></TR>")
    assert values(read_upload(document, LIMIT)) == [(2, "<&> <b>A")]
    text = document.decode()
    for name in ("VOTABLE", "RESOURCE", "TABLE", "FIELD", "DATA", "TABLEDATA", "TR", "TD"):
        text = text.replace(f"<{name}", f"<v:{name}").replace(f"</{name}", f"</v:{name}")
    prefixed = text.replace("<v:VOTABLE", '<v:VOTABLE xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3"')
    assert values(read_upload(prefixed.encode(), LIMIT)) == [(2, "<&> <b>A")]


def test_old_doctype() -> None:
    document = votable(version="1.0").replace(
        b"<VOTABLE", b'<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">\n<VOTABLE'
    )
    assert len(values(read_upload(document, LIMIT))) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_character_sets(encoding: str) -> None:
    text = votable("<TR><TD>1</TD><TD>é</TD></TR>").decode().replace("?>", f' encoding="{encoding}"?>', 1)
    assert values(read_upload(text.encode(encoding), LIMIT)) == [(1, "é")]


def test_reads_the_first_table() -> None:
    whole = votable() + b""
    second = whole.replace(b"</RESOURCE>", b"<TABLE><FIELD name='z' datatype='int'/></TABLE></RESOURCE>")
    assert [c.name for c in read_upload(second, LIMIT).columns] == ["n", "s"]
    empty = b"<VOTABLE><RESOURCE><TABLE><FIELD name='z' datatype='int'/></TABLE></RESOURCE></VOTABLE>"
    assert read_upload(empty, LIMIT).rows.num_rows == 0


@pytest.mark.parametrize(
    ("text", "said", "value", "type"),
    [
        ("0x1F", {"datatype": "int"}, 31, "INTEGER"),
        (" +7 ", {"datatype": "short"}, 7, "SMALLINT"),
        ("-99", {"datatype": "int", "null": "-99"}, None, "INTEGER"),
        ("-Inf", {"datatype": "float"}, float("-inf"), "REAL"),
        ("Infinity", {"datatype": "double"}, float("inf"), "DOUBLE PRECISION"),
        ("1.5e3", {"datatype": "double", "arraysize": "1"}, 1500.0, "DOUBLE PRECISION"),
        ("True", {"datatype": "boolean"}, True, "BOOLEAN"),
        ("?", {"datatype": "boolean"}, None, "BOOLEAN"),
        ("1", {"datatype": "bit"}, True, "BOOLEAN"),
        ("101", {"datatype": "bit", "arraysize": "*"}, [True, False, True], "BOOLEAN ARRAY"),
        ("T F ?", {"datatype": "boolean", "arraysize": "3"}, [True, False, None], "BOOLEAN ARRAY"),
        ("1 2 3 4 5 6", {"datatype": "int", "arraysize": "3x2"}, [1, 2, 3, 4, 5, 6], "INTEGER ARRAY"),
        ("1 2 255", {"datatype": "unsignedByte", "arraysize": "*"}, b"\x01\x02\xff", "BLOB"),
        ("", {"datatype": "double", "arraysize": "2", "xtype": "point"}, None, "POINT"),
        ("1 2", {"datatype": "double", "arraysize": "2", "xtype": "point"}, [1.0, 2.0], "POINT"),
        ("1 2 .5", {"datatype": "double", "arraysize": "3", "xtype": "circle"}, [1.0, 2.0, 0.5], "CIRCLE"),
        ("1 2 3", {"datatype": "float", "arraysize": "3", "xtype": "circle"}, [1.0, 2.0, 3.0], "REAL ARRAY"),
        ("a", {"datatype": "char"}, "a", "CHAR"),
        ("ab", {"datatype": "char", "arraysize": "2"}, "ab", "CHAR"),
        ("ab cd", {"datatype": "char", "arraysize": "2x*"}, "ab cd", "VARCHAR"),
        ("é", {"datatype": "unicodeChar", "arraysize": "*"}, "é", "UNICODE"),
        ("2000-01-02", {"datatype": "char", "arraysize": "*", "xtype": "timestamp"}, date(2000, 1, 2), "DATE"),
        ("2000-01-02T03:04:05", {"datatype": "char", "arraysize": "19", "xtype": "timestamp"},
         datetime(2000, 1, 2, 3, 4, 5), "TIMESTAMP"),
        ("2000-01-02T03:04:05.50Z", {"datatype": "char", "arraysize": "*", "xtype": "timestamp"},
         "2000-01-02T03:04:05.50Z", "VARCHAR"),
        ("2000-01-02T03:04:05", {"datatype": "char", "arraysize": "*", "xtype": "adql:TIMESTAMP"},
         datetime(2000, 1, 2, 3, 4, 5), "TIMESTAMP"),
        ("0/1-3", {"datatype": "char", "arraysize": "*", "xtype": "moc"}, "0/1-3", "MOC"),
        ("CIRCLE 1 2 3", {"datatype": "char", "arraysize": "*", "xtype": "adql:REGION"}, "CIRCLE 1 2 3", "REGION"),
        ("circle 1 2 3", {"datatype": "char", "arraysize": "40*", "xtype": "shape"}, "circle 1 2 3", "REGION"),
    ],
)  # fmt: skip
def test_values(text: str, said: dict[str, str], value: Any, type: str) -> None:
    column, got = one(text, **said)
    assert got == value
    assert column.type.name == type
    assert column.xtype == said.get("xtype")
    if said.get("arraysize") not in (None, "1"):
        assert column.arraysize == said["arraysize"] or said["datatype"] == "unicodeChar"


def table() -> Table:
    made = Table()
    made["a b"] = MaskedColumn([1, 2, 3], mask=[False, True, False], dtype="i4", unit="m", description="one two")
    made["x"] = np.array([1.5, np.nan, np.inf])
    made["name"] = ["a", "", "ccc"]
    made["pair"] = np.arange(6, dtype="f4").reshape(3, 2)
    made["flag"] = [True, False, True]
    made["bytes"] = np.array([1, 2, 3], dtype="u1")
    made["long"] = np.array([2**60, 0, -1])
    return made


@pytest.mark.filterwarnings("ignore::astropy.io.votable.exceptions.W03")
@pytest.mark.parametrize("kind", ["tabledata", "binary", "binary2"])
def test_votables_by_astropy(kind: str) -> None:
    rows = table()
    if kind == "binary":  # which has no way to say that an integer is missing
        rows["a b"] = rows["a b"].filled(0)
    document: VOTableFile = from_table(rows)
    sink = io.BytesIO()
    document.to_xml(sink, tabledata_format=kind)
    upload = read_upload(sink.getvalue(), LIMIT)
    assert [c.name for c in upload.columns] == ["a b", "x", "name", "pair", "flag", "bytes", "long"]
    assert upload.columns[0].unit == "m"
    first, second, third = values(upload)
    assert first == (1, 1.5, "a", [0.0, 1.0], True, 1, 2**60)
    assert second[0] == (0 if kind == "binary" else None) and third[1] == float("inf") and third[2] == "ccc"


def test_fits_by_astropy() -> None:
    sink = io.BytesIO()
    table().write(sink, format="fits")
    check_fits(read_upload(sink.getvalue(), LIMIT))
    inside = f'<FITS><STREAM encoding="base64">{base64.b64encode(sink.getvalue()).decode()}</STREAM></FITS>'
    check_fits(read_upload(votable(fields='<FIELD name="z" datatype="int"/>', data=inside), LIMIT))


@pytest.mark.parametrize("form", ["C", "2M", "PC()"])
def test_complex_numbers_of_fits(form: str) -> None:
    sink = io.BytesIO()
    made = {"C": np.zeros(2, "c8"), "2M": np.zeros((2, 2), "c16"), "PC()": np.array([np.zeros(2, "c8")] * 2)}[form]
    fits.BinTableHDU.from_columns([fits.Column(name="z", format=form, array=made)]).writeto(sink)
    with pytest.raises(UsageError) as raised:
        read_upload(sink.getvalue(), LIMIT)
    assert raised.value.code == Code.UPLOAD_UNSUPPORTED_TYPE
    assert "column z" in raised.value.message


def check_fits(upload: UploadedTable) -> None:
    first, second, _ = values(upload)
    assert first == (1, 1.5, "a", [0.0, 1.0], True, 1, 2**60)
    assert second[0] is None and second[1] is None and second[2] is None
    assert upload.columns[0].unit == "m"
    assert upload.columns[3].arraysize == "2"


def test_csv() -> None:
    upload = read_upload(b'n,x,"a b",t,big,d\n1,1.5,"p, q",true,9999999999,2000-01-01\n2,,,false,1,2000-01-02\n', LIMIT)
    assert [c.type.name for c in upload.columns] == [
        "INTEGER", "DOUBLE PRECISION", "VARCHAR", "BOOLEAN", "BIGINT", "DATE",
    ]  # fmt: skip
    assert values(upload)[0] == (1, 1.5, "p, q", True, 9999999999, date(2000, 1, 1))
    assert values(upload)[1][1:3] == (None, None)
    assert values(read_upload(b"a\tb\n1\tx, y\n", LIMIT)) == [(1, "x, y")]


def test_foreign_parquet_and_arrow() -> None:
    rows = pa.table({
        "n": pa.array([1, None], pa.int8()), "s": pa.array(["a", "b"]).dictionary_encode(),
        "l": pa.array([[1, 2], None], pa.large_list(pa.int32())), "u": pa.array([1, 2**32 - 1], pa.uint32()),
        "t": pa.array([datetime(2000, 1, 1)] * 2, pa.timestamp("ms")), "v": pa.array([b"a", b""]),
    })  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    stream = io.BytesIO()
    with pa.ipc.new_file(stream, rows.schema) as writer:
        writer.write_table(rows)
    for document in (sink.getvalue(), stream.getvalue()):
        upload = read_upload(document, LIMIT)
        assert [c.datatype for c in upload.columns] == ["short", "char", "int", "long", "char", "unsignedByte"]
        assert values(upload)[0] == (1, "a", [1, 2], 1, datetime(2000, 1, 1), b"a")


def test_gzip() -> None:
    assert len(values(read_upload(gzip.compress(votable()), LIMIT))) == 2


BOMB = b"""<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
]><VOTABLE><RESOURCE><TABLE><FIELD name="&b;" datatype="int"/></TABLE></RESOURCE></VOTABLE>"""
EXTERNAL = b"""<!DOCTYPE VOTABLE [<!ENTITY a SYSTEM "file:///etc/passwd">]><VOTABLE><RESOURCE><TABLE>
<FIELD name="a" datatype="char" arraysize="*"/><DATA><TABLEDATA><TR><TD>&a;</TD></TR></TABLEDATA></DATA></TABLE>
</RESOURCE></VOTABLE>"""


def binary(content: bytes, fields: str = FIELDS, kind: str = "BINARY", encoding: str = "base64") -> bytes:
    stream = f'<STREAM encoding="{encoding}">{base64.b64encode(content).decode()}</STREAM>'
    return votable(fields=fields, data=f"<{kind}>{stream}</{kind}>")


def parquet_bomb() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"z": pa.nulls(LIMIT + 1, pa.int32())}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: BOMB, Code.UPLOAD_MALFORMED),
        (lambda: EXTERNAL, Code.UPLOAD_MALFORMED),
        (lambda: votable()[:-60], Code.UPLOAD_MALFORMED),
        (lambda: votable("<TR><TD>1</TD></TR>"), Code.UPLOAD_MALFORMED),
        (lambda: votable("<TR><TD>1</TD><TD>a</TD></TR>" * 3 + "<TR><TD>1</TD></TR>"), Code.UPLOAD_MALFORMED),
        (lambda: votable("<TR><!-- x --><TD>1</TD></TR>"), Code.UPLOAD_MALFORMED),
        (lambda: votable("<TR><TD>x</TD><TD>a</TD></TR>"), Code.UPLOAD_MALFORMED),
        (lambda: votable("<TR><TD>99999999999</TD><TD>a</TD></TR>"), Code.UPLOAD_MALFORMED),
        (lambda: votable("<TR><TD>1</TD><TD>&nbsp;</TD></TR>"), Code.UPLOAD_MALFORMED),
        (lambda: votable("<TR><TD>1</TD><TD>\x01</TD></TR>"), Code.UPLOAD_MALFORMED),
        (lambda: votable().replace(b"<TD>a", b"<TD>\xff\xfe"), Code.UPLOAD_MALFORMED),
        (lambda: votable("", fields='<FIELD name="n" datatype="floatComplex"/>'), Code.UPLOAD_UNSUPPORTED_TYPE),
        (
            lambda: votable("", fields='<FIELD name="n" datatype="int"/><FIELD name="n" datatype="int"/>'),
            Code.UPLOAD_MALFORMED,
        ),
        (lambda: binary(b"\0\0\0\1\0\0\0\5ab"), Code.UPLOAD_MALFORMED),
        (lambda: binary(b"\0\0\0\1\xff\xff\xff\xff"), Code.UPLOAD_MALFORMED),
        (lambda: binary(b"\0" * 5, '<FIELD name="n" datatype="int"/>'), Code.UPLOAD_MALFORMED),
        (lambda: binary(b"", encoding="gzip"), Code.UPLOAD_MALFORMED),
        (lambda: votable(data='<BINARY><STREAM href="http://127.0.0.1/secret"/></BINARY>'), Code.UPLOAD_MALFORMED),
        (lambda: votable(data="<BINARY><STREAM>a</STREAM></BINARY>"), Code.UPLOAD_MALFORMED),
        (lambda: b"<html><body>404</body></html>", Code.UPLOAD_UNKNOWN_FORMAT),
        (lambda: b"<VOTABLE/>", Code.UPLOAD_MALFORMED),
        (lambda: b"", Code.UPLOAD_UNKNOWN_FORMAT),
        (lambda: b"\x89PNG\r\n\0", Code.UPLOAD_UNKNOWN_FORMAT),
        (lambda: b"a,b\n1,2\n1\n", Code.UPLOAD_MALFORMED),
        (lambda: b"PAR1 and nothing", Code.UPLOAD_MALFORMED),
        (lambda: b"ARROW1 and nothing", Code.UPLOAD_MALFORMED),
        (lambda: b"SIMPLE  =                    T".ljust(2880), Code.UPLOAD_MALFORMED),
        (lambda: gzip.compress(votable())[:-20], Code.UPLOAD_MALFORMED),
        (lambda: b"\x1f\x8b and nothing", Code.UPLOAD_MALFORMED),
    ],
)
def test_rejects_bad_uploads(make: Callable[[], bytes], code: Code) -> None:
    with pytest.raises(UsageError) as raised:
        read_upload(make(), LIMIT)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("data", "row"),
    [
        ("<TR><TD>1</TD><TD>a</TD></TR>" * 3 + "<TR><TD>1</TD></TR>", "row 4"),
        ("<TR><!-- x --><TD>1</TD></TR>", "row 1"),
        ("<TR><TD>x</TD><TD>a</TD></TR>", "row 1 of column n"),
    ],
)
def test_errors_name_the_row(data: str, row: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_upload(votable(data), LIMIT)
    assert row in raised.value.message


def repeated_text() -> pa.Table:
    """Return a table with one stored text that every row repeats."""
    indices = pa.array(np.zeros(100_000, np.int8))
    return pa.table({"s": pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 10_000]))})


def parquet_dictionary() -> bytes:
    sink = io.BytesIO()
    pq.write_table(repeated_text(), sink, store_schema=False)
    return sink.getvalue()


def arrow_file(rows: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def arrow_bomb() -> bytes:
    return arrow_file(pa.table({"z": np.zeros(LIMIT + 1)}), "zstd")


BOMBS = [
    lambda: gzip.compress(bytes(LIMIT + 1)),
    parquet_bomb,
    parquet_dictionary,
    lambda: arrow_file(repeated_text()),
    arrow_bomb,
]


@pytest.mark.parametrize("make", BOMBS)
def test_rejects_decompression_bombs(make: Callable[[], bytes]) -> None:
    document = make()
    assert len(document) < LIMIT / 50
    with pytest.raises(TooLargeError) as raised:
        read_upload(document, LIMIT)
    assert raised.value.code == Code.UPLOAD_TOO_LARGE
    assert re.search("[18]0,000,000", raised.value.message)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_packed_arrow(compression: str | None) -> None:
    rows = pa.table(
        {"n": np.arange(10_000), "s": pa.array(["a", "b"] * 5_000).dictionary_encode(), "t": ["x"] * 10_000}
    )
    upload = read_upload(arrow_file(rows, compression), LIMIT)
    assert upload.rows.column("n").to_pylist() == list(range(10_000))
    assert upload.rows.column("s").to_pylist() == ["a", "b"] * 5_000


def test_rejects_arrow_offsets_beyond_the_end() -> None:
    rows = pa.table({"s": ["a" * 100, "b" * 50]})
    ends = struct.pack("<iii", 0, 100, 150)
    whole = arrow_file(rows)
    assert whole.count(ends) == 1
    with pytest.raises(UsageError) as raised:
        read_upload(whole.replace(ends, struct.pack("<iii", 0, 100, 1_000_000)), LIMIT)
    assert raised.value.code == Code.UPLOAD_MALFORMED


def test_rejects_fits_rows_that_share_heap_values() -> None:
    sink = io.BytesIO()
    heap = fits.Column(name="v", format="PD()", array=np.array([np.zeros(10)] * 4, dtype=object))
    fits.BinTableHDU.from_columns([heap]).writeto(sink)
    one = struct.pack(">ii", 10, 0)
    assert sink.getvalue().count(one) == 1
    with pytest.raises(UsageError) as raised:
        read_upload(sink.getvalue().replace(one, struct.pack(">ii", 1000, 0)), LIMIT)
    assert raised.value.code == Code.UPLOAD_MALFORMED


def test_rejects_too_many_columns() -> None:
    fields = "".join(f'<FIELD name="c{n}" datatype="int"/>' for n in range(5001))
    with pytest.raises(UsageError) as raised:
        read_upload(votable("", fields), LIMIT)
    assert raised.value.code == Code.UPLOAD_TOO_LARGE
    assert "5,000" in raised.value.message


@pytest.mark.parametrize("place", range(0, 2880 * 3, 97))
def test_broken_byte_is_a_usage_error_or_a_table(place: int) -> None:
    """Each binary format is read with one byte changed, at one position after another."""
    for whole in BROKEN:
        document = bytearray(whole)
        document[place % len(document)] ^= 0xFF
        with contextlib.suppress(UsageError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read_upload(bytes(document), LIMIT)


def _fits() -> bytes:
    sink = io.BytesIO()
    table().write(sink, format="fits")
    return sink.getvalue()


BROKEN = (_fits(), arrow_file(pa.table({"s": ["a", None] * 50, "l": [[1.0], []] * 50}), "lz4"), parquet_bomb())


def test_binary_of_every_kind() -> None:
    fields = (
        '<FIELD name="b" datatype="bit" arraysize="*"/><FIELD name="u" datatype="unicodeChar" arraysize="2"/>'
        '<FIELD name="l" datatype="long"><VALUES null="-1"/></FIELD><FIELD name="t" datatype="boolean"/>'
        '<FIELD name="c" datatype="char" arraysize="4"/>'
    )
    rows = struct.pack(">IBHHqc4s", 3, 0b10100000, 0xE9, 0, -1, b"t", b"ab\0x")
    rows += struct.pack(">IBBHHqc4s", 9, 0xFF, 0x80, 65, 66, 7, b"?", b"abcd")
    first, second = values(read_upload(binary(rows, fields), LIMIT))
    assert first == ([True, False, True], "é", None, True, "ab")
    assert second == ([True] * 9, "AB", 7, None, "abcd")

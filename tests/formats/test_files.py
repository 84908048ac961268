"""What FITS, Parquet, Arrow, JSON, text and pages say beside the rows: metadata, overflow, faults."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from lxml import etree, html

from vo_server.errors import Code, QueryTimeoutError, UsageError
from vo_server.formats import ARROW, FITS, FORMATS, HTML, JSON, PARQUET, TABLEDATA, TEXT, Format
from vo_server.formats.write.html import MAX_ROWS
from vo_server.model.column import Column
from vo_server.model.result import Info, Result
from vo_server.model.types import ARRAYS, BYTE, INTEGER, POLYGON, REAL, UNICODE, VARCHAR

NUMBER = (Column("n", INTEGER, unit="m", ucd="meta.number", description="it's <a> number & " + "more " * 30),)
INFOS = (
    Info("request", "http://127.0.0.1/tap/sync?LANG=ADQL&QUERY=SELECT+%3Cb%3E&RESPONSEFORMAT=html"),
    Info("query", "SELECT <b>"),
)


def batch(columns: tuple[Column, ...], *rows: tuple[object, ...]) -> pa.RecordBatch:
    arrays = [pa.array([row[i] for row in rows], c.type.arrow) for i, c in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, names=[f"_{i}" for i in range(len(columns))])


def result(columns: tuple[Column, ...], *rows: tuple[object, ...], maxrec: int | None = None) -> Result:
    return Result(columns, iter([batch(columns, *rows)]), infos=INFOS).limit(maxrec)


def written(format: Format, columns: tuple[Column, ...], *rows: tuple[object, ...], maxrec: int | None = None) -> bytes:
    return b"".join(format.write(result(columns, *rows, maxrec=maxrec)))


def test_fits_header() -> None:
    with fits.open(io.BytesIO(written(FITS, NUMBER, (1,), (2,)))) as file:
        assert list(file[1].data["n"]) == [1, 2]
        header = file[1].header
        assert (header["TUNIT1"], header["TUCD1"]) == ("m", "meta.number")
        assert header["TCOMM1"] == NUMBER[0].description.strip()
        assert header["QSTATUS"] == "OK"
        assert "TNULL1" not in header
        assert "query = SELECT <b>" in str(file[0].header["COMMENT"])


def test_fits_heap_and_arrays_of_fixed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vo_server.formats.write.fits.MAX_PADDING_BYTES", 1000)
    columns = (
        Column("shape", POLYGON),
        Column("long", VARCHAR),
        Column("grid", ARRAYS[4], arraysize_override="2x3"),
        Column("truths", ARRAYS[0], arraysize_override="2"),
    )
    grid = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    rows = [([1.0, 2.0] * 3, "x" * 1000, grid, [True, False]), *[(None, "y", None, [None, True])] * 9]
    with fits.open(io.BytesIO(written(FITS, columns, *rows)), logical_as_bytes=True) as file:
        data = file[1].data
        assert file[1].header["TDIM3"] == "(2,3)"
        assert [list(v) for v in data["shape"]] == [[1.0, 2.0] * 3, *[[]] * 9]
        assert ["".join(v) for v in data["long"]] == ["x" * 1000, *["y"] * 9]
        assert data["grid"][0].tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
        assert data["truths"][:2].tolist() == [[b"T", b"F"], [b"", b"T"]]


def test_fits_null_marker_is_not_a_value() -> None:
    columns = (Column("a", BYTE), Column("b", BYTE))
    with fits.open(io.BytesIO(written(FITS, columns, (255, 254), (None, None)))) as file:
        assert (file[1].header["TNULL1"], file[1].header["TNULL2"]) == (0, 255)
    with pytest.raises(UsageError) as raised:
        written(FITS, columns[:1], (0,), (255,), (None,))
    assert raised.value.code == Code.QUERY_NOT_REPRESENTABLE


def test_same_names() -> None:
    columns = (Column("n", INTEGER), Column("N", INTEGER), Column("n_2", INTEGER))
    with fits.open(io.BytesIO(written(FITS, columns, (1, 2, 3)))) as file:
        assert file[1].columns.names == ["n", "N_2", "n_2_2"]
    assert pq.read_schema(io.BytesIO(written(PARQUET, columns, (1, 2, 3)))).names == ["n", "N_2", "n_2_2"]


@pytest.mark.parametrize("format", [PARQUET, ARROW], ids=lambda f: f.name)
def test_embedded_votable(format: Format) -> None:
    whole = written(format, NUMBER, (1,))
    known = pq.read_schema(io.BytesIO(whole)) if format is PARQUET else pa.ipc.open_stream(whole).schema
    said = known.metadata
    if format is PARQUET:
        said = pq.read_metadata(io.BytesIO(whole)).metadata
    assert said[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    votable = etree.fromstring(said[b"IVOA.VOTable-Parquet.content"])
    assert votable.find(".//{*}FIELD").get("name") == "n"
    assert votable.find(".//{*}DATA") is None
    assert known.field(0).metadata[b"unit"] == b"m"


def status_of(format: Format, whole: bytes) -> str:
    """Return the final status of a document."""
    match format.name:
        case "fits":
            with fits.open(io.BytesIO(whole)) as file:
                return str(file[1].header["QSTATUS"])
        case "parquet":
            said = pq.read_metadata(io.BytesIO(whole)).metadata[b"IVOA.VOTable-Parquet.content"]
            infos = etree.fromstring(said).findall(".//{*}INFO[@name='QUERY_STATUS']")
            return str(infos[-1].get("value"))
        case "arrow":
            *_, last = pa.ipc.open_stream(whole).iter_batches_with_custom_metadata()
            return str(last.custom_metadata[b"QUERY_STATUS"].decode())
        case "json":
            return str(json.loads(whole)["status"])
        case _:
            return "OVERFLOW" if b"cut at 1 rows" in whole else "OK"


@pytest.mark.parametrize("format", [FITS, PARQUET, ARROW, JSON, TEXT, HTML], ids=lambda f: f.name)
@pytest.mark.parametrize(("maxrec", "status"), [(1, "OVERFLOW"), (2, "OK"), (None, "OK")])
def test_reports_overflow(format: Format, maxrec: int | None, status: str) -> None:
    assert status_of(format, written(format, NUMBER, (1,), (2,), maxrec=maxrec)) == status


@pytest.mark.parametrize("format", [FITS, PARQUET, ARROW, JSON, TEXT, HTML], ids=lambda f: f.name)
def test_metadata_alone(format: Format) -> None:
    whole = written(format, NUMBER, maxrec=0)
    assert format in (TEXT, HTML) or status_of(format, whole) == "OVERFLOW"
    assert b"n" in whole


def broken() -> Iterator[pa.RecordBatch]:
    yield batch(NUMBER, *[(n,) for n in range(100_000)])
    raise QueryTimeoutError("took too long")


@pytest.mark.parametrize("format", [FITS, PARQUET], ids=lambda f: f.name)
def test_files_that_fail_send_no_bytes(format: Format) -> None:
    pieces = format.write(Result(NUMBER, broken()))
    with pytest.raises(QueryTimeoutError):
        next(pieces)


def sent(format: Format) -> bytes:
    """Return the bytes that are sent before the failure."""
    made = bytearray()
    pieces = format.write(Result(NUMBER, broken()))
    with pytest.raises(QueryTimeoutError):
        while True:
            made += next(pieces)
    return bytes(made)


def test_broken_arrow_stream_is_invalid() -> None:
    with pytest.raises((pa.ArrowInvalid, OSError)):
        pa.ipc.open_stream(sent(ARROW)).read_all()


def test_broken_json_is_invalid() -> None:
    document = sent(JSON)
    with pytest.raises(json.JSONDecodeError):
        json.loads(document)
    end = json.loads("{" + document.decode().rsplit("],", 1)[1] + "}")
    assert (end["status"], end["code"], end["rows"]) == ("ERROR", "QUERY.TIMEOUT", 100_000)


def test_text_ends_with_the_code_of_a_failure() -> None:
    assert sent(TEXT).splitlines()[-1].startswith(b"# ERROR QUERY.TIMEOUT: ")


def test_page_reports_more_rows() -> None:
    page = b"".join(HTML.write(Result(NUMBER, broken())))
    assert b'class="status bad"' in page


def test_page_ends_with_the_code_of_a_failure() -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield batch(NUMBER, (1,))
        raise QueryTimeoutError("took too long")

    page = b"".join(HTML.write(Result(NUMBER, rows())))
    assert b'class="status bad"' in page
    assert b"ERROR_CODE: QUERY.TIMEOUT" in page


def test_page_links_urls() -> None:
    """Only http and https URLs in columns of URLs become links, and nothing escapes from a link."""
    columns = (Column("access_url", VARCHAR, ucd="meta.ref.url"), Column("other", VARCHAR, ucd="meta.note"))
    url = "https://a.example/b?c=d&e=%22"
    bad = ("javascript:alert(1)", 'https://a/"onclick="x', "https://a/ b", "ftp://a/b", None)
    page = html.fromstring(written(HTML, columns, (url, url), *((each, each) for each in bad)))
    links = page.iterfind(".//tbody//a")
    assert [(a.get("href"), a.text, list(a.keys())) for a in links] == [(url, url, ["href"])]
    cells = [td.text_content() for td in page.iterfind(".//tbody/tr/td[1]")]
    assert cells == [url, *(each or "" for each in bad)]


def test_page_has_the_first_rows() -> None:
    many = batch(NUMBER, *[(n,) for n in range(MAX_ROWS + 1)])
    page = b"".join(HTML.write(Result(NUMBER, iter([many])))).decode()
    assert page.count("<tr><td>") == MAX_ROWS
    assert f"the first {MAX_ROWS:,} rows" in page


def test_page_is_escaped_and_has_links() -> None:
    columns = (Column("<i>", VARCHAR, description='"><script>'),)
    page = written(HTML, columns, ("<script>&",)).decode()
    assert "<script>" not in page
    assert "<b>" not in page
    assert "LANG=ADQL&amp;QUERY=SELECT%20%3Cb%3E&amp;RESPONSEFORMAT=votable" in page


def test_links_of_a_post() -> None:
    infos = (Info("request", "http://127.0.0.1/tap/sync"), Info("query", "SELECT 1 FROM t"))
    page = b"".join(HTML.write(Result(NUMBER, iter([]), infos=infos)))
    assert b"?LANG=ADQL&amp;QUERY=SELECT%201%20FROM%20t&amp;RESPONSEFORMAT=fits" in page
    assert b"href" not in b"".join(HTML.write(Result(NUMBER, iter([]), infos=infos[1:])))


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.name)
def test_error_documents(format: Format) -> None:
    said = format.error_document(UsageError("no <such> thing"), ())
    assert b"such" in said
    if format is JSON:
        assert json.loads(said)["status"] == "ERROR"
    if format in (HTML, TABLEDATA):
        assert b"<such>" not in said


def test_reals_in_json() -> None:
    said = json.loads(written(JSON, (Column("x", REAL),), (float("nan"),), (float("-inf"),), (None,), (0.1,)))
    assert said["data"] == [["NaN"], ["-Infinity"], [None], [0.1]]


def test_fits_lists_lossy_columns() -> None:
    columns = (Column("plain", VARCHAR), Column("remark", UNICODE))
    for row, said in (((("a", "b"),), None), ((("a", "b"), ("c", "\u00e9t\u00e9")), "remark")):
        with fits.open(io.BytesIO(written(FITS, columns, *row))) as file:
            file.verify("exception")
            assert file[1].header.get("QLOSSY") == said
            assert file[1].data["remark"][-1] == ("?t?" if said else "b")


def test_text_has_no_control_characters() -> None:
    shown = written(TEXT, (Column("a\x1bb", VARCHAR),), ("x\x1b[2Jy\x07\x9b31mz\x7f\r\n\u00e9\u00a0",)).decode()
    assert shown.splitlines() == ["a b", "-" * 17, "x [2Jy  31mz   \u00e9\u00a0", "# 1 row"]

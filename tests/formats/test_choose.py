"""How RESPONSEFORMAT and Accept find a format, and what comes back as Content-Type."""

from __future__ import annotations

import pytest

from vo_server.errors import Code, UsageError
from vo_server.formats import (
    BINARY,
    BINARY2,
    CSV,
    FITS,
    FORMATS,
    HTML,
    TABLEDATA,
    TEXT,
    TSV,
    Format,
    format_names,
    select_format,
)

B2, TD = BINARY2.media_type, TABLEDATA.media_type


@pytest.mark.parametrize(
    ("asked", "format", "content_type"),
    [
        (None, BINARY2, B2),
        ("", BINARY2, B2),
        ("votable", BINARY2, B2),
        (" VOTable ", BINARY2, B2),
        ("votable/td", TABLEDATA, TD),
        ("votable/b", BINARY, BINARY.media_type),
        ("VOTABLE/B2", BINARY2, B2),
        ("application/x-votable+xml", BINARY2, "application/x-votable+xml"),
        ("text/xml", BINARY2, "text/xml"),
        ("Text/XML; charset=UTF-8", BINARY2, "text/xml;charset=UTF-8"),
        ("text/xml;content=x-votable", BINARY2, "text/xml;content=x-votable"),
        (" APPLICATION/X-VOTable+XML ; Serialization = tabledata ", TABLEDATA, TD.replace("TABLEDATA", "tabledata")),
        ('text/xml;serialization="TABLEDATA"', TABLEDATA, "text/xml;serialization=TABLEDATA"),
        ("text/xml;content=datalink;serialization=BINARY", BINARY, "text/xml;content=datalink;serialization=BINARY"),
        ("text/xml;serialization=BINARY;content=datalink", BINARY, "text/xml;serialization=BINARY;content=datalink"),
        ('text/xml;content="a b"', BINARY2, 'text/xml;content="a b"'),
        ("text/xml;", BINARY2, "text/xml"),
        ("csv", CSV, "text/csv;header=present"),
        ("text/csv", CSV, "text/csv;header=present"),
        ("text/csv; header=present; charset=utf-8", CSV, "text/csv;header=present;charset=utf-8"),
        ("TSV", TSV, "text/tab-separated-values"),
        ("text/tab-separated-values", TSV, "text/tab-separated-values"),
        ("ivo://ivoa.net/std/TAPRegExt#output-votable-td", TABLEDATA, TD),
        ("ivo://ivoa.net/std/TAPRegExt#output-votable-binary2", BINARY2, B2),
        ("application/fits", FITS, "application/fits"),
        ("text/plain", TEXT, "text/plain"),
        ("text/html", HTML, "text/html"),
    ],
)
def test_selects_format(asked: str | None, format: Format, content_type: str) -> None:
    choice = select_format(asked)
    assert (choice.format, choice.content_type) == (format, content_type)


@pytest.mark.parametrize(
    "asked",
    [
        "nonsense", "application/pdf", "votable/b3", "*/*", "text/xml;a",
        "text/csv;header=absent", "text/csv;charset=latin1", "text/xml;serialization=FITS",
        "text/xml;x=\"\r\nSet-Cookie: a", "text/xml\r\nX: y",
    ],
)  # fmt: skip
def test_rejects_unknown_format(asked: str) -> None:
    with pytest.raises(UsageError) as raised:
        select_format(asked)
    assert raised.value.code == Code.REQUEST_UNSUPPORTED_FORMAT
    assert "votable, application/x-votable+xml" in (raised.value.hint or "")


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.name)
def test_every_announced_name_is_accepted(format: Format) -> None:
    for name in (format.media_type, *format.aliases):
        assert select_format(name).format is format
    assert select_format(format.media_type).content_type == format.media_type
    for name in format.family:
        assert select_format(name, default=format).format is format


@pytest.mark.parametrize("default", FORMATS, ids=lambda f: f.name)
def test_names_in_capabilities_select_their_format(default: Format) -> None:
    told = list(format_names(default))
    assert {format for format, _ in told} == set(FORMATS)
    for format, names in told:
        assert all(select_format(name, default=default).format is format for name in names)


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("*/*", TABLEDATA),
        ("", TABLEDATA),
        ("text/html,application/xhtml+xml,*/*;q=0.8", HTML),
        ("image/png,*/*;q=0.8", TABLEDATA),
        ("text/csv", CSV),
        ("text/csv;q=0.2, text/tab-separated-values;q=0.5", TSV),
        ("application/x-votable+xml;serialization=BINARY2, text/csv;q=0.5", BINARY2),
        ("text/csv;q=0, text/xml;q=0.1", TABLEDATA),
        ("rubbish,,;q=x, text/csv;q=7", TABLEDATA),
        ("text/csv;q=0.5, */*", TABLEDATA),
        ("*/*, text/csv", CSV),
        ("*/*;q=0.1, text/csv;q=0.2", CSV),
        ("image/*, text/csv;q=0.5", FITS),
        ("text/*, application/fits;q=0.9", TABLEDATA),
        ("audio/*, video/mp4", TABLEDATA),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", HTML),
    ],
)
def test_accept(accept: str, format: Format) -> None:
    assert select_format(None, accept, TABLEDATA).format is format


def test_responseformat_before_accept() -> None:
    assert select_format("csv", "text/xml").format is CSV


def test_rejects_format_that_is_not_offered() -> None:
    with pytest.raises(UsageError) as raised:
        select_format("csv", default=TABLEDATA, offered=(TABLEDATA,))
    assert raised.value.code == Code.REQUEST_UNSUPPORTED_FORMAT


def test_content_type_of_errors() -> None:
    assert select_format("text/xml").error_content_type == "text/xml"
    assert select_format("csv").error_content_type == "text/plain;charset=utf-8"

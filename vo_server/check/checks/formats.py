"""The output formats that are announced: each is taken, comes under its name, and has the same rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import pyarrow.ipc
import pyarrow.parquet
from astropy.io import fits
from typing_extensions import override

from vo_server.check import votable
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Answer

QUERY = "SELECT TOP 3 table_name, column_name FROM TAP_SCHEMA.columns ORDER BY table_name, column_name"
SHORT = {
    "votable": ("application/x-votable+xml", "text/xml"),
    "csv": ("text/csv",),
    "tsv": ("text/tab-separated-values",),
    "fits": ("application/fits",),
    "text": ("text/plain",),
    "html": ("text/html",),
    "parquet": ("application/vnd.apache.parquet",),
}
"""What DALI's short names mean."""

Rows = list[tuple[str, ...]]


def announced(probe: Probe) -> list[tuple[str, tuple[str, ...], str]]:
    """Media type, further names and IVOA id of each format."""
    return [
        (
            (format.findtext("mime") or "").strip(),
            tuple((alias.text or "").strip() for alias in format.findall("alias")),
            format.get("ivo-id", ""),
        )
        for format in probe.access.findall("outputFormat")
    ]


def _asked(probe: Probe, name: str) -> Answer:
    return probe.query(QUERY, ("RESPONSEFORMAT", name))


def taken(probe: Probe) -> Iterator[Said]:
    if not announced(probe):
        yield f"{probe.tap}/capabilities", "no output format is told of"
    for mime, aliases, _ in announced(probe):
        for name in (mime, *aliases):
            answer = _asked(probe, name)
            if answer.status != 200:
                yield f"RESPONSEFORMAT={name}", f"it is announced, but gives status {answer.status}: {answer.gist}"


def told(probe: Probe) -> Iterator[Said]:
    """Who asks for a media type gets it under that name, and who asks for a short name under one that it means."""
    for mime, aliases, _ in announced(probe):
        for name in (mime, *aliases):
            answer = _asked(probe, name)
            wanted = _essence(name) if "/" in name and not name.startswith("votable/") else ""
            allowed = (wanted,) if wanted else SHORT.get(name.lower(), (_essence(mime), *map(_essence, aliases)))
            if answer.status == 200 and answer.essence not in allowed:
                yield f"RESPONSEFORMAT={name}", f"its Content-Type is {answer.type or 'missing'}, not {allowed[0]}"
            elif answer.status == 200 and ";" in name and "/" in name and not _same(name, answer.type):
                yield f"RESPONSEFORMAT={name}", f"its Content-Type is {answer.type}"


def _essence(name: str) -> str:
    return name.partition(";")[0].strip().lower()


def _same(asked: str, given: str) -> bool:
    """Are all parameters that were asked for there?"""
    asked_, given_ = ({p.strip().lower() for p in text.split(";")[1:]} for text in (asked, given))
    return asked_ <= given_


def read(probe: Probe) -> Iterator[Said]:
    expected = [tuple(map(str, row)) for row in probe.rows(QUERY).rows]
    for mime, _, id in announced(probe):
        answer = _asked(probe, mime)
        where = f"RESPONSEFORMAT={mime}"
        if answer.status != 200:
            continue  # TAP-FORMAT-1 tells
        try:
            rows = _reader(_essence(mime))(answer.body)
        except Exception as error:  # noqa: BLE001 - each library has its own words for what it cannot read
            yield where, f"it cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
            continue
        if not _agree(rows, expected):
            yield where, f"it has other rows than the same query gives otherwise: {str(rows)[:100]}"
        elif "votable" in id:
            yield from _serialised(where, answer, id)


def _serialised(where: str, answer: Answer, id: str) -> Iterator[Said]:
    wanted = {"td": "TABLEDATA", "binary": "BINARY", "binary2": "BINARY2"}.get(id.rpartition("-")[2])
    found = votable.read(answer.body).serialisation
    if wanted and found != wanted:
        yield where, f"it is {found}, where {id} promises {wanted}"


def _agree(rows: Rows | str, expected: Rows) -> bool:
    """A page or a text for people has the values somewhere in it."""
    if isinstance(rows, str):
        return all(value.strip('"') in rows for row in expected for value in row)
    return rows == expected


def _reader(essence: str) -> Callable[[bytes], Rows | str]:
    if "votable" in essence or essence in ("text/xml", "application/xml"):
        return _votable
    return READERS.get(essence, lambda body: body.decode("utf-8", "replace"))


def _votable(body: bytes) -> Rows:
    return [tuple(map(str, row)) for row in votable.read(body).rows]


def _csv(body: bytes) -> Rows:
    return [tuple(line) for line in csv.reader(io.StringIO(body.decode())) if line][1:]


def _tsv(body: bytes) -> Rows:
    return [tuple(line.split("\t")) for line in body.decode().splitlines() if line][1:]


def _fits(body: bytes) -> Rows:
    with fits.open(io.BytesIO(body)) as units:
        data = next(unit.data for unit in units if isinstance(unit, fits.BinTableHDU))
        return [tuple(str(value).strip() for value in row) for row in data]


def _parquet(body: bytes) -> Rows:
    return _arrow_rows(pyarrow.parquet.read_table(io.BytesIO(body)))


def _arrow(body: bytes) -> Rows:
    return _arrow_rows(pyarrow.ipc.open_stream(body).read_all())


def _arrow_rows(table: pyarrow.Table) -> Rows:
    return [tuple(str(value) for value in row.values()) for row in table.to_pylist()]


def _json(body: bytes) -> str:
    return json.dumps(json.loads(body), ensure_ascii=False).replace('\\"', '"')


def _html(body: bytes) -> str:
    class Texts(HTMLParser):
        found: list[str]

        @override
        def handle_data(self, data: str) -> None:
            self.found.append(data)

    page = Texts()
    page.found = []
    page.feed(body.decode())
    return " ".join(page.found)


READERS: dict[str, Callable[[bytes], Rows | str]] = {
    "text/csv": _csv,
    "text/tab-separated-values": _tsv,
    "application/fits": _fits,
    "image/fits": _fits,
    "application/vnd.apache.parquet": _parquet,
    "application/vnd.apache.arrow.stream": _arrow,
    "application/json": _json,
    "text/html": _html,
}


def strange(probe: Probe) -> Iterator[Said]:
    answer = _asked(probe, "application/x-no-such-format")
    if answer.status == 200 and not votable.message(answer.body):
        yield "RESPONSEFORMAT=application/x-no-such-format", "it is not announced, but taken without a word"


_DALI = "DALI 1.1 section 3.4.3"
CHECKS = (
    Check("TAP-FORMAT-1", "error", "each announced format is taken", "TAPRegExt 1.0 section 2.5", taken),
    Check("TAP-FORMAT-2", "error", "each comes back under its media type", _DALI, told),
    Check("TAP-FORMAT-3", "error", "each can be read, and has the same rows", "TAPRegExt 1.0 section 2.5", read),
    Check("TAP-FORMAT-4", "error", "a format that is not announced is refused", _DALI, strange),
)

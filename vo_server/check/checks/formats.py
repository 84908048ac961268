"""The declared output formats: each is accepted, has its media type, and has the same rows."""

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
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import ProbeResponse

QUERY = "SELECT TOP 3 table_name, column_name FROM TAP_SCHEMA.columns ORDER BY table_name, column_name"
SHORT_NAMES = {
    "votable": ("application/x-votable+xml", "text/xml"),
    "csv": ("text/csv",),
    "tsv": ("text/tab-separated-values",),
    "fits": ("application/fits",),
    "text": ("text/plain",),
    "html": ("text/html",),
    "parquet": ("application/vnd.apache.parquet",),
}
"""The media types of DALI's short names."""

Rows = list[tuple[str, ...]]


def declared_formats(probe: Probe) -> list[tuple[str, tuple[str, ...], str]]:
    """Return media type, aliases and IVOA id of each format."""
    return [
        (
            (format.findtext("mime") or "").strip(),
            tuple((alias.text or "").strip() for alias in format.findall("alias")),
            format.get("ivo-id", ""),
        )
        for format in probe.tap_capability.findall("outputFormat")
    ]


def _fetch(probe: Probe, name: str) -> ProbeResponse:
    return probe.query(QUERY, ("RESPONSEFORMAT", name))


def check_accepted(probe: Probe) -> Iterator[Problem]:
    """Require that each declared format is accepted."""
    if not declared_formats(probe):
        yield f"{probe.tap_url}/capabilities", "no outputFormat is declared"
    for mime, aliases, _ in declared_formats(probe):
        for name in (mime, *aliases):
            response = _fetch(probe, name)
            if response.status != 200:
                yield (
                    f"RESPONSEFORMAT={name}",
                    f"the format is declared, but gives status {response.status}: {response.summary}",
                )


def check_media_types(probe: Probe) -> Iterator[Problem]:
    """Require that a media type is returned as requested, and a short name as one of its media types."""
    for mime, aliases, _ in declared_formats(probe):
        for name in (mime, *aliases):
            response = _fetch(probe, name)
            requested = _media_type(name) if "/" in name and not name.startswith("votable/") else ""
            allowed = (
                (requested,)
                if requested
                else SHORT_NAMES.get(name.lower(), (_media_type(mime), *map(_media_type, aliases)))
            )
            if response.status == 200 and response.media_type not in allowed:
                yield (
                    f"RESPONSEFORMAT={name}",
                    f"expected Content-Type {allowed[0]}, got {response.content_type or 'none'}",
                )
            elif (
                response.status == 200
                and ";" in name
                and "/" in name
                and not _has_parameters(name, response.content_type)
            ):
                yield f"RESPONSEFORMAT={name}", f"expected Content-Type {name}, got {response.content_type}"


def _media_type(name: str) -> str:
    return name.partition(";")[0].strip().lower()


def _has_parameters(requested: str, content_type: str) -> bool:
    """Tell whether a Content-Type has all parameters of the requested media type."""
    expected, actual = ({p.strip().lower() for p in text.split(";")[1:]} for text in (requested, content_type))
    return expected <= actual


def check_rows(probe: Probe) -> Iterator[Problem]:
    """Require that each format can be read and has the same rows."""
    expected = [tuple(map(str, row)) for row in probe.query_table(QUERY).rows]
    for mime, _, id in declared_formats(probe):
        response = _fetch(probe, mime)
        where = f"RESPONSEFORMAT={mime}"
        if response.status != 200:
            continue  # TAP-FORMAT-1 reports it
        try:
            rows = _find_reader(_media_type(mime))(response.body)
        except Exception as error:  # noqa: BLE001 - each library raises its own types of errors
            yield where, f"the response cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
            continue
        if not _agrees(rows, expected):
            yield where, f"the rows differ from those of the default format: {str(rows)[:100]}"
        elif "votable" in id:
            yield from _serialisation_problems(where, response, id)


def _serialisation_problems(where: str, response: ProbeResponse, id: str) -> Iterator[Problem]:
    expected = {"td": "TABLEDATA", "binary": "BINARY", "binary2": "BINARY2"}.get(id.rpartition("-")[2])
    actual = votable.read(response.body).serialisation
    if expected and actual != expected:
        yield where, f"expected {expected} for {id}, got {actual}"


def _agrees(rows: Rows | str, expected: Rows) -> bool:
    """Tell whether rows are equal; a page or a text need only contain the values."""
    if isinstance(rows, str):
        return all(value.strip('"') in rows for row in expected for value in row)
    return rows == expected


def _find_reader(essence: str) -> Callable[[bytes], Rows | str]:
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
    class TextCollector(HTMLParser):
        texts: list[str]

        @override
        def handle_data(self, data: str) -> None:
            self.texts.append(data)

    page = TextCollector()
    page.texts = []
    page.feed(body.decode())
    return " ".join(page.texts)


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


def check_unknown_format(probe: Probe) -> Iterator[Problem]:
    """Require that an undeclared format is rejected."""
    response = _fetch(probe, "application/x-no-such-format")
    if response.status == 200 and not votable.error_message(response.body):
        yield "RESPONSEFORMAT=application/x-no-such-format", "the format is not declared, but accepted without an error"


_DALI = "DALI 1.1 section 3.4.3"
CHECKS = (
    Check("TAP-FORMAT-1", "error", "each declared format is accepted", "TAPRegExt 1.0 section 2.5", check_accepted),
    Check("TAP-FORMAT-2", "error", "each response has the media type of its format", _DALI, check_media_types),
    Check(
        "TAP-FORMAT-3",
        "error",
        "each format can be read and has the same rows",
        "TAPRegExt 1.0 section 2.5",
        check_rows,
    ),
    Check("TAP-FORMAT-4", "error", "an undeclared format is rejected", _DALI, check_unknown_format),
)

"""Uploads: each declared method, and the limit."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from vo_server.check import votable
from vo_server.check.checks.amounts import read_limit
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped, ProbeResponse

METHODS = {"inline", "http", "https", "ftp"}
TABLE = b"""<?xml version="1.0"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>
<FIELD name="n" datatype="int"/><FIELD name="x" datatype="double"/><FIELD name="s" datatype="char" arraysize="*"/>
<FIELD name="t" datatype="char" arraysize="*" xtype="timestamp"/>
<DATA><TABLEDATA><TR><TD>1</TD><TD>0.5</TD><TD>a &lt; b</TD><TD>2000-01-01T00:00:00</TD></TR>
<TR><TD>-7</TD><TD>1e300</TD><TD>c</TD><TD>1998-10-20T05:06:07</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>
"""
ROWS = [(1, 0.5, "a < b", "2000-01-01T00:00:00"), (-7, 1e300, "c", "1998-10-20T05:06:07")]
FIELDS = [("n", "int", ""), ("x", "double", ""), ("s", "char", ""), ("t", "char", "timestamp")]


def declared_methods(probe: Probe) -> set[str]:
    """Return the last words of the ids of the upload methods."""
    return {m.get("ivo-id", "").rpartition("upload-")[2] for m in probe.tap_capability.findall("uploadMethod")}


def check_methods(probe: Probe) -> Iterator[Problem]:
    """Require that declared upload methods are known."""
    where = f"{probe.tap_url}/capabilities"
    methods = declared_methods(probe)
    for unknown in sorted(methods - METHODS):
        yield where, f"the upload method {unknown!r} does not exist in TAPRegExt"
    if methods and not {"inline", "http"} <= methods:
        yield where, f"expected the upload methods inline and http, got {', '.join(sorted(methods))}"


def upload(probe: Probe, table: bytes) -> ProbeResponse:
    """Send a table and return the response of a query that selects it."""
    form = {"LANG": "ADQL", "UPLOAD": "mine,param:file", "QUERY": "SELECT n, x, s, t FROM TAP_UPLOAD.mine ORDER BY x"}
    files = {"file": ("mine.vot", table, "application/x-votable+xml")}
    return probe.request("POST", f"{probe.tap_url}/sync", data=form, files=files)


def check_inline_upload(probe: Probe) -> Iterator[Problem]:
    """Require that an inline upload is returned unchanged."""
    response = upload(probe, TABLE)
    if "inline" not in declared_methods(probe):
        if response.status == 200 and not votable.error_message(response.body):
            yield "UPLOAD=mine,param:file", "the method inline is not declared, but accepted"
        return
    if response.status != 200 or votable.error_message(response.body):
        yield (
            "UPLOAD=mine,param:file",
            f"the method inline is declared, but gives status {response.status}: {response.summary}",
        )
        return
    table = votable.read(response.body)
    fields = [(f["name"].lower(), f.get("datatype", ""), f.get("xtype", "")) for f in table.fields]
    if fields != FIELDS:
        yield "UPLOAD=mine,param:file", f"expected the columns {FIELDS}, got {fields}"
    if [tuple(str(v) for v in row) for row in table.rows] != [tuple(str(v) for v in row) for row in ROWS]:
        yield "UPLOAD=mine,param:file", f"expected the rows {ROWS}, got {table.rows}"


def check_url_upload(probe: Probe) -> Iterator[Problem]:
    """Require that an upload is fetched from a URL."""
    scheme = urlsplit(probe.tap_url).scheme
    if scheme not in declared_methods(probe):
        raise CheckSkipped(f"uploads by {scheme} are not declared")
    if probe.in_process:
        raise CheckSkipped("the service would have to fetch from itself through the network")
    query = "SELECT TOP 2 table_name FROM TAP_SCHEMA.tables ORDER BY table_name"
    url = f"{probe.tap_url}/sync?LANG=ADQL&QUERY={quote(query)}"
    response = probe.query("SELECT table_name FROM TAP_UPLOAD.mine ORDER BY table_name", ("UPLOAD", f"mine,{url}"))
    if response.status != 200 or votable.error_message(response.body):
        yield (
            f"UPLOAD=mine,{url}",
            f"the method {scheme} is declared, but gives status {response.status}: {response.summary}",
        )
    elif (rows := votable.read(response.body).rows) != (expected := probe.query_table(query).rows):
        yield f"UPLOAD=mine,{url}", f"expected the rows {expected}, got {rows}"


def check_upload_limit(probe: Probe) -> Iterator[Problem]:
    """Require that the upload limit is enforced with 413."""
    limit = read_limit(probe, "uploadLimit", "hard") or read_limit(probe, "uploadLimit", "default")
    if not limit:
        raise CheckSkipped("no uploadLimit in bytes is declared")
    if limit > probe.max_sent_bytes:
        raise CheckSkipped(
            f"the limit of {limit:,} bytes exceeds the {probe.max_sent_bytes:,} bytes that a check sends"
        )
    response = upload(probe, TABLE + b" " * (limit + 1 - len(TABLE)))
    if response.status == 200 and not votable.error_message(response.body):
        yield "uploadLimit", f"the limit is {limit:,} bytes, but {limit + 1:,} bytes are accepted"
    elif response.status != 413:
        yield "uploadLimit", f"expected status 413 for {limit + 1:,} bytes, got {response.status}: {response.summary}"
    if limit > 3 * len(TABLE):
        size = min(limit, 1_000_000) - len(TABLE)
        response = upload(probe, TABLE + b" " * (size - len(TABLE)))
        if response.status == 413:
            yield "uploadLimit", f"the limit is {limit:,} bytes, but {size:,} bytes are rejected: {response.summary}"


_REGEXT = "TAPRegExt 1.0 section 2.6"
CHECKS = (
    Check("TAP-UPLOAD-1", "error", "declared upload methods are known", _REGEXT, check_methods),
    Check(
        "TAP-UPLOAD-2", "error", "an inline upload is returned unchanged", "TAP 1.1 section 2.7.6", check_inline_upload
    ),
    Check("TAP-UPLOAD-3", "error", "an upload is fetched from a URL", _REGEXT, check_url_upload),
    Check(
        "TAP-UPLOAD-4",
        "error",
        "the upload limit is enforced with 413",
        "TAPRegExt 1.0 section 2.7",
        check_upload_limit,
    ),
)

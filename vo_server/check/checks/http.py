"""HTTP: HEAD, conditional and range requests, CORS; and errors that reveal no internals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vo_server.check import votable
from vo_server.check.checks.images import list_files
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import ProbeResponse

QUERY = "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables"
INVALID_QUERY = "SELECT nothing FROM nowhere.at_all"
ORIGIN_HEADERS = {"Origin": "https://elsewhere.example.org"}


def check_head(probe: Probe) -> Iterator[Problem]:
    """Require that HEAD returns the headers of GET."""
    for url in (f"{probe.tap_url}/capabilities", f"{probe.tap_url}/availability"):
        get, head = probe.get(url), probe.head(url)
        if head.status != get.status or head.body:
            yield (
                url,
                f"expected status {get.status} and 0 bytes for HEAD, got {head.status} and {len(head.body)} bytes",
            )
        elif head.content_type != get.content_type:
            yield url, f"Content-Type is {head.content_type or 'missing'} for HEAD and {get.content_type} for GET"


def _fetch_cross_origin(probe: Probe) -> Iterator[ProbeResponse]:
    for query in (QUERY, INVALID_QUERY):
        yield probe.get(f"{probe.tap_url}/sync", [("LANG", "ADQL"), ("QUERY", query)], ORIGIN_HEADERS)
    yield probe.get(f"{probe.tap_url}/capabilities", headers=ORIGIN_HEADERS)


def check_cors(probe: Probe) -> Iterator[Problem]:
    """Require that pages of other origins may read responses and errors."""
    for response in _fetch_cross_origin(probe):
        if response.headers.get("access-control-allow-origin") not in ("*", ORIGIN_HEADERS["Origin"]):
            yield response.url, f"the response of status {response.status} has no Access-Control-Allow-Origin header"


def check_error_document(probe: Probe) -> Iterator[Problem]:
    """Require that an invalid query returns an error document."""
    response = probe.query(INVALID_QUERY)
    if votable.error_message(response.body) is None:
        what = "an invalid query gives no VOTable with QUERY_STATUS ERROR"
        yield response.url, f"{what}, but {response.content_type}: {response.summary}"
    elif response.status >= 500:
        yield response.url, f"expected a status below 500 for an invalid query, got {response.status}"


def check_repeated_parameter(probe: Probe) -> Iterator[Problem]:
    """Require that a repeated parameter is rejected."""
    response = probe.query(QUERY, ("MAXREC", "1"), ("MAXREC", "2"))
    if response.status == 200 and votable.error_message(response.body) is None:
        yield "MAXREC=1&MAXREC=2", "a repeated parameter is accepted"


def check_parameter_names(probe: Probe) -> Iterator[Problem]:
    """Require that parameter names ignore case, and unknown ones are ignored."""
    url = f"{probe.tap_url}/sync"
    for params in ([("lang", "ADQL"), ("query", QUERY)], [("Lang", "ADQL"), ("Query", QUERY), ("DUMMY", "ignore me")]):
        response = probe.get(url, params)
        if response.status != 200:
            yield url, f"{'&'.join(name for name, _ in params)} gives status {response.status}: {response.summary}"


def check_post(probe: Probe) -> Iterator[Problem]:
    """Post the query as a form of either kind."""
    url, form = f"{probe.tap_url}/sync", {"LANG": "ADQL", "QUERY": QUERY}
    parts = {name: (None, value) for name, value in form.items()}
    for kind, response in (
        ("urlencoded", probe.request("POST", url, data=form)),
        ("multipart", probe.request("POST", url, files=parts)),
    ):
        if response.status not in (200, 303):
            yield url, f"a {kind} POST gives status {response.status}: {response.summary}"


def check_not_found(probe: Probe) -> Iterator[Problem]:
    """Require that unknown resources are 404."""
    url = f"{probe.tap_url}/no-such-page"
    response = probe.get(url)
    if response.status != 404:
        yield url, f"expected status 404 for an unknown resource, got {response.status}"


def check_compression(probe: Probe) -> Iterator[Problem]:
    """Require that responses are compressed only on request."""
    url = f"{probe.tap_url}/capabilities"
    plain = probe.get(url, headers={"Accept-Encoding": "identity"})
    if plain.headers.get("content-encoding", "identity") != "identity":
        yield url, f"Content-Encoding is {plain.headers['content-encoding']}, but only identity was accepted"


def check_ranges(probe: Probe) -> Iterator[Problem]:
    """Request a range of the first file that SIA finds, and the file again with its ETag."""
    for url in list_files(probe):
        part = probe.get(url, headers={"Range": "bytes=0-99", "Accept-Encoding": "identity"})
        if part.headers.get("accept-ranges") == "bytes" or part.status == 206:
            span = part.headers.get("content-range", "")
            if part.status != 206 or len(part.body) != 100 or not span.startswith("bytes 0-99/"):
                actual = f"{part.status}, {len(part.body)} bytes and Content-Range {span or 'none'}"
                yield url, f"expected status 206 and 100 bytes for the range 0-99, got {actual}"
        etag = part.headers.get("etag", "")
        headers = {"If-None-Match": etag, "Accept-Encoding": "identity"}
        if etag and (status := probe.get(url, headers=headers).status) != 304:
            yield url, f"expected status 304 for If-None-Match {etag}, got {status}"


def check_validators(probe: Probe) -> Iterator[Problem]:
    """Require that files have an ETag or Last-Modified."""
    for url in list_files(probe):
        response = probe.head(url)
        if not {"etag", "last-modified"} & set(response.headers):
            yield url, "the file has neither ETag nor Last-Modified, so it cannot be cached"


_STACK_TRACE = re.compile(
    rb'Traceback \(most recent call last\)|  File "[^"]+", line \d+|\bat [\w.$]+\([\w]+\.java:\d+\)'
)


def check_no_stack_trace(probe: Probe) -> Iterator[Problem]:
    """Require that no response contains a stack trace."""
    _send_invalid_statements(probe)
    for response in probe.responses:
        if match := _STACK_TRACE.search(response.body):
            yield response.url, f"the response contains a stack trace: {match[0].decode('utf-8', 'replace')[:60]}"


def check_no_internal_error(probe: Probe) -> Iterator[Problem]:
    """Require that no response is an internal error."""
    _send_invalid_statements(probe)
    for response in probe.responses:
        if response.status in (500, 502):
            yield response.url, f"{response.method} gives status {response.status}: {response.summary}"


INVALID_STATEMENTS = (
    "SELECT", "SELECT * FROM", "SELECT 1/0 AS x FROM TAP_SCHEMA.tables", "DROP TABLE TAP_SCHEMA.no_such_table",
    "SELECT TOP 1 '\u00e9\u20ac' AS x FROM TAP_SCHEMA.tables", "SELECT '" + "x" * 3_000 + "' AS x FROM TAP_SCHEMA.keys",
    "SELECT " + "(" * 300 + "1" + ")" * 300 + " AS x FROM TAP_SCHEMA.tables",
    "SELECT CAST('x' AS INTEGER) AS x FROM TAP_SCHEMA.tables", "SELECT \x01 FROM TAP_SCHEMA.tables",
)  # fmt: skip
"""Invalid, hostile and unusual queries."""


def _send_invalid_statements(probe: Probe) -> None:
    for text in INVALID_STATEMENTS:
        probe.query(text, ("MAXREC", "1"))
    for path in ("sync", "async/x/y/z", "tables/%00", "%2e%2e/%2e%2e/etc/passwd"):
        probe.get(f"{probe.tap_url}/{path}")


def check_only_select(probe: Probe) -> Iterator[Problem]:
    """Send statements other than SELECT; they do no harm to a service that accepts them."""
    for text in ("DROP TABLE IF EXISTS TAP_SCHEMA.no_such_table", "DELETE FROM TAP_SCHEMA.tables WHERE 1 = 0"):
        response = probe.query(text, ("MAXREC", "1"))
        if response.status == 200 and votable.error_message(response.body) is None:
            yield response.url, f"{text.split()[0]} is accepted"


def check_query_status(probe: Probe) -> Iterator[Problem]:
    """Require that the first QUERY_STATUS precedes the table, in a results resource."""
    response = probe.query(QUERY).require_ok()
    table = votable.read(response.body)
    statuses = [value for value, after in table.statuses if not after]
    if statuses not in (["OK"], ["OVERFLOW"]):
        yield response.url, f"expected QUERY_STATUS OK or OVERFLOW before the table, got {statuses}"
    if b'type="results"' not in response.body:
        yield response.url, 'no RESOURCE has type="results"'


def check_votable_type(probe: Probe) -> Iterator[Problem]:
    """Require that VOTables have their media type."""
    response = probe.query(QUERY).require_ok()
    if response.media_type not in ("application/x-votable+xml", "text/xml"):
        yield response.url, f"expected Content-Type application/x-votable+xml, got {response.content_type or 'none'}"


_HTTP, _DALI = "RFC 9110 section", "DALI 1.1 section"
CHECKS = (
    Check("HTTP-HEAD-1", "error", "HEAD returns the headers of GET", f"{_HTTP} 9.3.2", check_head),
    Check("HTTP-CORS-1", "warning", "pages of other origins may read responses and errors", "Fetch section 3.2",
          check_cors),
    Check("HTTP-GZIP-1", "error", "responses are compressed only on request", f"{_HTTP} 12.5.3", check_compression),
    Check("HTTP-404-1", "error", "unknown resources are 404", f"{_HTTP} 15.5.5", check_not_found),
    Check("HTTP-RANGE-1", "error", "files support Range and conditional requests", f"{_HTTP} 14", check_ranges),
    Check("HTTP-CACHE-1", "warning", "files have an ETag or Last-Modified", f"{_HTTP} 8.8", check_validators),
    Check("DALI-NAME-1", "error", "parameter names ignore case, and unknown ones are ignored", f"{_DALI} 3.1",
          check_parameter_names),
    Check("DALI-REPEAT-1", "error", "a repeated parameter is rejected", f"{_DALI} 3.2", check_repeated_parameter),
    Check("DALI-POST-1", "error", "POST accepts both kinds of form", f"{_DALI} 2.2", check_post),
    Check("DALI-STATUS-1", "error", "QUERY_STATUS precedes the table", f"{_DALI} 4.4.1", check_query_status),
    Check("DALI-TYPE-1", "error", "VOTables have their media type", "VOTable 1.4 section 8", check_votable_type),
    Check("DALI-ERROR-1", "error", "an invalid query returns an error document", f"{_DALI} 4.2", check_error_document),
    Check("DALI-SELECT-1", "error", "only SELECT is accepted", "ADQL 2.1 section 2", check_only_select),
)  # fmt: skip
LAST_CHECKS = (
    Check("ERROR-TRACE-1", "error", "no response contains a stack trace", f"{_DALI} 4.2", check_no_stack_trace),
    Check("ERROR-500-1", "error", "no response is an internal error", f"{_DALI} 4.2", check_no_internal_error),
)
"""The checks of all responses, which run after all others."""

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
    for url in (f"{probe.tap_url}/capabilities", f"{probe.tap_url}/availability"):
        got, headed = probe.get(url), probe.head(url)
        if headed.status != got.status or headed.body:
            yield url, f"HEAD gives status {headed.status} and {len(headed.body)} bytes"
        elif headed.content_type != got.content_type:
            yield url, f"HEAD says {headed.content_type or 'no Content-Type'}, where GET says {got.content_type}"


def _fetch_cross_origin(probe: Probe) -> Iterator[ProbeResponse]:
    ask = [("LANG", "ADQL"), ("QUERY", QUERY)]
    yield probe.get(f"{probe.tap_url}/sync", ask, ORIGIN_HEADERS)
    yield probe.get(f"{probe.tap_url}/sync", [("LANG", "ADQL"), ("QUERY", INVALID_QUERY)], ORIGIN_HEADERS)
    yield probe.get(f"{probe.tap_url}/capabilities", headers=ORIGIN_HEADERS)


def check_cors(probe: Probe) -> Iterator[Problem]:
    for answer in _fetch_cross_origin(probe):
        if answer.headers.get("access-control-allow-origin") not in ("*", ORIGIN_HEADERS["Origin"]):
            yield (
                answer.url,
                f"status {answer.status} without Access-Control-Allow-Origin: no page elsewhere can read it",
            )


def check_error_document(probe: Probe) -> Iterator[Problem]:
    answer = probe.query(INVALID_QUERY)
    if votable.error_message(answer.body) is None:
        yield (
            answer.url,
            f"a bad query gives no VOTable with QUERY_STATUS ERROR, but {answer.content_type}: {answer.summary}",
        )
    elif answer.status >= 500:
        yield answer.url, f"a bad query gives status {answer.status}, as if it were not the client's fault"


def check_repeated_parameter(probe: Probe) -> Iterator[Problem]:
    answer = probe.query(QUERY, ("MAXREC", "1"), ("MAXREC", "2"))
    if answer.status == 200 and votable.error_message(answer.body) is None:
        yield "MAXREC=1&MAXREC=2", "a parameter that may come once is taken twice"


def check_parameter_names(probe: Probe) -> Iterator[Problem]:
    url = f"{probe.tap_url}/sync"
    for params in ([("lang", "ADQL"), ("query", QUERY)], [("Lang", "ADQL"), ("Query", QUERY), ("DUMMY", "ignore me")]):
        answer = probe.get(url, params)
        if answer.status != 200:
            yield url, f"{'&'.join(name for name, _ in params)} gives status {answer.status}: {answer.summary}"


def check_post(probe: Probe) -> Iterator[Problem]:
    """Post the query as a form of either kind."""
    url, form = f"{probe.tap_url}/sync", {"LANG": "ADQL", "QUERY": QUERY}
    parts = {name: (None, value) for name, value in form.items()}
    for kind, answer in (
        ("urlencoded", probe.request("POST", url, data=form)),
        ("multipart", probe.request("POST", url, files=parts)),
    ):
        if answer.status not in (200, 303):
            yield url, f"a POST that is {kind} gives status {answer.status}: {answer.summary}"


def check_not_found(probe: Probe) -> Iterator[Problem]:
    url = f"{probe.tap_url}/no-such-page"
    answer = probe.get(url)
    if answer.status != 404:
        yield url, f"what is not there gives status {answer.status}, not 404"


def check_compression(probe: Probe) -> Iterator[Problem]:
    url = f"{probe.tap_url}/capabilities"
    plain = probe.get(url, headers={"Accept-Encoding": "identity"})
    if plain.headers.get("content-encoding", "identity") != "identity":
        yield url, f"it is {plain.headers['content-encoding']} where that was not accepted"


def check_ranges(probe: Probe) -> Iterator[Problem]:
    """Request a part of the file that SIA finds first, and the file again by its ETag."""
    for url in list_files(probe):
        part = probe.get(url, headers={"Range": "bytes=0-99", "Accept-Encoding": "identity"})
        if part.headers.get("accept-ranges") == "bytes" or part.status == 206:
            span = part.headers.get("content-range", "")
            if part.status != 206 or len(part.body) != 100 or not span.startswith("bytes 0-99/"):
                yield (
                    url,
                    f"bytes 0-99 give status {part.status}, {len(part.body)} bytes, Content-Range {span or 'none'}",
                )
        mark = part.headers.get("etag", "")
        again = {"If-None-Match": mark, "Accept-Encoding": "identity"}
        if mark and probe.get(url, headers=again).status != 304:
            yield url, f"it is sent again to who has {mark}"


def check_validators(probe: Probe) -> Iterator[Problem]:
    for url in list_files(probe):
        answer = probe.head(url)
        if not {"etag", "last-modified"} & set(answer.headers):
            yield url, "it has neither ETag nor Last-Modified, so nobody can keep it"


_STACK_TRACE = re.compile(
    rb'Traceback \(most recent call last\)|  File "[^"]+", line \d+|\bat [\w.$]+\([\w]+\.java:\d+\)'
)


def check_no_stack_trace(probe: Probe) -> Iterator[Problem]:
    _send_invalid_statements(probe)
    for answer in probe.responses:
        if found := _STACK_TRACE.search(answer.body):
            yield answer.url, f"the answer has a stack trace: {found[0].decode('utf-8', 'replace')[:60]}"


def check_no_internal_error(probe: Probe) -> Iterator[Problem]:
    _send_invalid_statements(probe)
    for answer in probe.responses:
        if answer.status in (500, 502):
            yield answer.url, f"{answer.method} gives status {answer.status}: {answer.summary}"


INVALID_STATEMENTS = (
    "SELECT", "SELECT * FROM", "SELECT 1/0 AS x FROM TAP_SCHEMA.tables", "DROP TABLE TAP_SCHEMA.no_such_table",
    "SELECT TOP 1 '\u00e9\u20ac' AS x FROM TAP_SCHEMA.tables", "SELECT '" + "x" * 3_000 + "' AS x FROM TAP_SCHEMA.keys",
    "SELECT " + "(" * 300 + "1" + ")" * 300 + " AS x FROM TAP_SCHEMA.tables",
    "SELECT CAST('x' AS INTEGER) AS x FROM TAP_SCHEMA.tables", "SELECT \x01 FROM TAP_SCHEMA.tables",
)  # fmt: skip
"""What users and worse send."""


def _send_invalid_statements(probe: Probe) -> None:
    for text in INVALID_STATEMENTS:
        probe.query(text, ("MAXREC", "1"))
    for path in ("sync", "async/x/y/z", "tables/%00", "%2e%2e/%2e%2e/etc/passwd"):
        probe.get(f"{probe.tap_url}/{path}")


def check_only_select(probe: Probe) -> Iterator[Problem]:
    """Send statements other than SELECT; they do no harm to a service that accepts them."""
    for text in ("DROP TABLE IF EXISTS TAP_SCHEMA.no_such_table", "DELETE FROM TAP_SCHEMA.tables WHERE 1 = 0"):
        answer = probe.query(text, ("MAXREC", "1"))
        if answer.status == 200 and votable.error_message(answer.body) is None:
            yield answer.url, f"{text.split()[0]} is taken"


def check_query_status(probe: Probe) -> Iterator[Problem]:
    """Require that the first QUERY_STATUS precedes the table, in a results resource."""
    answer = probe.query(QUERY).require_ok()
    table = votable.read(answer.body)
    if [value for value, after in table.statuses if not after] not in (["OK"], ["OVERFLOW"]):
        yield answer.url, f"before the table QUERY_STATUS is {[v for v, after in table.statuses if not after]}"
    if b'type="results"' not in answer.body:
        yield answer.url, "no RESOURCE is of the type results"


def check_votable_type(probe: Probe) -> Iterator[Problem]:
    answer = probe.query(QUERY).require_ok()
    if answer.media_type not in ("application/x-votable+xml", "text/xml"):
        yield answer.url, f"a VOTable comes as {answer.content_type or 'no Content-Type'}"


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
"""What is looked for in all that was answered."""

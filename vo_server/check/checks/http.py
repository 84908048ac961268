"""What HTTP wants: heads, conditions, ranges, other origins; and faults without what nobody should see."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vo_server.check import votable
from vo_server.check.checks.images import files
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Answer

QUERY = "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables"
BAD = "SELECT nothing FROM nowhere.at_all"
ORIGIN = {"Origin": "https://elsewhere.example.org"}


def head(probe: Probe) -> Iterator[Said]:
    for url in (f"{probe.tap}/capabilities", f"{probe.tap}/availability"):
        got, headed = probe.get(url), probe.head(url)
        if headed.status != got.status or headed.body:
            yield url, f"HEAD gives status {headed.status} and {len(headed.body)} bytes"
        elif headed.type != got.type:
            yield url, f"HEAD says {headed.type or 'no Content-Type'}, where GET says {got.type}"


def _crossed(probe: Probe) -> Iterator[Answer]:
    ask = [("LANG", "ADQL"), ("QUERY", QUERY)]
    yield probe.get(f"{probe.tap}/sync", ask, ORIGIN)
    yield probe.get(f"{probe.tap}/sync", [("LANG", "ADQL"), ("QUERY", BAD)], ORIGIN)
    yield probe.get(f"{probe.tap}/capabilities", headers=ORIGIN)


def origins(probe: Probe) -> Iterator[Said]:
    for answer in _crossed(probe):
        if answer.headers.get("access-control-allow-origin") not in ("*", ORIGIN["Origin"]):
            yield (
                answer.url,
                f"status {answer.status} without Access-Control-Allow-Origin: no page elsewhere can read it",
            )


def bad_query(probe: Probe) -> Iterator[Said]:
    answer = probe.query(BAD)
    if votable.message(answer.body) is None:
        yield answer.url, f"a bad query gives no VOTable with QUERY_STATUS ERROR, but {answer.type}: {answer.gist}"
    elif answer.status >= 500:
        yield answer.url, f"a bad query gives status {answer.status}, as if it were not the client's fault"


def repeated(probe: Probe) -> Iterator[Said]:
    answer = probe.query(QUERY, ("MAXREC", "1"), ("MAXREC", "2"))
    if answer.status == 200 and votable.message(answer.body) is None:
        yield "MAXREC=1&MAXREC=2", "a parameter that may come once is taken twice"


def any_case(probe: Probe) -> Iterator[Said]:
    url = f"{probe.tap}/sync"
    for params in ([("lang", "ADQL"), ("query", QUERY)], [("Lang", "ADQL"), ("Query", QUERY), ("DUMMY", "ignore me")]):
        answer = probe.get(url, params)
        if answer.status != 200:
            yield url, f"{'&'.join(name for name, _ in params)} gives status {answer.status}: {answer.gist}"


def posted(probe: Probe) -> Iterator[Said]:
    """As a form of either kind."""
    url, form = f"{probe.tap}/sync", {"LANG": "ADQL", "QUERY": QUERY}
    parts = {name: (None, value) for name, value in form.items()}
    for kind, answer in (
        ("urlencoded", probe.ask("POST", url, data=form)),
        ("multipart", probe.ask("POST", url, files=parts)),
    ):
        if answer.status not in (200, 303):
            yield url, f"a POST that is {kind} gives status {answer.status}: {answer.gist}"


def missing(probe: Probe) -> Iterator[Said]:
    url = f"{probe.tap}/no-such-page"
    answer = probe.get(url)
    if answer.status != 404:
        yield url, f"what is not there gives status {answer.status}, not 404"


def packed(probe: Probe) -> Iterator[Said]:
    url = f"{probe.tap}/capabilities"
    plain = probe.get(url, headers={"Accept-Encoding": "identity"})
    if plain.headers.get("content-encoding", "identity") != "identity":
        yield url, f"it is {plain.headers['content-encoding']} where that was not accepted"


def ranges(probe: Probe) -> Iterator[Said]:
    """The file that SIA finds first comes in parts, and not again if it is known."""
    for url in files(probe):
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


def marks(probe: Probe) -> Iterator[Said]:
    for url in files(probe):
        answer = probe.head(url)
        if not {"etag", "last-modified"} & set(answer.headers):
            yield url, "it has neither ETag nor Last-Modified, so nobody can keep it"


_TRACE = re.compile(rb'Traceback \(most recent call last\)|  File "[^"]+", line \d+|\bat [\w.$]+\([\w]+\.java:\d+\)')


def traces(probe: Probe) -> Iterator[Said]:
    _strange(probe)
    for answer in probe.seen:
        if found := _TRACE.search(answer.body):
            yield answer.url, f"the answer has a stack trace: {found[0].decode('utf-8', 'replace')[:60]}"


def breakdowns(probe: Probe) -> Iterator[Said]:
    _strange(probe)
    for answer in probe.seen:
        if answer.status in (500, 502):
            yield answer.url, f"{answer.method} gives status {answer.status}: {answer.gist}"


STRANGE = (
    "SELECT", "SELECT * FROM", "SELECT 1/0 AS x FROM TAP_SCHEMA.tables", "DROP TABLE TAP_SCHEMA.no_such_table",
    "SELECT TOP 1 '\u00e9\u20ac' AS x FROM TAP_SCHEMA.tables", "SELECT '" + "x" * 3_000 + "' AS x FROM TAP_SCHEMA.keys",
    "SELECT " + "(" * 300 + "1" + ")" * 300 + " AS x FROM TAP_SCHEMA.tables",
    "SELECT CAST('x' AS INTEGER) AS x FROM TAP_SCHEMA.tables", "SELECT \x01 FROM TAP_SCHEMA.tables",
)  # fmt: skip
"""What users and worse send."""


def _strange(probe: Probe) -> None:
    for text in STRANGE:
        probe.query(text, ("MAXREC", "1"))
    for path in ("sync", "async/x/y/z", "tables/%00", "%2e%2e/%2e%2e/etc/passwd"):
        probe.get(f"{probe.tap}/{path}")


def refusing(probe: Probe) -> Iterator[Said]:
    """Only SELECT is for users. What is sent does no harm to a service that takes it."""
    for text in ("DROP TABLE IF EXISTS TAP_SCHEMA.no_such_table", "DELETE FROM TAP_SCHEMA.tables WHERE 1 = 0"):
        answer = probe.query(text, ("MAXREC", "1"))
        if answer.status == 200 and votable.message(answer.body) is None:
            yield answer.url, f"{text.split()[0]} is taken"


def status(probe: Probe) -> Iterator[Said]:
    """The first QUERY_STATUS stands before the table, in a resource of results."""
    answer = probe.query(QUERY).good()
    table = votable.read(answer.body)
    if [value for value, after in table.statuses if not after] not in (["OK"], ["OVERFLOW"]):
        yield answer.url, f"before the table QUERY_STATUS is {[v for v, after in table.statuses if not after]}"
    if b'type="results"' not in answer.body:
        yield answer.url, "no RESOURCE is of the type results"


def header_type(probe: Probe) -> Iterator[Said]:
    answer = probe.query(QUERY).good()
    if answer.essence not in ("application/x-votable+xml", "text/xml"):
        yield answer.url, f"a VOTable comes as {answer.type or 'no Content-Type'}"


_HTTP, _DALI = "RFC 9110 section", "DALI 1.1 section"
CHECKS = (
    Check("HTTP-HEAD-1", "error", "HEAD gives the head of GET", f"{_HTTP} 9.3.2", head),
    Check("HTTP-CORS-1", "warning", "pages of other origins may read answers and faults", "Fetch section 3.2", origins),
    Check("HTTP-GZIP-1", "error", "nothing is packed that may not be", f"{_HTTP} 12.5.3", packed),
    Check("HTTP-404-1", "error", "what is not there is 404", f"{_HTTP} 15.5.5", missing),
    Check("HTTP-RANGE-1", "error", "files come in parts, and not again", f"{_HTTP} 14", ranges),
    Check("HTTP-CACHE-1", "warning", "files have marks by which they are kept", f"{_HTTP} 8.8", marks),
    Check("DALI-NAME-1", "error", "names of parameters are read whatever their case, unknown ones passed over",
          f"{_DALI} 3.1", any_case),
    Check("DALI-REPEAT-1", "error", "what may come once is refused twice", f"{_DALI} 3.2", repeated),
    Check("DALI-POST-1", "error", "POST is taken in both forms", f"{_DALI} 2.2", posted),
    Check("DALI-STATUS-1", "error", "QUERY_STATUS stands before the table", f"{_DALI} 4.4.1", status),
    Check("DALI-TYPE-1", "error", "VOTables come under their media type", "VOTable 1.4 section 8", header_type),
    Check("DALI-ERROR-1", "error", "a bad query gives an error document", f"{_DALI} 4.2", bad_query),
    Check("DALI-SELECT-1", "error", "nothing but SELECT is taken", "ADQL 2.1 section 2", refusing),
)  # fmt: skip
LAST = (
    Check("ERROR-TRACE-1", "error", "no answer shows a stack trace", f"{_DALI} 4.2", traces),
    Check("ERROR-500-1", "error", "no answer is an internal error", f"{_DALI} 4.2", breakdowns),
)
"""What is looked for in all that was answered."""

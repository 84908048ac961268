"""MAXREC and the declared row limits, and the overflow marks."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check.checks.amounts import read_limit
from vo_server.check.checks.formats import declared_formats
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped, read_table
from vo_server.check.votable import VOTable, count_rows

ONE = "SELECT table_name FROM TAP_SCHEMA.tables"


def _query_with_maxrec(probe: Probe, number: int, adql: str = ONE) -> VOTable:
    return probe.query_table(adql, ("MAXREC", str(number)))


def check_maxrec(probe: Probe) -> Iterator[Problem]:
    for number in (1, 2):
        found = len(_query_with_maxrec(probe, number).rows)
        if found != min(number, len(probe.tap_schema)):
            yield f"MAXREC={number}", f"there are {found} rows"


def check_overflow_marked(probe: Probe) -> Iterator[Problem]:
    table = _query_with_maxrec(probe, 1)
    if not table.has_overflow:
        yield "MAXREC=1", "rows are cut off without QUERY_STATUS OVERFLOW"
    elif [value for value, after in table.statuses if after] not in (["OVERFLOW"], []):
        yield "MAXREC=1", f"QUERY_STATUS says {table.statuses}"


def check_complete_not_marked(probe: Probe) -> Iterator[Problem]:
    """Require no overflow where the rows fit exactly or TOP limits them."""
    there = len(_query_with_maxrec(probe, 100_000).rows)
    if _query_with_maxrec(probe, there).has_overflow:
        yield f"MAXREC={there}", f"QUERY_STATUS says OVERFLOW, where all {there} rows are there"
    if _query_with_maxrec(probe, 10, f"SELECT TOP 1 {ONE.removeprefix('SELECT ')}").has_overflow:
        yield "TOP 1, MAXREC=10", "QUERY_STATUS says OVERFLOW, where nothing was cut off"


def check_maxrec_zero(probe: Probe) -> Iterator[Problem]:
    table = _query_with_maxrec(probe, 0)
    if table.rows or not table.fields:
        yield "MAXREC=0", f"there are {len(table.rows)} rows and {len(table.fields)} columns"
    if not table.has_overflow:
        yield "MAXREC=0", "there is no QUERY_STATUS OVERFLOW"


def check_invalid_maxrec(probe: Probe) -> Iterator[Problem]:
    for text in ("-1", "many", "1.5"):
        answer = probe.query(ONE, ("MAXREC", text))
        if answer.status == 200 and b"ERROR" not in answer.body:
            yield f"MAXREC={text}", "it is taken without a word"


def _find_large_query(probe: Probe, rows: int) -> str:
    """Return a query with at least so many rows, whatever is loaded."""
    size = probe.query_table("SELECT COUNT(*) AS n FROM TAP_SCHEMA.columns").rows[0][0]
    times = 1
    while size**times < rows:
        times += 1
    tables = ", ".join(f"TAP_SCHEMA.columns AS t{n}" for n in range(times))
    return f"SELECT TOP {rows} t0.std FROM {tables}"


def check_default_limit(probe: Probe) -> Iterator[Problem]:
    yield from _check_limit(probe, "default")


def check_hard_limit(probe: Probe) -> Iterator[Problem]:
    most = read_limit(probe, "outputLimit", "hard")
    if most is not None:
        answer = probe.query(f"SELECT TOP 1 {ONE.removeprefix('SELECT ')}", ("MAXREC", str(most + 1)))
        if answer.status != 200:
            yield f"MAXREC={most + 1}", f"more than the hard limit is refused and not cut: {answer.summary}"
        usual = read_limit(probe, "outputLimit", "default")
        if usual is not None and usual > most:
            yield "outputLimit", f"the default, {usual:,}, is more than the hard limit, {most:,}"
    yield from _check_limit(probe, "hard")


def _check_limit(probe: Probe, which: str) -> Iterator[Problem]:
    most = read_limit(probe, "outputLimit", which)
    if most is None:
        raise CheckSkipped(f"no {which} limit of rows is announced")
    if most >= probe.max_rows:
        raise CheckSkipped(f"the {which} limit of {most:,} rows is more than is read")
    asked = () if which == "default" else (("MAXREC", str(most + 1)),)
    rows, marked = _count_rows(probe, _find_large_query(probe, most + 1), *asked)
    if rows != most or not marked:
        mark = "" if marked else ", without OVERFLOW"
        yield "outputLimit", f"the {which} limit is {most:,} rows, and {rows:,} come{mark}"


def _count_rows(probe: Probe, adql: str, *more: tuple[str, str]) -> tuple[int, bool]:
    """Return the number of rows and whether an overflow is marked; the response is not cached."""
    tabledata = next((mime for mime, _, id in declared_formats(probe) if id.endswith("#output-votable-td")), None)
    form = {"LANG": "ADQL", "QUERY": adql, **dict(more)}
    answer = probe.request(
        "POST", f"{probe.tap_url}/sync", data=form | ({"RESPONSEFORMAT": tabledata} if tabledata else {})
    )
    if tabledata:
        return count_rows(answer.require_ok().body)
    table = read_table(answer.require_ok())
    return len(table.rows), table.has_overflow


_DALI = "DALI 1.1 section 3.4.4"
CHECKS = (
    Check("TAP-MAXREC-1", "error", "MAXREC limits the rows", _DALI, check_maxrec),
    Check("TAP-MAXREC-2", "error", "an overflow is marked", "DALI 1.1 section 4.4.1", check_overflow_marked),
    Check(
        "TAP-MAXREC-3",
        "error",
        "a complete result is not marked as overflow",
        "TAP 1.1 section 2.7.4",
        check_complete_not_marked,
    ),
    Check("TAP-MAXREC-4", "error", "MAXREC=0 returns the columns and an overflow", _DALI, check_maxrec_zero),
    Check("TAP-MAXREC-5", "error", "an invalid MAXREC is rejected", _DALI, check_invalid_maxrec),
    Check(
        "TAP-LIMIT-1", "error", "the default row limit is enforced", "TAPRegExt 1.0 section 2.7", check_default_limit
    ),
    Check("TAP-LIMIT-2", "error", "the hard row limit is enforced", "TAPRegExt 1.0 section 2.7", check_hard_limit),
)

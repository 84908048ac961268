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
    """Require that MAXREC limits the rows."""
    for number in (1, 2):
        rows, expected = len(_query_with_maxrec(probe, number).rows), min(number, len(probe.tap_schema))
        if rows != expected:
            yield f"MAXREC={number}", f"expected {expected} rows, got {rows}"


def check_overflow_marked(probe: Probe) -> Iterator[Problem]:
    """Require that an overflow is marked."""
    table = _query_with_maxrec(probe, 1)
    if not table.has_overflow:
        yield "MAXREC=1", "rows are cut off without QUERY_STATUS OVERFLOW"
    elif [value for value, after in table.statuses if after] not in (["OVERFLOW"], []):
        yield "MAXREC=1", f"expected QUERY_STATUS OVERFLOW after the table, got {table.statuses}"


def check_complete_not_marked(probe: Probe) -> Iterator[Problem]:
    """Require no overflow where the rows fit exactly or TOP limits them."""
    count = len(_query_with_maxrec(probe, 100_000).rows)
    if _query_with_maxrec(probe, count).has_overflow:
        yield f"MAXREC={count}", f"QUERY_STATUS is OVERFLOW, but the result has all {count} rows"
    if _query_with_maxrec(probe, 10, f"SELECT TOP 1 {ONE.removeprefix('SELECT ')}").has_overflow:
        yield "TOP 1, MAXREC=10", "QUERY_STATUS is OVERFLOW, but no rows were cut off"


def check_maxrec_zero(probe: Probe) -> Iterator[Problem]:
    """Require that MAXREC=0 returns the columns and an overflow."""
    table = _query_with_maxrec(probe, 0)
    if table.rows or not table.fields:
        yield "MAXREC=0", f"expected columns and no rows, got {len(table.fields)} columns and {len(table.rows)} rows"
    if not table.has_overflow:
        yield "MAXREC=0", "QUERY_STATUS OVERFLOW is missing"


def check_invalid_maxrec(probe: Probe) -> Iterator[Problem]:
    """Require that an invalid MAXREC is rejected."""
    for text in ("-1", "many", "1.5"):
        response = probe.query(ONE, ("MAXREC", text))
        if response.status == 200 and b"ERROR" not in response.body:
            yield f"MAXREC={text}", "an invalid MAXREC is accepted without an error"


def _find_large_query(probe: Probe, rows: int) -> str:
    """Return a query with at least `rows` rows, by a product of TAP_SCHEMA.columns with itself."""
    size = probe.query_table("SELECT COUNT(*) AS n FROM TAP_SCHEMA.columns").rows[0][0]
    times = 1
    while size**times < rows:
        times += 1
    tables = ", ".join(f"TAP_SCHEMA.columns AS t{n}" for n in range(times))
    return f"SELECT TOP {rows} t0.std FROM {tables}"


def check_default_limit(probe: Probe) -> Iterator[Problem]:
    """Require that the default row limit is enforced."""
    yield from _check_limit(probe, "default")


def check_hard_limit(probe: Probe) -> Iterator[Problem]:
    """Require that the hard row limit is enforced."""
    hard = read_limit(probe, "outputLimit", "hard")
    if hard is not None:
        response = probe.query(f"SELECT TOP 1 {ONE.removeprefix('SELECT ')}", ("MAXREC", str(hard + 1)))
        if response.status != 200:
            yield f"MAXREC={hard + 1}", f"a MAXREC above the hard limit is rejected, not lowered: {response.summary}"
        default = read_limit(probe, "outputLimit", "default")
        if default is not None and default > hard:
            yield "outputLimit", f"the default limit of {default:,} rows exceeds the hard limit of {hard:,} rows"
    yield from _check_limit(probe, "hard")


def _check_limit(probe: Probe, which: str) -> Iterator[Problem]:
    limit = read_limit(probe, "outputLimit", which)
    if limit is None:
        raise CheckSkipped(f"no {which} row limit is declared")
    if limit >= probe.max_rows:
        raise CheckSkipped(
            f"the {which} limit of {limit:,} rows exceeds the {probe.max_rows:,} rows that a check reads"
        )
    maxrec = () if which == "default" else (("MAXREC", str(limit + 1)),)
    rows, marked = _count_rows(probe, _find_large_query(probe, limit + 1), *maxrec)
    if rows != limit or not marked:
        mark = "" if marked else " without OVERFLOW"
        yield "outputLimit", f"expected {limit:,} rows by the {which} limit, got {rows:,} rows{mark}"


def _count_rows(probe: Probe, adql: str, *more: tuple[str, str]) -> tuple[int, bool]:
    """Return the number of rows and whether an overflow is marked; the response is not cached."""
    tabledata = next((mime for mime, _, id in declared_formats(probe) if id.endswith("#output-votable-td")), None)
    form = {"LANG": "ADQL", "QUERY": adql, **dict(more)}
    response = probe.request(
        "POST", f"{probe.tap_url}/sync", data=form | ({"RESPONSEFORMAT": tabledata} if tabledata else {})
    )
    if tabledata:
        return count_rows(response.require_ok().body)
    table = read_table(response.require_ok())
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

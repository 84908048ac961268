"""MAXREC and the limits of output, tried; what is cut off is told to be."""

from __future__ import annotations

from collections.abc import Iterator

from vo_server.check.checks.amounts import amount
from vo_server.check.checks.formats import announced
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Skipped, table_of
from vo_server.check.votable import Table, counted

ONE = "SELECT table_name FROM TAP_SCHEMA.tables"


def _maxrec(probe: Probe, number: int, adql: str = ONE) -> Table:
    return probe.rows(adql, ("MAXREC", str(number)))


def honoured(probe: Probe) -> Iterator[Said]:
    for number in (1, 2):
        found = len(_maxrec(probe, number).rows)
        if found != min(number, len(probe.tap_schema)):
            yield f"MAXREC={number}", f"there are {found} rows"


def marked(probe: Probe) -> Iterator[Said]:
    table = _maxrec(probe, 1)
    if not table.overflow:
        yield "MAXREC=1", "rows are cut off without QUERY_STATUS OVERFLOW"
    elif [value for value, after in table.statuses if after] not in (["OVERFLOW"], []):
        yield "MAXREC=1", f"QUERY_STATUS says {table.statuses}"


def not_marked(probe: Probe) -> Iterator[Said]:
    """Neither where all rows fit exactly, nor where TOP did it."""
    there = len(_maxrec(probe, 100_000).rows)
    if _maxrec(probe, there).overflow:
        yield f"MAXREC={there}", f"QUERY_STATUS says OVERFLOW, where all {there} rows are there"
    if _maxrec(probe, 10, f"SELECT TOP 1 {ONE.removeprefix('SELECT ')}").overflow:
        yield "TOP 1, MAXREC=10", "QUERY_STATUS says OVERFLOW, where nothing was cut off"


def none(probe: Probe) -> Iterator[Said]:
    table = _maxrec(probe, 0)
    if table.rows or not table.fields:
        yield "MAXREC=0", f"there are {len(table.rows)} rows and {len(table.fields)} columns"
    if not table.overflow:
        yield "MAXREC=0", "there is no QUERY_STATUS OVERFLOW"


def silly(probe: Probe) -> Iterator[Said]:
    for text in ("-1", "many", "1.5"):
        answer = probe.query(ONE, ("MAXREC", text))
        if answer.status == 200 and b"ERROR" not in answer.body:
            yield f"MAXREC={text}", "it is taken without a word"


def _many(probe: Probe, rows: int) -> str:
    """A query with at least so many rows, whatever is loaded."""
    size = probe.rows("SELECT COUNT(*) AS n FROM TAP_SCHEMA.columns").rows[0][0]
    times = 1
    while size**times < rows:
        times += 1
    tables = ", ".join(f"TAP_SCHEMA.columns AS t{n}" for n in range(times))
    return f"SELECT TOP {rows} t0.std FROM {tables}"


def default(probe: Probe) -> Iterator[Said]:
    yield from _kept(probe, "default")


def hard(probe: Probe) -> Iterator[Said]:
    most = amount(probe, "outputLimit", "hard")
    if most is not None:
        answer = probe.query(f"SELECT TOP 1 {ONE.removeprefix('SELECT ')}", ("MAXREC", str(most + 1)))
        if answer.status != 200:
            yield f"MAXREC={most + 1}", f"more than the hard limit is refused and not cut: {answer.gist}"
        usual = amount(probe, "outputLimit", "default")
        if usual is not None and usual > most:
            yield "outputLimit", f"the default, {usual:,}, is more than the hard limit, {most:,}"
    yield from _kept(probe, "hard")


def _kept(probe: Probe, which: str) -> Iterator[Said]:
    most = amount(probe, "outputLimit", which)
    if most is None:
        raise Skipped(f"no {which} limit of rows is announced")
    if most >= probe.most_rows:
        raise Skipped(f"the {which} limit of {most:,} rows is more than is read")
    asked = () if which == "default" else (("MAXREC", str(most + 1)),)
    rows, marked = _counted(probe, _many(probe, most + 1), *asked)
    if rows != most or not marked:
        mark = "" if marked else ", without OVERFLOW"
        yield "outputLimit", f"the {which} limit is {most:,} rows, and {rows:,} come{mark}"


def _counted(probe: Probe, adql: str, *more: tuple[str, str]) -> tuple[int, bool]:
    """How many rows come, and whether some are said to be missing; the answer is not kept."""
    tabledata = next((mime for mime, _, id in announced(probe) if id.endswith("#output-votable-td")), None)
    form = {"LANG": "ADQL", "QUERY": adql, **dict(more)}
    answer = probe.ask("POST", f"{probe.tap}/sync", data=form | ({"RESPONSEFORMAT": tabledata} if tabledata else {}))
    if tabledata:
        return counted(answer.good().body)
    table = table_of(answer.good())
    return len(table.rows), table.overflow


_DALI = "DALI 1.1 section 3.4.4"
CHECKS = (
    Check("TAP-MAXREC-1", "error", "MAXREC cuts the rows", _DALI, honoured),
    Check("TAP-MAXREC-2", "error", "what is cut off is marked", "DALI 1.1 section 4.4.1", marked),
    Check("TAP-MAXREC-3", "error", "what is whole is not marked", "TAP 1.1 section 2.7.4", not_marked),
    Check("TAP-MAXREC-4", "error", "MAXREC=0 gives the columns and the mark", _DALI, none),
    Check("TAP-MAXREC-5", "error", "a MAXREC that is no number is refused", _DALI, silly),
    Check("TAP-LIMIT-1", "error", "the default limit of rows is kept", "TAPRegExt 1.0 section 2.7", default),
    Check("TAP-LIMIT-2", "error", "the hard limit of rows is kept", "TAPRegExt 1.0 section 2.7", hard),
)

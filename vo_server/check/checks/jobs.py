"""Jobs: made, changed within the announced limits, run and destroyed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import urljoin

from vo_server.check.checks.amounts import amount
from vo_server.check.finding import Check, Said
from vo_server.check.probe import Probe
from vo_server.check.response import Element, NoAnswer, Skipped, parsed, table_of

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
PATIENCE = 30.0
"""Seconds that a job of one row may take, its time in the queue included."""

FORM = {"LANG": "ADQL", "QUERY": "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables ORDER BY table_name", "MAXREC": "5"}


@contextmanager
def job(probe: Probe) -> Iterator[str]:
    """The URL of a job, which is destroyed at the end of the block.

    Raises NoAnswer where none is made.
    """
    where = f"{probe.tap}/async"
    answer = probe.ask("POST", where, data=FORM)
    if answer.status != 303 or "location" not in answer.headers:
        raise NoAnswer(where, f"a POST gives status {answer.status} and not 303 with a Location: {answer.gist}")
    url = urljoin(where, answer.headers["location"])
    try:
        yield url
    finally:
        probe.ask("DELETE", url)


def _read(probe: Probe, url: str) -> Element:
    return parsed(probe.ask("GET", url).good().body)


def made(probe: Probe) -> Iterator[Said]:
    with job(probe) as url:
        if not url.startswith(f"{probe.tap}/async/"):
            yield f"{probe.tap}/async", f"the Location of a new job is {url}"
            return
        told = _read(probe, url)
        if told.findtext(f"{UWS}phase") != "PENDING":
            yield url, f"the phase of a new job is {told.findtext(f'{UWS}phase')}"
        kept = {p.get("id", "").upper(): (p.text or "").strip() for p in told.iter(f"{UWS}parameter")}
        for name, value in FORM.items():
            if kept.get(name) != value:
                yield url, f"its parameter {name} is {kept.get(name)!r}"
    if probe.ask("GET", url).status != 404:
        yield url, "a job that was destroyed is still there"


def duration(probe: Probe) -> Iterator[Said]:
    usual, most = (amount(probe, "executionDuration", which) for which in ("default", "hard"))
    if usual is None and most is None:
        raise Skipped("no executionDuration is announced")
    with job(probe) as url:
        said = probe.ask("GET", f"{url}/executionduration").good().text.strip()
        if usual is not None and said != str(usual):
            yield url, f"a new job may run {said} s, where executionDuration is {usual} s"
        if most is not None:
            probe.ask("POST", f"{url}/executionduration", data={"EXECUTIONDURATION": str(most + 1_000)})
            said = probe.ask("GET", f"{url}/executionduration").good().text.strip()
            if not said.isdecimal() or int(said) > most:
                yield url, f"a job gets {said} s, where {most} s are the most"


def retention(probe: Probe) -> Iterator[Said]:
    usual, most = (amount(probe, "retentionPeriod", which) for which in ("default", "hard"))
    if usual is None and most is None:
        raise Skipped("no retentionPeriod is announced")
    with job(probe) as url:
        made = _instant(_read(probe, url).findtext(f"{UWS}creationTime"))
        if usual is not None and not _about(probe, url, made, usual):
            yield url, f"a new job is not kept for the {usual} s that retentionPeriod announces"
        if most is not None:
            probe.ask("POST", f"{url}/destruction", data={"DESTRUCTION": "2999-01-01T00:00:00Z"})
            end = _instant(probe.ask("GET", f"{url}/destruction").good().text)
            if made and end and (end - made).total_seconds() > most + 120:
                yield url, f"a job is kept until {end:%Y-%m-%d}, where {most} s are the most"


def _about(probe: Probe, url: str, made: datetime | None, seconds: int) -> bool:
    end = _instant(probe.ask("GET", f"{url}/destruction").good().text)
    return made is not None and end is not None and abs((end - made).total_seconds() - seconds) <= 120


def _instant(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
    except ValueError:
        return None


def instants(probe: Probe) -> Iterator[Said]:
    with job(probe) as url:
        told = _read(probe, url)
        for name in ("creationTime", "destruction"):
            said = (told.findtext(UWS + name) or "").strip()
            if said and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", said):
                yield url, f"{name} is {said!r}, not an instant with Z"


def runs(probe: Probe) -> Iterator[Said]:
    """A job gives what the same query gives at once."""
    if probe.inside:
        raise Skipped("nobody runs jobs while a check runs in process")
    with job(probe) as url:
        probe.ask("POST", f"{url}/phase", data={"PHASE": "RUN"})
        until = time.monotonic() + PATIENCE
        phase = "QUEUED"
        while phase in ("PENDING", "QUEUED", "EXECUTING") and time.monotonic() < until:
            document = parsed(probe.ask("GET", f"{url}?WAIT=5").good().body)
            phase = (document.findtext(f"{UWS}phase") or "").strip()
        if phase != "COMPLETED":
            yield url, f"after {PATIENCE:g} s a job of one row is {phase}"
            return
        found = table_of(probe.ask("GET", f"{url}/results/result").good()).rows
        if found != probe.rows(FORM["QUERY"]).rows:
            yield url, f"its result is {found}, other than at once"


def nobody(probe: Probe) -> Iterator[Said]:
    url = f"{probe.tap}/async/no-such-job"
    answer = probe.get(url)
    if answer.status != 404:
        yield url, f"a job that is not there gives status {answer.status}, not 404"


CHECKS = (
    Check(
        "UWS-JOB-1", "error", "a job is made, keeps its parameters, and can be destroyed", "UWS 1.1 section 2.2", made
    ),
    Check("UWS-JOB-2", "error", "a job that is not there is 404", "UWS 1.1 section 2.2.2", nobody),
    Check("UWS-JOB-3", "error", "instants have a Z", "UWS 1.1 section 2.2.1", instants),
    Check("UWS-RUN-1", "error", "a job gives what the query gives at once", "TAP 1.1 section 2.2", runs),
    Check("TAP-LIMIT-3", "error", "executionDuration is kept", "TAPRegExt 1.0 section 2.7", duration),
    Check("TAP-LIMIT-4", "error", "retentionPeriod is kept", "TAPRegExt 1.0 section 2.7", retention),
)

"""UWS jobs: created, changed within the declared limits, run and destroyed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import urljoin

from vo_server.check.checks.amounts import read_limit
from vo_server.check.finding import Check, Problem
from vo_server.check.probe import Probe
from vo_server.check.response import CheckSkipped, Element, NoResponse, parse_xml, read_table

UWS_NAMESPACE = "{http://www.ivoa.net/xml/UWS/v1.0}"
TIMEOUT_SECONDS = 30.0
"""Seconds that a job of one row may take, its time in the queue included."""

FORM = {"LANG": "ADQL", "QUERY": "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables ORDER BY table_name", "MAXREC": "5"}


@contextmanager
def create_job(probe: Probe) -> Iterator[str]:
    """Create a job and yield its URL; the job is destroyed at the end of the block.

    Raises NoResponse where none is made.
    """
    where = f"{probe.tap_url}/async"
    answer = probe.request("POST", where, data=FORM)
    if answer.status != 303 or "location" not in answer.headers:
        raise NoResponse(where, f"a POST gives status {answer.status} and not 303 with a Location: {answer.summary}")
    url = urljoin(where, answer.headers["location"])
    try:
        yield url
    finally:
        probe.request("DELETE", url)


def _read_job(probe: Probe, url: str) -> Element:
    return parse_xml(probe.request("GET", url).require_ok().body)


def check_job_creation(probe: Probe) -> Iterator[Problem]:
    with create_job(probe) as url:
        if not url.startswith(f"{probe.tap_url}/async/"):
            yield f"{probe.tap_url}/async", f"the Location of a new job is {url}"
            return
        told = _read_job(probe, url)
        if told.findtext(f"{UWS_NAMESPACE}phase") != "PENDING":
            yield url, f"the phase of a new job is {told.findtext(f'{UWS_NAMESPACE}phase')}"
        kept = {p.get("id", "").upper(): (p.text or "").strip() for p in told.iter(f"{UWS_NAMESPACE}parameter")}
        for name, value in FORM.items():
            if kept.get(name) != value:
                yield url, f"its parameter {name} is {kept.get(name)!r}"
    if probe.request("GET", url).status != 404:
        yield url, "a job that was destroyed is still there"


def check_execution_duration(probe: Probe) -> Iterator[Problem]:
    usual, most = (read_limit(probe, "executionDuration", which) for which in ("default", "hard"))
    if usual is None and most is None:
        raise CheckSkipped("no executionDuration is announced")
    with create_job(probe) as url:
        said = probe.request("GET", f"{url}/executionduration").require_ok().text.strip()
        if usual is not None and said != str(usual):
            yield url, f"a new job may run {said} s, where executionDuration is {usual} s"
        if most is not None:
            probe.request("POST", f"{url}/executionduration", data={"EXECUTIONDURATION": str(most + 1_000)})
            said = probe.request("GET", f"{url}/executionduration").require_ok().text.strip()
            if not said.isdecimal() or int(said) > most:
                yield url, f"a job gets {said} s, where {most} s are the most"


def check_retention_period(probe: Probe) -> Iterator[Problem]:
    usual, most = (read_limit(probe, "retentionPeriod", which) for which in ("default", "hard"))
    if usual is None and most is None:
        raise CheckSkipped("no retentionPeriod is announced")
    with create_job(probe) as url:
        made = _parse_timestamp(_read_job(probe, url).findtext(f"{UWS_NAMESPACE}creationTime"))
        if usual is not None and not _is_about(probe, url, made, usual):
            yield url, f"a new job is not kept for the {usual} s that retentionPeriod announces"
        if most is not None:
            probe.request("POST", f"{url}/destruction", data={"DESTRUCTION": "2999-01-01T00:00:00Z"})
            end = _parse_timestamp(probe.request("GET", f"{url}/destruction").require_ok().text)
            if made and end and (end - made).total_seconds() > most + 120:
                yield url, f"a job is kept until {end:%Y-%m-%d}, where {most} s are the most"


def _is_about(probe: Probe, url: str, made: datetime | None, seconds: int) -> bool:
    end = _parse_timestamp(probe.request("GET", f"{url}/destruction").require_ok().text)
    return made is not None and end is not None and abs((end - made).total_seconds() - seconds) <= 120


def _parse_timestamp(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
    except ValueError:
        return None


def check_timestamps(probe: Probe) -> Iterator[Problem]:
    with create_job(probe) as url:
        told = _read_job(probe, url)
        for name in ("creationTime", "destruction"):
            said = (told.findtext(UWS_NAMESPACE + name) or "").strip()
            if said and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", said):
                yield url, f"{name} is {said!r}, not an instant with Z"


def check_job_result(probe: Probe) -> Iterator[Problem]:
    """Compare the result of a job with the synchronous response."""
    if probe.in_process:
        raise CheckSkipped("nobody runs jobs while a check runs in process")
    with create_job(probe) as url:
        probe.request("POST", f"{url}/phase", data={"PHASE": "RUN"})
        until = time.monotonic() + TIMEOUT_SECONDS
        phase = "QUEUED"
        while phase in ("PENDING", "QUEUED", "EXECUTING") and time.monotonic() < until:
            document = parse_xml(probe.request("GET", f"{url}?WAIT=5").require_ok().body)
            phase = (document.findtext(f"{UWS_NAMESPACE}phase") or "").strip()
        if phase != "COMPLETED":
            yield url, f"after {TIMEOUT_SECONDS:g} s a job of one row is {phase}"
            return
        found = read_table(probe.request("GET", f"{url}/results/result").require_ok()).rows
        if found != probe.query_table(FORM["QUERY"]).rows:
            yield url, f"its result is {found}, other than at once"


def check_unknown_job(probe: Probe) -> Iterator[Problem]:
    url = f"{probe.tap_url}/async/no-such-job"
    answer = probe.get(url)
    if answer.status != 404:
        yield url, f"a job that is not there gives status {answer.status}, not 404"


CHECKS = (
    Check(
        "UWS-JOB-1",
        "error",
        "a job is created, keeps its parameters, and can be destroyed",
        "UWS 1.1 section 2.2",
        check_job_creation,
    ),
    Check("UWS-JOB-2", "error", "an unknown job is 404", "UWS 1.1 section 2.2.2", check_unknown_job),
    Check("UWS-JOB-3", "error", "timestamps end with Z", "UWS 1.1 section 2.2.1", check_timestamps),
    Check(
        "UWS-RUN-1", "error", "a job returns the rows of the synchronous query", "TAP 1.1 section 2.2", check_job_result
    ),
    Check(
        "TAP-LIMIT-3", "error", "executionDuration is enforced", "TAPRegExt 1.0 section 2.7", check_execution_duration
    ),
    Check("TAP-LIMIT-4", "error", "retentionPeriod is enforced", "TAPRegExt 1.0 section 2.7", check_retention_period),
)

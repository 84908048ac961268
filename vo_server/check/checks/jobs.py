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

TOLERANCE_SECONDS = 120
"""Seconds by which the lifetime of a job may differ from the declared one."""

WAIT_SECONDS = 5
"""Value of WAIT, for which the server holds the response until the phase of a job changes."""

FORM = {"LANG": "ADQL", "QUERY": "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables ORDER BY table_name", "MAXREC": "5"}


@contextmanager
def create_job(probe: Probe) -> Iterator[str]:
    """Create a job and yield its URL; the job is destroyed at the end of the block.

    Raises NoResponse where the service creates none.
    """
    where = f"{probe.tap_url}/async"
    response = probe.request("POST", where, data=FORM)
    if response.status != 303 or "location" not in response.headers:
        raise NoResponse(
            where, f"expected status 303 with a Location for POST, got {response.status}: {response.summary}"
        )
    url = urljoin(where, response.headers["location"])
    try:
        yield url
    finally:
        probe.request("DELETE", url)


def _read_job(probe: Probe, url: str) -> Element:
    return parse_xml(probe.request("GET", url).require_ok().body)


def check_job_creation(probe: Probe) -> Iterator[Problem]:
    """Require that a job is created, keeps its parameters, and can be destroyed."""
    with create_job(probe) as url:
        if not url.startswith(f"{probe.tap_url}/async/"):
            yield f"{probe.tap_url}/async", f"expected a Location below {probe.tap_url}/async, got {url}"
            return
        job = _read_job(probe, url)
        if (phase := job.findtext(f"{UWS_NAMESPACE}phase")) != "PENDING":
            yield url, f"expected phase PENDING of a new job, got {phase}"
        parameters = {p.get("id", "").upper(): (p.text or "").strip() for p in job.iter(f"{UWS_NAMESPACE}parameter")}
        for name, value in FORM.items():
            if parameters.get(name) != value:
                yield url, f"expected parameter {name}={value!r}, got {parameters.get(name)!r}"
    if (status := probe.request("GET", url).status) != 404:
        yield url, f"expected status 404 for a destroyed job, got {status}"


def check_execution_duration(probe: Probe) -> Iterator[Problem]:
    """Require that executionDuration is enforced."""
    default, hard = (read_limit(probe, "executionDuration", which) for which in ("default", "hard"))
    if default is None and hard is None:
        raise CheckSkipped("no executionDuration is declared")
    with create_job(probe) as url:
        seconds = probe.request("GET", f"{url}/executionduration").require_ok().text.strip()
        if default is not None and seconds != str(default):
            yield url, f"expected executionduration {default} s of a new job, got {seconds} s"
        if hard is not None:
            probe.request("POST", f"{url}/executionduration", data={"EXECUTIONDURATION": str(hard + 1_000)})
            seconds = probe.request("GET", f"{url}/executionduration").require_ok().text.strip()
            if not seconds.isdecimal() or int(seconds) > hard:
                yield url, f"the executionduration of a job is {seconds} s, above the hard limit of {hard} s"


def check_retention_period(probe: Probe) -> Iterator[Problem]:
    """Require that retentionPeriod is enforced."""
    default, hard = (read_limit(probe, "retentionPeriod", which) for which in ("default", "hard"))
    if default is None and hard is None:
        raise CheckSkipped("no retentionPeriod is declared")
    with create_job(probe) as url:
        creation = _parse_timestamp(_read_job(probe, url).findtext(f"{UWS_NAMESPACE}creationTime"))
        seconds = _seconds_until_destruction(probe, url, creation)
        if default is not None and (seconds is None or abs(seconds - default) > TOLERANCE_SECONDS):
            yield url, f"expected a lifetime of {default} s of a new job, got {seconds} s"
        if hard is not None:
            probe.request("POST", f"{url}/destruction", data={"DESTRUCTION": "2999-01-01T00:00:00Z"})
            seconds = _seconds_until_destruction(probe, url, creation)
            if seconds is not None and seconds > hard + TOLERANCE_SECONDS:
                yield url, f"the lifetime of a job is {seconds} s, above the hard limit of {hard} s"


def _seconds_until_destruction(probe: Probe, url: str, creation: datetime | None) -> int | None:
    """Return the lifetime of a job in whole seconds; None where one of its timestamps is missing."""
    end = _parse_timestamp(probe.request("GET", f"{url}/destruction").require_ok().text)
    return round((end - creation).total_seconds()) if creation and end else None


def _parse_timestamp(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
    except ValueError:
        return None


def check_timestamps(probe: Probe) -> Iterator[Problem]:
    """Require that timestamps end with Z."""
    with create_job(probe) as url:
        job = _read_job(probe, url)
        for name in ("creationTime", "destruction"):
            text = (job.findtext(UWS_NAMESPACE + name) or "").strip()
            if text and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
                yield url, f"{name} {text!r} is not ISO 8601 with a final Z"


def check_job_result(probe: Probe) -> Iterator[Problem]:
    """Compare the result of a job with the synchronous response."""
    if probe.in_process:
        raise CheckSkipped("a service that is checked in process has no job workers")
    with create_job(probe) as url:
        probe.request("POST", f"{url}/phase", data={"PHASE": "RUN"})
        until = time.monotonic() + TIMEOUT_SECONDS
        phase = "QUEUED"
        while phase in ("PENDING", "QUEUED", "EXECUTING") and time.monotonic() < until:
            document = parse_xml(probe.request("GET", f"{url}?WAIT={WAIT_SECONDS}").require_ok().body)
            phase = (document.findtext(f"{UWS_NAMESPACE}phase") or "").strip()
        if phase != "COMPLETED":
            yield url, f"expected phase COMPLETED of a job of one row after {TIMEOUT_SECONDS:g} s, got {phase}"
            return
        rows = read_table(probe.request("GET", f"{url}/results/result").require_ok()).rows
        if rows != (expected := probe.query_table(FORM["QUERY"]).rows):
            yield url, f"expected the rows of the synchronous query, {expected}, got {rows}"


def check_unknown_job(probe: Probe) -> Iterator[Problem]:
    """Require that an unknown job is 404."""
    url = f"{probe.tap_url}/async/no-such-job"
    response = probe.get(url)
    if response.status != 404:
        yield url, f"expected status 404 for an unknown job, got {response.status}"


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

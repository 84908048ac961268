"""Validate a running service from outside, through its URL alone, as a client sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from vo_server.check.checks import CHECKS
from vo_server.check.finding import Check, Finding
from vo_server.check.probe import Probe, ProbeLimits
from vo_server.check.report import CheckReport
from vo_server.check.response import CheckSkipped, NoResponse
from vo_server.check.votable import InvalidVOTable

__all__ = ["CHECKS", "ProbeLimits", "Check", "Finding", "Probe", "CheckReport", "select_checks", "run_checks"]


def select_checks(only: Sequence[str] = (), skip: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return the checks whose codes begin with one of `only` and with none of `skip`, in their order.

    Raises KeyError with a code that begins no check.
    """
    for code in (*only, *skip):
        if not any(check.code.startswith(code.upper()) for check in CHECKS):
            raise KeyError(code)
    included = tuple(code.upper() for code in only) or ("",)
    excluded = tuple(code.upper() for code in skip)
    return tuple(c for c in CHECKS if c.code.startswith(included) and not (excluded and c.code.startswith(excluded)))


def run_checks(
    probe: Probe, checks: Iterable[Check] = CHECKS, on_start: Callable[[Check], None] = lambda _: None
) -> CheckReport:
    """Run checks, one after another; `on_start` is called with each before it runs.

    Raises NoResponse where there is no TAP service at the URL.
    """
    moment, start = datetime.now(UTC), time.monotonic()
    findings: list[Finding] = []
    passed: list[str] = []
    skipped: list[tuple[str, str]] = []
    try:
        probe.get(probe.tap_url)
    except CheckSkipped as reason:
        raise NoResponse(probe.url, str(reason)) from None
    for check in checks:
        on_start(check)
        try:
            problems = [Finding(check.code, check.severity, *problem, check.section) for problem in check.run(probe)]
        except CheckSkipped as reason:
            skipped.append((check.code, str(reason)))
            continue
        except NoResponse as error:
            problems = [Finding(check.code, check.severity, error.where, error.what, check.section)]
        except InvalidVOTable as error:
            problems = [Finding(check.code, check.severity, probe.url, str(error), check.section)]
        findings += problems
        if not problems:
            passed.append(check.code)
    seconds = time.monotonic() - start
    return CheckReport(probe.url, moment, seconds, len(probe.responses), tuple(findings), tuple(passed), tuple(skipped))

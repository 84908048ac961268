"""Does a service keep what it says of itself? Asked as any client asks, knowing but its URL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from vo_server.check.checks import CHECKS
from vo_server.check.finding import Check, Finding
from vo_server.check.probe import Bounds, Probe
from vo_server.check.report import Report
from vo_server.check.response import NoAnswer, Skipped
from vo_server.check.votable import Unreadable

__all__ = ["CHECKS", "Bounds", "Check", "Finding", "Probe", "Report", "chosen", "run"]


def chosen(only: Sequence[str] = (), skip: Sequence[str] = ()) -> tuple[Check, ...]:
    """The checks of these codes but for those, in their order; a code may be the beginning of one.

    Raises KeyError for what begins none.
    """
    for code in (*only, *skip):
        if not any(check.code.startswith(code.upper()) for check in CHECKS):
            raise KeyError(code)
    wanted = tuple(code.upper() for code in only) or ("",)
    spared = tuple(code.upper() for code in skip)
    return tuple(c for c in CHECKS if c.code.startswith(wanted) and not (spared and c.code.startswith(spared)))


def run(probe: Probe, checks: Iterable[Check] = CHECKS, begun: Callable[[Check], None] = lambda _: None) -> Report:
    """Make checks, one after another; `begun` is told of each.

    Raises NoAnswer where there is no TAP service at the URL.
    """
    moment, start = datetime.now(UTC), time.monotonic()
    findings: list[Finding] = []
    passed: list[str] = []
    skipped: list[tuple[str, str]] = []
    try:
        probe.get(probe.tap)
    except Skipped as reason:
        raise NoAnswer(probe.url, str(reason)) from None
    for check in checks:
        begun(check)
        try:
            found = [Finding(check.code, check.severity, *said, check.section) for said in check.run(probe)]
        except Skipped as reason:
            skipped.append((check.code, str(reason)))
            continue
        except NoAnswer as fault:
            found = [Finding(check.code, check.severity, fault.where, fault.what, check.section)]
        except Unreadable as fault:
            found = [Finding(check.code, check.severity, probe.url, str(fault), check.section)]
        findings += found
        if not found:
            passed.append(check.code)
    seconds = time.monotonic() - start
    return Report(probe.url, moment, seconds, len(probe.seen), tuple(findings), tuple(passed), tuple(skipped))

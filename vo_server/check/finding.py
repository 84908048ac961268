"""Records of the checks and of their findings. A code never changes its meaning, so that it can be silenced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from vo_server.check.probe import Probe

Severity = Literal["error", "warning"]
Problem: TypeAlias = tuple[str, str]
"""The location of a problem (a URL, a table, a column, a name in the capabilities) and its description."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its code, severity, title and standard section, and the function that runs it.

    An error violates a standard or what the service declares; a warning only hinders clients. `run` yields the
    problems. It raises CheckSkipped where the check does not apply, which is no finding, and NoResponse where the
    service fails it, which is one.
    """

    code: str
    severity: Severity
    title: str
    section: str
    run: Callable[[Probe], Iterable[Problem]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that a check found: its location, its description, and the violated section of a standard."""

    code: str
    severity: Severity
    where: str
    what: str
    section: str

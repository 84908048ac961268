"""What a check is, and what it finds: each a record. A code never changes its meaning, so that it can be silenced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from vo_server.check.probe import Probe

Severity = Literal["error", "warning"]
Said: TypeAlias = tuple[str, str]
"""Where something is wrong (a URL, a table, a column, a name of the capabilities), and what."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so: its code, how bad it is if not, what it is, who says so, and how it is looked at.

    An error is what a standard forbids or what the service says and does not keep; a warning is what only hinders
    clients. `run` gives what is wrong. It raises Skipped where it cannot be looked at, which is no finding, and
    NoAnswer where the service fails it, which is one.
    """

    code: str
    severity: Severity
    title: str
    section: str
    run: Callable[[Probe], Iterable[Said]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, and which section of which standard says so."""

    code: str
    severity: Severity
    where: str
    what: str
    section: str

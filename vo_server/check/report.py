"""What came out of the checks: as lines for a person, as JSON for a program, and as one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vo_server.check.finding import Finding, Severity

LONG = 150
"""Characters of a place that are shown in a line."""


@dataclass(frozen=True, slots=True)
class Report:
    """`passed` are the codes of the checks that found nothing, `skipped` those that could not be made, with the reason.
    `moment` is when they were begun."""

    url: str
    moment: datetime
    seconds: float
    requests: int
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]

    def count(self, severity: Severity) -> int:
        """How many findings are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def failed(self) -> bool:
        """Is anything wrong that a standard forbids?"""
        return self.count("error") > 0

    @property
    def summary(self) -> str:
        """All of it in one sentence."""
        errors, warnings = self.count("error"), self.count("warning")
        found = f"{_some(errors, 'error')}, {_some(warnings, 'warning')}"
        made = len(self.passed) + len({f.code for f in self.findings})
        skipped = f", {len(self.skipped)} not made" if self.skipped else ""
        return f"{found if self.findings else 'no findings'} in {_some(made, 'check')}{skipped}"

    def lines(self) -> Iterator[tuple[str, Finding]]:
        """A line a finding, the errors first."""
        for each in sorted(self.findings, key=lambda f: f.severity):
            yield f"{each.code:16} {each.severity:8} {_short(each.where)}: {each.what} [{each.section}]", each

    def as_json(self) -> str:
        """All of it."""
        said = {
            "url": self.url,
            "checked": _instant(self.moment),
            "seconds": round(self.seconds, 3),
            "requests": self.requests,
            "summary": self.summary,
            "findings": [asdict(finding) for finding in self.findings],
            "passed": list(self.passed),
            "skipped": [{"code": code, "why": why} for code, why in self.skipped],
        }
        return json.dumps(said, indent=1)

    def record(self, path: Path) -> None:
        """Keep the sentence and the numbers in a file, for availability to tell."""
        kept: dict[str, Any] = {
            "checked": _instant(self.moment),
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "codes": sorted({finding.code for finding in self.findings}),
            "summary": self.summary,
        }
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        fresh.replace(path)


def _short(where: str) -> str:
    """A URL may be as long as a query: its middle is left out."""
    return where if len(where) <= LONG else f"{where[: LONG * 2 // 3]} ... {where[-LONG // 3 :]}"


def _some(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

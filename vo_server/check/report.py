"""The report of the checks: lines for a person, JSON for a program, and a summary sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vo_server.check.finding import Finding, Severity

MAX_LOCATION_CHARACTERS = 150
"""Characters of a location that are shown in a line."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The outcome of a run of the checks, which started at `moment`.

    `passed` are the codes of the checks without findings, `skipped` those that do not apply here, with the reasons.
    """

    url: str
    moment: datetime
    seconds: float
    requests: int
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]

    def count_findings(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def failed(self) -> bool:
        """Whether there are errors."""
        return self.count_findings("error") > 0

    @property
    def summary(self) -> str:
        """A summary sentence."""
        errors, warnings = self.count_findings("error"), self.count_findings("warning")
        counts = f"{_pluralise(errors, 'error')}, {_pluralise(warnings, 'warning')}"
        run = len(self.passed) + len({f.code for f in self.findings})
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"{counts if self.findings else 'no findings'} in {_pluralise(run, 'check')}{skipped}"

    def format_lines(self) -> Iterator[tuple[str, Finding]]:
        """Yield a line for each finding, errors first."""
        for each in sorted(self.findings, key=lambda f: f.severity):
            yield f"{each.code:16} {each.severity:8} {_shorten(each.where)}: {each.what} [{each.section}]", each

    def as_json(self) -> str:
        """Return the report as JSON."""
        entries = {
            "url": self.url,
            "checked": _to_timestamp(self.moment),
            "seconds": round(self.seconds, 3),
            "requests": self.requests,
            "summary": self.summary,
            "findings": [asdict(finding) for finding in self.findings],
            "passed": list(self.passed),
            "skipped": [{"code": code, "why": why} for code, why in self.skipped],
        }
        return json.dumps(entries, indent=1)

    def write_summary(self, path: Path) -> None:
        """Write the summary and the counts to a file, which availability reads."""
        entries: dict[str, Any] = {
            "checked": _to_timestamp(self.moment),
            "errors": self.count_findings("error"),
            "warnings": self.count_findings("warning"),
            "codes": sorted({finding.code for finding in self.findings}),
            "summary": self.summary,
        }
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)


def _shorten(where: str) -> str:
    """Leave out the middle of a long URL, which may hold a whole query."""
    return (
        where
        if len(where) <= MAX_LOCATION_CHARACTERS
        else f"{where[: MAX_LOCATION_CHARACTERS * 2 // 3]} ... {where[-MAX_LOCATION_CHARACTERS // 3 :]}"
    )


def _pluralise(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _to_timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

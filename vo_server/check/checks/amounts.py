"""The amounts of the capabilities: rows, bytes and seconds."""

from __future__ import annotations

from vo_server.check.probe import Probe


def amount(probe: Probe, name: str, which: str) -> int | None:
    """One of retentionPeriod, executionDuration, outputLimit and uploadLimit, its default or hard; None where it is not
    told or is not a number."""
    for found in probe.access.findall(f"{name}/{which}"):
        text = (found.text or "").strip()
        return int(text) if text.isdecimal() else None
    return None

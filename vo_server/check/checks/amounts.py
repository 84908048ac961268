"""The limits that capabilities declare: rows, bytes and seconds."""

from __future__ import annotations

from vo_server.check.probe import Probe


def read_limit(probe: Probe, name: str, which: str) -> int | None:
    """Return a declared limit (retentionPeriod, executionDuration, outputLimit or uploadLimit), its default or hard
    value; None where it is not declared."""
    for element in probe.tap_capability.findall(f"{name}/{which}"):
        text = (element.text or "").strip()
        return int(text) if text.isdecimal() else None
    return None

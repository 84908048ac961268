"""Planned downtime, from a file in the data folder.

DATA/downtime.toml    down_at and, where known, back_at (instants) and note (the reason)
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vo_server.errors import UsageError

FILE_NAME = "downtime.toml"
KEYS = ("down_at", "back_at", "note")


@dataclass(frozen=True, slots=True)
class Downtime:
    """A planned downtime: begin, end (None while it is unknown) and reason."""

    down_at: datetime
    back_at: datetime | None = None
    note: str | None = None

    def has_begun(self, at: datetime) -> bool:
        """Return whether the service is down at an instant."""
        return self.down_at <= at and not self.is_over(at)

    def is_over(self, at: datetime) -> bool:
        """Return whether the downtime has ended at an instant."""
        return self.back_at is not None and self.back_at <= at


def read_downtime(data: Path) -> Downtime | None:
    """Return the planned downtime; None without a file.

    Raises UsageError for an invalid file.
    """
    try:
        given = tomllib.loads((data / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{FILE_NAME} cannot be read: {error}") from None
    for key in given:
        if key not in KEYS:
            raise UsageError(f"{FILE_NAME}: {key!r} is none of {', '.join(KEYS)}")
    note = given.get("note")
    if note is not None and not isinstance(note, str):
        raise UsageError(f"{FILE_NAME}: 'note' is no text")
    down_at, back_at = (_check_instant(key, given[key]) if key in given else None for key in ("down_at", "back_at"))
    if down_at is None:
        raise UsageError(f"{FILE_NAME}: 'down_at' is missing")
    if back_at is not None and back_at <= down_at:
        raise UsageError(f"{FILE_NAME}: 'back_at' does not come after 'down_at'")
    return Downtime(down_at, back_at, note)


def _check_instant(key: str, value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise UsageError(f"{FILE_NAME}: {key!r} is no instant with its time zone, such as 2026-12-01T08:00:00Z")
    return value

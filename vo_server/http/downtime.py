"""Planned downtime, from a file in the data folder.

DATA/downtime.toml    down_at and, where known, back_at (instants) and note (the reason)
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vo_server.errors import Code, UsageError

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
        entries = tomllib.loads((data / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{FILE_NAME} cannot be read: {error}", code=Code.SETTINGS_INVALID) from None
    for key in entries:
        if key not in KEYS:
            raise UsageError(f"{FILE_NAME}: {key!r} must be one of {', '.join(KEYS)}", code=Code.SETTINGS_INVALID)
    note = entries.get("note")
    if note is not None and not isinstance(note, str):
        raise UsageError(f"{FILE_NAME}: 'note' must be a text", code=Code.SETTINGS_INVALID)
    down_at, back_at = (_check_instant(key, entries[key]) if key in entries else None for key in ("down_at", "back_at"))
    if down_at is None:
        raise UsageError(f"{FILE_NAME}: 'down_at' is missing", code=Code.SETTINGS_INVALID)
    if back_at is not None and back_at <= down_at:
        raise UsageError(f"{FILE_NAME}: 'back_at' must be after 'down_at'", code=Code.SETTINGS_INVALID)
    return Downtime(down_at, back_at, note)


def _check_instant(key: str, value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        message = f"{FILE_NAME}: {key!r} must be an instant with its time zone, such as 2026-12-01T08:00:00Z"
        raise UsageError(message, code=Code.SETTINGS_INVALID)
    return value

"""Logging: lines for people or JSON for programs, each with the id of the request that it is about.

Client addresses and query texts are private: they are passed as `extra=private_fields(...)` and are logged only if the
operator enables it.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

REQUEST_ID: ContextVar[str] = ContextVar("request", default="")
"""The id of the current request."""


def fields(**values: Any) -> dict[str, Any]:
    """Return fields of a log message, separate in JSON, for `log.info(text, extra=fields(rows=7))`."""
    return {"fields": values}


def private_fields(**values: Any) -> dict[str, Any]:
    """Return private fields of a log message: who sends a request, and its text."""
    return {"private_fields": values}


def configure(level: str, format: str = "text", *, show_private: bool = False) -> None:
    """Make all loggers of the process write to standard error, in a format: "text" or "json"."""
    out = logging.StreamHandler()
    out.setFormatter(_FORMATTERS[format](show_private))
    logging.basicConfig(level=level.upper(), handlers=[out], force=True)


_ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""Escapes against log injection: a client could write line breaks and control characters into a URL."""


class TextFormatter(logging.Formatter):
    """A formatter of log records as lines for people."""

    def __init__(self, show_private: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._show_private = show_private

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        values = getattr(record, "private_fields", {}) if self._show_private else {}
        id = REQUEST_ID.get()
        more = [f"{name}={value!r}" for name, value in values.items()] + ([f"[{id}]"] if id else [])
        return " ".join((super().formatMessage(record).translate(_ESCAPES), *more))


class JsonFormatter(logging.Formatter):
    """A formatter of log records as one JSON object a line."""

    def __init__(self, show_private: bool) -> None:
        super().__init__()
        self._show_private = show_private

    @override
    def format(self, record: logging.LogRecord) -> str:
        values = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get() or None,
            **getattr(record, "fields", {}),
            **(getattr(record, "private_fields", {}) if self._show_private else {}),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({k: v for k, v in values.items() if v is not None}, ensure_ascii=False, default=str)


_FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}

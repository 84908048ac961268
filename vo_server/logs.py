"""What the log looks like: lines for people or JSON for programs, each with the id of the request that it is about.

Addresses of clients and texts of queries are personal: they are handed to the log as `extra=personal(...)`, and are
written where the operator wants them.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is being answered."""


def said(**facts: Any) -> dict[str, Any]:
    """Facts that go with a message, as fields of their own in JSON: `log.info(text, extra=said(rows=7))`."""
    return {"said": facts}


def personal(**facts: Any) -> dict[str, Any]:
    """The same for facts about a person: who asks, and what."""
    return {"personal": facts}


def configure(level: str, form: str = "text", *, tells_personal: bool = False) -> None:
    """Let all loggers of the process write to standard error, in this form ("text" or "json")."""
    out = logging.StreamHandler()
    out.setFormatter(_FORMS[form](tells_personal))
    logging.basicConfig(level=level.upper(), handlers=[out], force=True)


_ESCAPED = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""What a client may have written into a URL, to have a line of the log of its own."""


class _Lines(logging.Formatter):
    """Lines for people."""

    def __init__(self, tells_personal: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._tells_personal = tells_personal

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "personal", {}) if self._tells_personal else {}
        id = REQUEST.get()
        more = [f"{name}={value!r}" for name, value in facts.items()] + ([f"[{id}]"] if id else [])
        return " ".join((super().formatMessage(record).translate(_ESCAPED), *more))


class _Json(logging.Formatter):
    """A JSON object a line."""

    def __init__(self, tells_personal: bool) -> None:
        super().__init__()
        self._tells_personal = tells_personal

    @override
    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST.get() or None,
            **getattr(record, "said", {}),
            **(getattr(record, "personal", {}) if self._tells_personal else {}),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({k: v for k, v in facts.items() if v is not None}, ensure_ascii=False, default=str)


_FORMS = {"text": _Lines, "json": _Json}

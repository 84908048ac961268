"""The status of a result and the texts of its errors, which the formats share (DALI 1.1 sections 4.2 and 4.4)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vo_server.errors import Code, ServiceError
from vo_server.model.result import Info

log = logging.getLogger(__name__)

PLAIN_TEXT = "text/plain;charset=utf-8"
"""The media type of error documents in formats that have no errors of their own."""


def overflow_info(rows: int) -> Info:
    """Return the QUERY_STATUS of a result that MAXREC cut after so many rows."""
    return Info("QUERY_STATUS", "OVERFLOW", f"The result was cut at {rows} rows, the limit (MAXREC): there are more.")


def error_info(error: ServiceError) -> Info:
    """Return the QUERY_STATUS of an error, with its DALI name, message and hint."""
    return Info("QUERY_STATUS", "ERROR", f"{error.dali_name}: {error}")


def code_infos(error: ServiceError) -> tuple[Info, ...]:
    """Return the code of an error and, of a query, its line and column, as INFOs."""
    return tuple(Info(name, value) for name, value in error.infos().items())


def failure_infos(error: Exception) -> tuple[Info, ...]:
    """Return QUERY_STATUS and the code of a result that failed after its first row.

    The message of an unexpected exception goes to the log and not to the client.
    """
    if isinstance(error, ServiceError):
        return error_info(error), *code_infos(error)
    log.error("a result failed after its first row", exc_info=error)
    internal = Info("ERROR_CODE", str(Code.SERVICE_INTERNAL))
    return Info("QUERY_STATUS", "ERROR", "FatalFault: internal error"), internal


def status_line(infos: Sequence[Info]) -> str:
    """Return a QUERY_STATUS and the code after it in one line: `ERROR QUERY.TIMEOUT: UsageFault: ...`."""
    status, *rest = infos
    codes = "".join(f" {info.value}" for info in rest if info.name == "ERROR_CODE")
    return f"{status.value}{codes}: {status.text}"


def plain_text_error(error: ServiceError, infos: Sequence[Info] = ()) -> bytes:
    """Return an error as plain text: its message, then a line for each info and for its code."""
    lines = "".join(f"{info.name}: {info.value}\n" for info in (*infos, *code_infos(error)))
    return f"{error.dali_name}: {error}\n{lines}".encode()

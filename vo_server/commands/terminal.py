"""Messages to the user of the command line, on standard error."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from vo_server import logs
from vo_server.errors import QueryError, ServiceError
from vo_server.settings import Settings

_RED: Any = {"style": "red", "markup": False, "soft_wrap": True}

console = Console(stderr=True, highlight=False)


def say(text: str, style: str = "") -> None:
    """Print a message; lines are not wrapped."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def configure_logs(settings: Settings) -> None:
    """Configure the log of the process by the settings."""
    logs.configure(settings.log_level, settings.log_format, show_private=settings.log_personal == "yes")


def print_error(page: Console, error: ServiceError, before: str = "") -> None:
    """Print an error with its line and column, the line of the query with carets below it, and the hint; then the
    further errors of the query."""
    span = error.span if isinstance(error, QueryError) and error.text else None
    if span is None or not isinstance(error, QueryError):
        page.print(f"{before}{error} [{error.code}]", **_RED)
        return
    line, column = span.line_column(error.text)
    page.print(f"{before}line {line}, column {column}: {error.message} [{error.code}]", **_RED)
    line_text, carets = span.caret(error.text, max(10, page.width // 2 - 2)).split("\n")
    page.print(f"  {line_text}", markup=False, soft_wrap=True)
    page.print(f"  {carets}", style="bold red", markup=False, soft_wrap=True)
    if error.hint:
        page.print(f"  {error.hint}", style="cyan", markup=False, soft_wrap=True)
    for other in error.other_errors:
        print_error(page, other, before)

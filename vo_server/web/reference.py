"""Parts of the documentation that are generated from the records of the code, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from vo_server.adql.semantics.functions import FUNCTIONS, Function
from vo_server.adql.semantics.udfs import UDF_FORMS
from vo_server.errors import Code, error_from_code
from vo_server.formats import BINARY2, format_names
from vo_server.model.urls import SiteUrls

_COMMAND_LINE = ("LOAD", "CATALOGUE", "SETTINGS")
"""Families of codes that occur at the command line alone, and so have no HTTP status."""


def describe_functions(urls: SiteUrls, unsupported: frozenset[str]) -> dict[str, str]:
    """Return the functions that the engine offers, those of the language and user-defined ones, by placeholder.

    `unsupported` holds the names that the engine does not offer.
    """
    return {
        "functions": _render_sections(FUNCTIONS.values(), urls, unsupported),
        "user_defined_functions": _render_sections(UDF_FORMS, urls, unsupported),
    }


def build_example_query(function: Function) -> str:
    """Return a query that runs the example of a function."""
    return f"SELECT TOP 1 {function.example} AS example FROM TAP_SCHEMA.tables"


def describe_errors() -> str:
    """Return the table of all error codes."""
    rows = (f"| `{code}` | {_describe_status(code)} | {_escape(code.meaning)} |" for code in Code)
    return "\n".join(("| code | HTTP status | meaning |", "|---|---|---|", *rows))


def describe_formats() -> str:
    """Return the table of the output formats with all names that a client may give."""
    rows = (
        f"| {_escape(format.label)} | {', '.join(f'`{name}`' for name in names)} | `{format.media_type}` |"
        for format, names in format_names(BINARY2)
    )
    return "\n".join(("| format | names | media type |", "|---|---|---|", *rows))


def _render_sections(functions: Iterable[Function], urls: SiteUrls, unsupported: frozenset[str]) -> str:
    return "\n\n".join(_render_section(function, urls) for function in functions if function.name not in unsupported)


def _render_section(function: Function, urls: SiteUrls) -> str:
    text = f"### `{function.signature}`\n\n{_escape(function.doc)}"
    if not function.example:
        return text
    parameters = {"LANG": "ADQL", "RESPONSEFORMAT": "html", "QUERY": build_example_query(function)}
    url = urls.get_url("tap", f"/sync?{urlencode(parameters, quote_via=quote)}")
    return f"{text}\n\nExample: [`{function.example}`]({url})"


def _describe_status(code: Code) -> str:
    if code.partition(".")[0] in _COMMAND_LINE:
        return "command line"
    return str(error_from_code(code, "").status)


def _escape(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)

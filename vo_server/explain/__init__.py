"""Explanations of queries: what a query would do, without running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vo_server.explain.explain import ExplainRequest, explain
from vo_server.explain.explanation import Explanation
from vo_server.explain.html import as_html
from vo_server.explain.json import as_json
from vo_server.explain.text import as_text
from vo_server.formats import HTML, JSON, TEXT, Format

__all__ = ["WRITERS", "Explanation", "ExplainRequest", "explain"]

WRITERS: Mapping[Format, Callable[[Explanation], bytes]] = {JSON: as_json, TEXT: as_text, HTML: as_html}
"""The writers of explanations by format."""

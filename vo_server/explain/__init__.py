"""What a query would do, told without running it: the one road, stopped before the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vo_server.explain.explain import Inquiry, explain
from vo_server.explain.explanation import Explanation
from vo_server.explain.html import as_html
from vo_server.explain.json import as_json
from vo_server.explain.text import as_text
from vo_server.formats import HTML, JSON, TEXT, Format

__all__ = ["WRITERS", "Explanation", "Inquiry", "explain"]

WRITERS: Mapping[Format, Callable[[Explanation], bytes]] = {JSON: as_json, TEXT: as_text, HTML: as_html}
"""How an explanation is written, by the format that is asked for."""

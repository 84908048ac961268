"""Explanations as HTML pages."""

from __future__ import annotations

from html import escape

from vo_server.explain.explanation import Explanation
from vo_server.explain.text import WIDTH, build_sections
from vo_server.formats.write.html import render_page


def as_html(explanation: Explanation) -> bytes:
    """Return the explanation as an HTML document: the query, and a heading for each part."""
    parts = "".join(
        f"<h2>{escape(section.title)}</h2>\n<pre>{escape(chr(10).join(section.lines))}</pre>\n"
        for section in build_sections(explanation, WIDTH)
    )
    return render_page("What this query would do", f"<pre>{escape(explanation.text)}</pre>\n{parts}")

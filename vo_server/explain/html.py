"""An explanation as a page."""

from __future__ import annotations

from html import escape

from vo_server.explain.explanation import Explanation
from vo_server.explain.text import WIDTH, sections
from vo_server.formats.write.html import page


def as_html(explained: Explanation) -> bytes:
    """The explanation as an HTML document: the query, and a heading for each part."""
    parts = "".join(
        f"<h2>{escape(section.title)}</h2>\n<pre>{escape(chr(10).join(section.lines))}</pre>\n"
        for section in sections(explained, WIDTH)
    )
    return page("What this query would do", f"<pre>{escape(explained.text)}</pre>\n{parts}")

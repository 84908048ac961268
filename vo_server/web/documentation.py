"""The documentation at /docs: Markdown files of the folder docs, with the facts of the service filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from vo_server.model.urls import SiteUrls
from vo_server.web.frame import render_page

PAGES = (
    "index",
    "clients",
    "adql",
    "functions",
    "uploads",
    "regions",
    "images",
    "jobs",
    "formats",
    "limits",
    "errors",
)
"""The pages in the order of reading."""

_FOLDER = Path(__file__).parent / "docs"
_PLACEHOLDER = re.compile(r"(?<!%)\{([a-z][a-z0-9_]*)\}")
_LINK = re.compile(rf"({'|'.join(PAGES)})\.md(#[\w-]+)?")

_STYLE = """
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; border-bottom: 1px solid var(--line); padding-bottom: .6rem; }
nav strong { font-weight: bold; }
h2 { margin-top: 2rem; }
h3 { margin: 1.6rem 0 .2rem; font-size: 1rem; }
"""


def render_documentation(name: str, urls: SiteUrls, title: str, values: Mapping[str, str]) -> str:
    """Return a page as HTML; `title` is the name of the service.

    Raises KeyError for a page or a placeholder that does not exist.
    """
    parser = _create_parser()
    tokens = parser.parse(_fill(name, urls, values, suffix=""))
    _add_anchors(tokens)
    content = parser.renderer.render(tokens, parser.options, {})
    home = f'<p class="small"><a href="{escape(urls.base)}/">{escape(title)}</a></p>'
    body = f"{home}\n{_render_navigation(name, urls)}\n{content}"
    return render_page(f"{title}: {read_title(name)}", body, _STYLE)


def fill_page(name: str, urls: SiteUrls, values: Mapping[str, str]) -> str:
    """Return a page as Markdown, with links to the Markdown of the other pages.

    Raises KeyError for a page or a placeholder that does not exist.
    """
    return _fill(name, urls, values, suffix=".md")


def read_title(name: str) -> str:
    """Return the title of a page: the heading of its file."""
    return _read_page(name).partition("\n")[0].removeprefix("# ")


def find_placeholders(name: str) -> frozenset[str]:
    """Return the names of the placeholders of a page."""
    return frozenset(_PLACEHOLDER.findall(_read_page(name)))


@lru_cache(maxsize=len(PAGES))
def _read_page(name: str) -> str:
    if name not in PAGES:
        raise KeyError(name)
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def _fill(name: str, urls: SiteUrls, values: Mapping[str, str], suffix: str) -> str:
    """Return a page with its placeholders filled in, and with links to the other pages that end in `suffix`."""
    linked = _LINK.sub(lambda found: urls.get_url("docs", f"/{found[1]}{suffix}{found[2] or ''}"), _read_page(name))
    return _PLACEHOLDER.sub(lambda found: values[found[1]], linked)


@lru_cache(maxsize=1)
def _create_parser() -> MarkdownIt:
    """Return the parser: CommonMark with tables and without HTML, written as well-formed XML."""
    return MarkdownIt("commonmark", {"html": False, "xhtmlOut": True}).enable("table")


def _add_anchors(tokens: list[Token]) -> None:
    """Give each heading an id, from its words as GitHub does, so that links can lead to it."""
    used: dict[str, int] = {}
    for heading, content in pairwise(tokens):
        if heading.type == "heading_open":
            slug = re.sub(r"[^\w -]", "", content.content.lower()).replace(" ", "-")
            used[slug] = used.get(slug, -1) + 1
            heading.attrSet("id", f"{slug}-{used[slug]}" if used[slug] else slug)


def _render_navigation(name: str, urls: SiteUrls) -> str:
    return f"<nav>{' '.join(_render_link(page, urls, is_current=page == name) for page in PAGES)}</nav>"


def _render_link(page: str, urls: SiteUrls, is_current: bool) -> str:
    title = escape(read_title(page))
    if is_current:
        return f"<strong>{title}</strong>"
    return f'<a href="{escape(urls.get_url("docs", "" if page == "index" else f"/{page}"))}">{title}</a>'

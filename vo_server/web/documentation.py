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


def render_documentation(name: str, base: str, title: str, values: Mapping[str, str]) -> str:
    """Return a page as HTML; `base` is the server's URL, `title` the name of the service.

    Raises KeyError for a page or a placeholder that does not exist.
    """
    tokens = _parser().parse(_markdown_with_links(name, values, f"{base}/docs/{{}}"))
    _add_anchors(tokens)
    content = _parser().renderer.render(tokens, _parser().options, {})
    body = f'<p class="small"><a href="{escape(base)}/">{escape(title)}</a></p>\n{_navigation(name, base)}\n{content}'
    return render_page(f"{title}: {page_title(name)}", body, _STYLE)


def fill_page(name: str, base: str, values: Mapping[str, str]) -> str:
    """Return a page as Markdown, with links to the Markdown of the other pages.

    Raises KeyError for a page or a placeholder that does not exist.
    """
    return _markdown_with_links(name, values, f"{base}/docs/{{}}.md")


def page_title(name: str) -> str:
    """Return the title of a page: the heading of its file."""
    return _read_page(name).partition("\n")[0].removeprefix("# ")


def placeholders(name: str) -> frozenset[str]:
    """Return the names of the placeholders of a page."""
    return frozenset(_PLACEHOLDER.findall(_read_page(name)))


@lru_cache(maxsize=len(PAGES))
def _read_page(name: str) -> str:
    if name not in PAGES:
        raise KeyError(name)
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def _markdown_with_links(name: str, values: Mapping[str, str], address: str) -> str:
    """Return a page with its placeholders filled in; `address` is the URL of a page, with braces for its name."""
    linked = _LINK.sub(lambda found: address.format(found[1]) + (found[2] or ""), _read_page(name))
    return _PLACEHOLDER.sub(lambda found: values[found[1]], linked)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
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


def _navigation(name: str, base: str) -> str:
    links = (
        f"<strong>{escape(page_title(page))}</strong>"
        if page == name
        else f'<a href="{escape(base)}/docs{"" if page == "index" else f"/{page}"}">{escape(page_title(page))}</a>'
        for page in PAGES
    )
    return f"<nav>{' '.join(links)}</nav>"

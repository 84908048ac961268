"""The page of example queries, for people and for programs that read its RDFa.

DALI 1.1 section 2.3, TAP 1.1 section 2.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, urlencode

from vo_server.catalogue.catalogue import ExampleQuery
from vo_server.model.urls import SiteUrls
from vo_server.web.frame import render_page

VOCABULARY = "http://www.ivoa.net/rdf/examples#"

MAX_ROWS = 1_000
"""The MAXREC of the links that run an example."""

_STYLE = """
nav ol { columns: 2; column-gap: 2rem; padding-left: 1.4rem; }
@media (max-width: 40rem) { nav ol { columns: 1; } }
section { border-top: 1px solid var(--line); padding-top: .4rem; margin-top: 2rem; }
pre { user-select: all; margin-bottom: .4rem; }
.do { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; margin: 0; }
.run { background: var(--link); color: var(--back); text-decoration: none; border-radius: 4px; padding: .15rem .9rem; }
.copy { display: none; }
.scripted .copy { display: inline-block; }
dl { margin: .4rem 0; }
dt, dd { display: inline; margin: 0; overflow-wrap: anywhere; }
"""

_SCRIPT = """
if (navigator.clipboard) {
  document.body.classList.add("scripted");
  document.querySelectorAll("button.copy").forEach(function (button) {
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(button.closest("section").querySelector("pre").textContent);
      button.textContent = "Copied";
    });
  });
}
"""
"""Copies a query. Without scripts only the button is missing: a click on a query selects all of it."""


@dataclass(frozen=True, slots=True)
class PublishedExample:
    """An example and the published names of the tables that it queries."""

    example: ExampleQuery
    tables: tuple[str, ...]


def render_examples(urls: SiteUrls, title: str, examples: Sequence[PublishedExample]) -> str:
    """Return the page of all examples."""
    entries = "".join(f'<li><a href="#{escape(s.example.id)}">{escape(s.example.title)}</a></li>' for s in examples)
    tap = escape(urls.get_url("tap"))
    body = f"""<h1>{escape(title)}: example queries</h1>
<p>Each query runs unchanged at <code>{tap}</code>: here with a click, in TOPCAT under <em>Examples</em> in
its TAP window, in pyvo as <code>TAPService("{tap}").examples</code>.
<a href="{escape(urls.base)}/">Front page</a>, <a href="{escape(urls.get_url("docs"))}">documentation</a></p>
<nav><ol>{entries}</ol></nav>
<div vocab="{VOCABULARY}">
{"".join(_render_example(urls, s) for s in examples)}</div>
<script>{_SCRIPT}</script>"""
    return render_page(f"{title}: examples", body, _STYLE)


def _render_example(urls: SiteUrls, published: PublishedExample) -> str:
    example = published.example
    uploads = [(name, _build_upload_url(urls, query)) for name, query in example.uploads.items()]
    tables = ", ".join(f'<code property="table">{escape(name)}</code>' for name in published.tables)
    return f"""<section typeof="example" id="{escape(example.id)}" resource="#{escape(example.id)}">
<h2 property="name">{escape(example.title)}</h2>
<p>{escape(example.description)}</p>
<pre property="query">{escape(example.query)}</pre>
{"".join(_render_parameter("UPLOAD", f"{name},{url}") for name, url in uploads)}
<p class="do"><a class="run" href="{escape(_build_run_url(urls, example, uploads))}">Run</a>
<button type="button" class="copy">Copy</button> <span class="small">queries {tables}; the link returns
at most {MAX_ROWS:,} rows</span></p>
</section>
"""


def _render_parameter(key: str, value: str) -> str:
    """Return a parameter that accompanies the query (DALI 1.1 section 2.3.3)."""
    return (
        f'<dl class="small" property="generic-parameter" typeof="keyval"><dt property="key">{escape(key)}</dt> '
        f'<dd property="value">{escape(value)}</dd></dl>'
    )


def _build_run_url(urls: SiteUrls, example: ExampleQuery, uploads: Sequence[tuple[str, str]]) -> str:
    sent = [("UPLOAD", f"{name},{url}") for name, url in uploads]
    return _build_sync_url(
        urls, [("MAXREC", str(MAX_ROWS)), ("RESPONSEFORMAT", "html"), *sent, ("QUERY", example.query)]
    )


def _build_upload_url(urls: SiteUrls, query: str) -> str:
    """Return the URL of an uploaded table: the result of a query of this service."""
    return _build_sync_url(urls, [("QUERY", query)])


def _build_sync_url(urls: SiteUrls, parameters: Sequence[tuple[str, str]]) -> str:
    return urls.get_url("tap", f"/sync?{urlencode([('LANG', 'ADQL'), *parameters], quote_via=quote)}")

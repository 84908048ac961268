"""The page of examples: for people, and for programs that read its RDFa (DALI 1.1 section 2.3, TAP 1.1 section 2.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, urlencode

from vo_server.catalogue.catalogue import Example
from vo_server.web.frame import framed

VOCABULARY = "http://www.ivoa.net/rdf/examples#"

MOST = 1_000
"""Rows that a link asks for."""

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
"""Without it nothing is missing but the button: a click on a query selects it whole."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An example and the tables that it asks, by the names under which they are published."""

    example: Example
    tables: tuple[str, ...]


def page(base: str, title: str, shown: Sequence[Shown]) -> str:
    """All examples; `base` is the server's URL."""
    listed = "".join(f'<li><a href="#{escape(s.example.id)}">{escape(s.example.title)}</a></li>' for s in shown)
    body = f"""<h1>{escape(title)}: queries to begin with</h1>
<p>Each runs as it is, at <code>{escape(base)}/tap</code>: here with a click, in TOPCAT under <em>Examples</em> of its
TAP window, in pyvo as <code>TAPService("{escape(base)}/tap").examples</code>.
<a href="{escape(base)}/">All that is served here</a></p>
<nav><ol>{listed}</ol></nav>
<div vocab="{VOCABULARY}">
{"".join(_section(base, s) for s in shown)}</div>
<script>{_SCRIPT}</script>"""
    return framed(f"{title}: examples", body, _STYLE)


def _section(base: str, shown: Shown) -> str:
    example = shown.example
    uploads = [(name, _made(base, query)) for name, query in example.uploads.items()]
    tables = ", ".join(f'<code property="table">{escape(name)}</code>' for name in shown.tables)
    return f"""<section typeof="example" id="{escape(example.id)}" resource="#{escape(example.id)}">
<h2 property="name">{escape(example.title)}</h2>
<p>{escape(example.description)}</p>
<pre property="query">{escape(example.query)}</pre>
{"".join(_parameter("UPLOAD", f"{name},{url}") for name, url in uploads)}
<p class="do"><a class="run" href="{escape(_run(base, example, uploads))}">Run</a>
<button type="button" class="copy">Copy</button> <span class="small">asks {tables}; the link gives at most {MOST:,}
rows</span></p>
</section>
"""


def _parameter(key: str, value: str) -> str:
    """A parameter that goes with the query (DALI 1.1 section 2.3.3)."""
    return (
        f'<dl class="small" property="generic-parameter" typeof="keyval"><dt property="key">{escape(key)}</dt> '
        f'<dd property="value">{escape(value)}</dd></dl>'
    )


def _run(base: str, example: Example, uploads: Sequence[tuple[str, str]]) -> str:
    sent = [("UPLOAD", f"{name},{url}") for name, url in uploads]
    return _sync(base, [("MAXREC", str(MOST)), ("RESPONSEFORMAT", "html"), *sent, ("QUERY", example.query)])


def _made(base: str, query: str) -> str:
    """The URL of a table that is uploaded: the answer of this service to a query."""
    return _sync(base, [("QUERY", query)])


def _sync(base: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{base}/tap/sync?{urlencode([('LANG', 'ADQL'), *parameters], quote_via=quote)}"

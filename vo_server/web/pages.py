"""The page that a person sees who opens the server's address: what is here and how to begin."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode

from vo_server.catalogue.catalogue import Catalogue, Publication

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
* {{ box-sizing: border-box; }}
:root {{ color-scheme: light dark; --text: #1b1f24; --back: #fff; --box: #f3f4f6; --line: #d8dce1; --link: #0b57a4;
  --small: #57606a; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --text: #e6e8ea; --back: #14171a; --box: #22272c; --line: #3a4047; --link: #7ab7ff; --small: #9aa4ad; }}
}}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--text); background: var(--back); }}
h1, h2 {{ line-height: 1.2; }}
pre, code, textarea {{ font: 14px/1.4 ui-monospace, monospace; background: var(--box); border-radius: 4px; }}
pre {{ padding: .8rem; overflow-x: auto; }}
code {{ padding: 0 .2rem; overflow-wrap: anywhere; }}
textarea {{ width: 100%; padding: .6rem; border: 1px solid var(--line); color: inherit; }}
button, select {{ font: inherit; padding: .1rem .6rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }}
td:first-child code {{ white-space: nowrap; }}
.number {{ text-align: right; }}
a {{ color: var(--link); }}
.small {{ color: var(--small); font-size: 14px; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def front(base: str, title: str, catalogue: Catalogue, rows: dict[str, int | None]) -> str:
    """The front page; `base` is the server's URL, `rows` how many rows of each table are loaded."""
    shown = "".join(_publication(p, base, rows.get(p.table.qualified)) for p in catalogue.publications)
    body = f"""<h1>{escape(title)}</h1>
<p>A Virtual Observatory service: point TOPCAT, Aladin, STILTS or pyvo at the URLs below.</p>
<h2>Tables</h2>
<table><tr><th>Table</th><th class="number">Rows</th><th>What it is</th></tr>{shown}</table>
<h2>TAP</h2>
<p>Base URL <code>{escape(base)}/tap</code>: {_links(base)}</p>
<form action="{escape(base)}/tap/sync" method="get">
<p><textarea name="QUERY" rows="5" aria-label="ADQL query">{escape(_example(catalogue))}</textarea></p>
<p><input type="hidden" name="LANG" value="ADQL"><input type="hidden" name="MAXREC" value="1000">
<label>Format <select name="RESPONSEFORMAT"><option value="html">Page</option><option value="text/xml">VOTable</option>
<option value="csv">CSV</option><option value="fits">FITS</option><option value="parquet">Parquet</option>
</select></label> <button>Run</button>
<button formaction="{escape(base)}/tap/explain">Explain</button>
<span class="small">at most 1,000 rows; clients may ask for more</span></p>
</form>
<h2>From Python</h2>
<pre>import pyvo
tap = pyvo.dal.TAPService("{escape(base)}/tap")
print(tap.run_sync("{escape(_short(catalogue))}").to_table())</pre>"""
    return _PAGE.format(title=escape(title), body=body)


def _links(base: str) -> str:
    names = ("capabilities", "tables", "availability")
    return ", ".join(f'<a href="{escape(base)}/tap/{name}">{name}</a>' for name in names)


def _publication(publication: Publication, base: str, rows: int | None) -> str:
    count = "not loaded" if rows is None else f"{rows:,}"
    return (
        f'<tr><td><code>{escape(publication.table.qualified)}</code></td><td class="number">{count}</td>'
        f"<td>{escape(publication.table.title or '')}{_cone(publication, base)}{_notes(publication)}</td></tr>"
    )


def _notes(publication: Publication) -> str:
    items = "".join(f"<li>{_note(n.text, n.url)}</li>" for n in publication.notes)
    return f'<details class="small"><summary>Read before use</summary><ul>{items}</ul></details>' if items else ""


def _note(text: str, url: str | None) -> str:
    return f'{escape(text)} <a href="{escape(url)}">more</a>' if url else escape(text)


def _cone(publication: Publication, base: str) -> str:
    if publication.cone is None:
        return ""
    ra, dec, sr = publication.cone.test
    address = f"{base}/cone/{publication.id}"
    query = urlencode({"RA": ra, "DEC": dec, "SR": sr})
    return f'<br>Cone search: <code>{escape(address)}?</code> <a href="{escape(address)}?{escape(query)}">try it</a>'


def _tables(catalogue: Catalogue) -> Iterable[str]:
    return (p.table.qualified for p in catalogue.publications)


def _short(catalogue: Catalogue) -> str:
    return f"SELECT TOP 10 * FROM {next(iter(_tables(catalogue)), 'TAP_SCHEMA.tables')}"


def _example(catalogue: Catalogue) -> str:
    for publication in catalogue.publications:
        if publication.cone is not None and publication.table.position is not None:
            ra, dec, sr = publication.cone.test
            place = publication.table.position
            return (
                f"SELECT TOP 100 *\nFROM {publication.table.qualified}\n"
                f"WHERE 1 = CONTAINS(POINT({place.ra}, {place.dec}), CIRCLE({ra}, {dec}, {sr}))"
            )
    return _short(catalogue)

"""The front page: the tables, the services and a first query."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.model.urls import SiteUrls
from vo_server.web.frame import render_page
from vo_server.web.tables import build_table_url


def render_front_page(
    urls: SiteUrls,
    title: str,
    catalogue: Catalogue,
    rows: dict[str, int | None],
    examples: bool = False,
    mapped: frozenset[str] = frozenset(),
) -> str:
    """Return the front page; `rows` is the number of loaded rows by table, None if unloaded.

    `examples` tells whether the service has example queries; `mapped` names the tables whose coverage is known.
    """
    table_rows = "".join(
        _render_collection(p, urls, rows.get(p.table.qualified_name), p.table.qualified_name in mapped)
        for p in catalogue.collections
    )
    body = f"""<h1>{escape(title)}</h1>
<p>A Virtual Observatory service: open the URLs below in TOPCAT, Aladin, STILTS or pyvo.
<a href="{escape(urls.get_url("docs"))}">How to use this service</a></p>
<h2>Tables</h2>
<table><tr><th>Table</th><th class="number">Rows</th><th>Description</th></tr>{table_rows}</table>
{_render_image_section(catalogue, urls, rows)}<h2>TAP</h2>
<p>Base URL <code>{escape(urls.get_url("tap"))}</code>: {_render_tap_links(urls, examples)}</p>
<form action="{escape(urls.get_url("tap", "/sync"))}" method="get">
<p><textarea name="QUERY" rows="5" aria-label="ADQL query">{escape(_write_example_query(catalogue))}</textarea></p>
<p><input type="hidden" name="LANG" value="ADQL"/><input type="hidden" name="MAXREC" value="1000"/>
<label>Format <select name="RESPONSEFORMAT"><option value="html">Page</option><option value="text/xml">VOTable</option>
<option value="csv">CSV</option><option value="fits">FITS</option><option value="parquet">Parquet</option>
</select></label> <button>Run</button>
<button formaction="{escape(urls.get_url("tap", "/explain"))}">Explain</button>
<span class="small">at most 1,000 rows; clients may request more</span></p>
</form>
<p>For registries:
<a href="{escape(urls.get_url("oai"))}?verb=ListRecords&amp;metadataPrefix=ivo_vor">the records of these services</a>
by OAI-PMH at <code>{escape(urls.get_url("oai"))}</code>.</p>
<h2>From Python</h2>
<pre>import pyvo
tap = pyvo.dal.TAPService("{escape(urls.get_url("tap"))}")
print(tap.run_sync("{escape(_write_short_query(catalogue))}").to_table())</pre>"""
    return render_page(title, body, _STYLE)


_STYLE = """
input { font: inherit; padding: .1rem .4rem; border: 1px solid var(--line); border-radius: 4px; background: var(--box);
  color: inherit; max-width: 100%; }
.map { display: block; width: 15rem; max-width: 100%; margin: .4rem 0 .1rem; }
"""


def _render_tap_links(urls: SiteUrls, examples: bool) -> str:
    names = (*(("examples",) if examples else ()), "capabilities", "tables", "availability")
    return ", ".join(f'<a href="{escape(urls.get_url("tap", f"/{name}"))}">{name}</a>' for name in names)


def _render_image_section(catalogue: Catalogue, urls: SiteUrls, rows: dict[str, int | None]) -> str:
    """Return the section on images, empty if no image collection is loaded."""
    loaded = [p for p in catalogue.collections if p.images is not None and rows.get(p.table.qualified_name) is not None]
    if not loaded:
        return ""
    url = escape(urls.get_url("gallery"))
    services = ", ".join(f"<code>{escape(urls.get_url(f'sia1-{p.id}'))}?</code>" for p in loaded)
    return f"""<h2>Images</h2>
<form action="{url}" method="get">
<p><label>Position <input name="POS" size="30" placeholder="129.04, 19.68 or 8 36 9.6 +19 40 48"
required="required"/></label> <label>Size <input name="SIZE" size="6" value="0.1"/> degrees</label>
<button>Find images</button>
<a href="{url}">All collections</a></p>
</form>
<p>SIA 1.0: {services}<br/>SIA 2.0: <code>{escape(urls.get_url("sia2", "/query"))}</code>; in TAP:
<code>ivoa.obscore</code></p>
"""


def _render_collection(collection: Collection, urls: SiteUrls, rows: int | None, mapped: bool) -> str:
    count = "not loaded" if rows is None else f"{rows:,}"
    return (
        f'<tr><td><a href="{escape(build_table_url(urls, collection.table))}">'
        f'<code>{escape(collection.table.qualified_name)}</code></a></td><td class="number">{count}</td>'
        f"<td>{escape(collection.table.title or '')}{_render_cone_link(collection, urls)}"
        f"{_render_coverage(collection, urls) if mapped else ''}{_render_notes(collection)}</td></tr>"
    )


def _render_coverage(collection: Collection, urls: SiteUrls) -> str:
    """Return the coverage of a table as a picture and as links for programs."""
    url = escape(urls.get_url("coverage", f"/{collection.id}"))
    forms = ", ".join(f'<a href="{url}.{end}">{name}</a>' for end, name in _FORMS)
    return (
        f'<a href="{url}.svg"><img class="map" src="{url}.svg" alt="The coverage on the sky" loading="lazy"/></a>'
        f'<span class="small">Coverage as MOC: {forms}</span>'
    )


_FORMS = (("fits", "FITS"), ("json", "JSON"), ("txt", "ASCII"))


def _render_notes(collection: Collection) -> str:
    items = "".join(f"<li>{_render_note(n.text, n.url)}</li>" for n in collection.notes)
    return f'<details class="small"><summary>Read before use</summary><ul>{items}</ul></details>' if items else ""


def _render_note(text: str, url: str | None) -> str:
    return f'{escape(text)} <a href="{escape(url)}">more</a>' if url else escape(text)


def _render_cone_link(collection: Collection, urls: SiteUrls) -> str:
    if collection.cone is None:
        return ""
    ra, dec, sr = collection.cone.test
    url = urls.get_url(f"cone-{collection.id}")
    query = urlencode({"RA": ra, "DEC": dec, "SR": sr})
    return f'<br/>Cone search: <code>{escape(url)}?</code> <a href="{escape(url)}?{escape(query)}">try it</a>'


def _list_table_names(catalogue: Catalogue) -> Iterable[str]:
    return (p.table.qualified_name for p in catalogue.collections)


def _write_short_query(catalogue: Catalogue) -> str:
    return f"SELECT TOP 10 * FROM {next(iter(_list_table_names(catalogue)), 'TAP_SCHEMA.tables')}"


def _write_example_query(catalogue: Catalogue) -> str:
    for collection in catalogue.collections:
        if collection.cone is not None and collection.table.position is not None:
            ra, dec, sr = collection.cone.test
            position = collection.table.position
            return (
                f"SELECT TOP 100 *\nFROM {collection.table.qualified_name}\n"
                f"WHERE 1 = CONTAINS(POINT({position.ra}, {position.dec}), CIRCLE({ra}, {dec}, {sr}))"
            )
    return _write_short_query(catalogue)

"""The page that a person sees who opens the server's address: what is here and how to begin."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.web.frame import framed
from vo_server.web.tables import address


def front(
    base: str,
    title: str,
    catalogue: Catalogue,
    rows: dict[str, int | None],
    examples: bool = False,
    mapped: frozenset[str] = frozenset(),
) -> str:
    """The front page; `base` is the server's URL, `rows` how many rows of each table are loaded.

    `examples` tells whether there is a page of them, `mapped` of which tables the coverage is known.
    """
    shown = "".join(
        _publication(p, base, rows.get(p.table.qualified), p.table.qualified in mapped) for p in catalogue.collections
    )
    body = f"""<h1>{escape(title)}</h1>
<p>A Virtual Observatory service: point TOPCAT, Aladin, STILTS or pyvo at the URLs below.</p>
<h2>Tables</h2>
<table><tr><th>Table</th><th class="number">Rows</th><th>What it is</th></tr>{shown}</table>
{_images(catalogue, base, rows)}<h2>TAP</h2>
<p>Base URL <code>{escape(base)}/tap</code>: {_links(base, examples)}</p>
<form action="{escape(base)}/tap/sync" method="get">
<p><textarea name="QUERY" rows="5" aria-label="ADQL query">{escape(_example(catalogue))}</textarea></p>
<p><input type="hidden" name="LANG" value="ADQL"/><input type="hidden" name="MAXREC" value="1000"/>
<label>Format <select name="RESPONSEFORMAT"><option value="html">Page</option><option value="text/xml">VOTable</option>
<option value="csv">CSV</option><option value="fits">FITS</option><option value="parquet">Parquet</option>
</select></label> <button>Run</button>
<button formaction="{escape(base)}/tap/explain">Explain</button>
<span class="small">at most 1,000 rows; clients may ask for more</span></p>
</form>
<p>For registries: <a href="{escape(base)}/oai?verb=ListRecords&amp;metadataPrefix=ivo_vor">the records of all this</a>
by OAI-PMH at <code>{escape(base)}/oai</code>.</p>
<h2>From Python</h2>
<pre>import pyvo
tap = pyvo.dal.TAPService("{escape(base)}/tap")
print(tap.run_sync("{escape(_short(catalogue))}").to_table())</pre>"""
    return framed(title, body, _STYLE)


_STYLE = """
input { font: inherit; padding: .1rem .4rem; border: 1px solid var(--line); border-radius: 4px; background: var(--box);
  color: inherit; max-width: 100%; }
.map { display: block; width: 15rem; max-width: 100%; margin: .4rem 0 .1rem; }
"""


def _links(base: str, examples: bool) -> str:
    names = (*(("examples",) if examples else ()), "capabilities", "tables", "availability")
    return ", ".join(f'<a href="{escape(base)}/tap/{name}">{name}</a>' for name in names)


def _images(catalogue: Catalogue, base: str, rows: dict[str, int | None]) -> str:
    """Where images are found, if there are any."""
    there = [p for p in catalogue.collections if p.images is not None and rows.get(p.table.qualified) is not None]
    if not there:
        return ""
    url = escape(base)
    services = ", ".join(f"<code>{url}/sia1/{escape(p.id)}?</code>" for p in there)
    return f"""<h2>Images</h2>
<form action="{url}/images" method="get">
<p><label>Place <input name="POS" size="30" placeholder="129.04, 19.68 or 8 36 9.6 +19 40 48"
required="required"/></label> <label>Size <input name="SIZE" size="6" value="0.1"/> degrees</label>
<button>Find images</button>
<a href="{url}/images">What there is</a></p>
</form>
<p>SIA 1.0: {services}<br/>SIA 2.0: <code>{url}/sia2/query</code>; in TAP: <code>ivoa.obscore</code></p>
"""


def _publication(publication: Collection, base: str, rows: int | None, mapped: bool) -> str:
    count = "not loaded" if rows is None else f"{rows:,}"
    return (
        f'<tr><td><a href="{escape(address(base, publication.table))}">'
        f'<code>{escape(publication.table.qualified)}</code></a></td><td class="number">{count}</td>'
        f"<td>{escape(publication.table.title or '')}{_cone(publication, base)}"
        f"{_map(publication, base) if mapped else ''}{_notes(publication)}</td></tr>"
    )


def _map(publication: Collection, base: str) -> str:
    """Where its rows lie, as a picture and for programs."""
    url = escape(f"{base}/coverage/{publication.id}")
    forms = ", ".join(f'<a href="{url}.{end}">{name}</a>' for end, name in _FORMS)
    return (
        f'<a href="{url}.svg"><img class="map" src="{url}.svg" alt="The coverage on the sky" loading="lazy"/></a>'
        f'<span class="small">Coverage as MOC: {forms}</span>'
    )


_FORMS = (("fits", "FITS"), ("json", "JSON"), ("txt", "ASCII"))


def _notes(publication: Collection) -> str:
    items = "".join(f"<li>{_note(n.text, n.url)}</li>" for n in publication.notes)
    return f'<details class="small"><summary>Read before use</summary><ul>{items}</ul></details>' if items else ""


def _note(text: str, url: str | None) -> str:
    return f'{escape(text)} <a href="{escape(url)}">more</a>' if url else escape(text)


def _cone(publication: Collection, base: str) -> str:
    if publication.cone is None:
        return ""
    ra, dec, sr = publication.cone.test
    address = f"{base}/cone/{publication.id}"
    query = urlencode({"RA": ra, "DEC": dec, "SR": sr})
    return f'<br/>Cone search: <code>{escape(address)}?</code> <a href="{escape(address)}?{escape(query)}">try it</a>'


def _tables(catalogue: Catalogue) -> Iterable[str]:
    return (p.table.qualified for p in catalogue.collections)


def _short(catalogue: Catalogue) -> str:
    return f"SELECT TOP 10 * FROM {next(iter(_tables(catalogue)), 'TAP_SCHEMA.tables')}"


def _example(catalogue: Catalogue) -> str:
    for publication in catalogue.collections:
        if publication.cone is not None and publication.table.position is not None:
            ra, dec, sr = publication.cone.test
            place = publication.table.position
            return (
                f"SELECT TOP 100 *\nFROM {publication.table.qualified}\n"
                f"WHERE 1 = CONTAINS(POINT({place.ra}, {place.dec}), CIRCLE({ra}, {dec}, {sr}))"
            )
    return _short(catalogue)

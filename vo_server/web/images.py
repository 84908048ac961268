"""The page of images: what there is of them, and which of them show a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from vo_server.web.frame import framed

_STYLE = """
body { max-width: 68rem; }
form p { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; }
form label { display: block; } form label span { display: block; }
input { font: inherit; padding: .15rem .4rem; border: 1px solid var(--line); border-radius: 4px; background: var(--box);
  color: inherit; }
input.place { width: 21rem; max-width: 100%; }
.bad { color: #b42318; font-weight: bold; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { .bad { color: #ff8a7a; } }
.wide { overflow-x: auto; }
.found td { vertical-align: middle; }
.found img { display: block; max-width: 128px; background: #000; }
.found td:first-child { width: 1%; }
.found td:nth-child(2) { min-width: 12rem; }
.found .number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.do { background: var(--link); color: var(--back); text-decoration: none; border-radius: 4px; padding: .15rem .9rem; }
td.number, .counts { white-space: nowrap; }
.map { display: block; width: 15rem; max-width: 100%; }
.look { float: right; margin: 0 0 1rem 1rem; max-width: 45%; }
.look img { display: block; max-width: 100%; max-height: 20rem; background: #000; }
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the form, and what may be chosen in it: collections by id and title, bands."""

    place: str
    size: str
    collection: str
    band: str
    collections: tuple[tuple[str, str], ...]
    bands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stock:
    """What is there of a collection: images and bytes by band, first and last night. `map` is the URL of a picture of
    its coverage, None where that is not known; `try_it` that of a page with some of its images."""

    id: str
    title: str
    counts: tuple[tuple[str, int], ...]
    size: int
    nights: tuple[date, date] | None
    caution: str | None
    map: str | None
    try_it: str | None

    @property
    def count(self) -> int:
        """All images."""
        return sum(n for _, n in self.counts)


@dataclass(frozen=True, slots=True)
class Shown:
    """An image in the table; `size` in bytes, `away` in degrees. `colour` is the URL of a picture in all bands, None
    where there are not several images to make it of."""

    title: str
    collection: str
    band: str
    ra: float
    dec: float
    away: float
    size: int | None
    thumbnail: str
    picture: str
    colour: str | None
    file: str
    links: str


@dataclass(frozen=True, slots=True)
class Table:
    """The images of a place: those that are shown, and how many there are, more than so many where `more` says so.

    `tar` is the URL of all of them in one stream, which has `packed` of them with so many bytes. `look` is the URL of a
    picture of the place, `data` are those of the table for programs, by the names of the formats.
    """

    shown: tuple[Shown, ...]
    count: int
    more: bool
    tar: str
    packed: int
    size: int
    look: str | None
    data: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]


def page(base: str, title: str, asked: Asked, stock: Sequence[Stock], table: Table | None, wrong: str | None) -> str:
    """The page; `wrong` is what is wrong with what was asked."""
    said = f'<p class="bad">{escape(wrong)}</p>' if wrong else ""
    body = f"""<h1>{escape(title)}: images</h1>
{_form(base, asked)}
{said}{_found(table) if table is not None else ""}
<h2>What there is</h2>
<div class="wide"><table><tr><th>Collection</th><th class="number">Images</th><th class="number">Bytes</th>
<th>Nights</th><th>Where</th></tr>{"".join(_stocked(s) for s in stock)}</table></div>
<p>Programs find images by SIA 1.0 at <code>{escape(base)}/sia1/COLLECTION</code>, by SIA 2.0 at
<code>{escape(base)}/sia2/query</code> and as <code>ivoa.obscore</code> in TAP.
<a href="{escape(base)}/">All that is served here</a></p>"""
    return framed(f"{title}: images", body, _STYLE)


def _form(base: str, asked: Asked) -> str:
    collections = _options([("", "all"), *asked.collections], asked.collection)
    bands = _options([("", "all"), *((b, b) for b in asked.bands)], asked.band)
    return f"""<form action="{escape(base)}/images" method="get">
<p><label><span>Place (ICRS)</span><input class="place" name="POS" value="{escape(asked.place)}"
placeholder="129.04, 19.68 or 8 36 9.6 +19 40 48" required="required"/></label>
<label><span>Size (degrees)</span><input name="SIZE" value="{escape(asked.size)}" size="8"/></label>
<label><span>Collection</span><select name="COLLECTION">{collections}</select></label>
<label><span>Band</span><select name="BAND">{bands}</select></label>
<button>Find</button></p>
<p class="small">A place may also be CIRCLE lon lat radius, RANGE lon1 lon2 lat1 lat2 or POLYGON lon lat lon lat ..., in
degrees; size is then of no account.</p>
</form>"""


def _options(known: Sequence[tuple[str, str]], chosen: str) -> str:
    return "".join(
        f'<option value="{escape(value)}"{_SELECTED if value == chosen else ""}>{escape(said)}</option>'
        for value, said in known
    )


_SELECTED = ' selected="selected"'


def _found(table: Table) -> str:
    if not table.count:
        return "<h2>Nothing found</h2><p>No image meets this place.</p>"
    number = f"more than {table.count:,}" if table.more else f"{table.count:,}"
    heading = f"<h2>{number} image{'' if number == '1' else 's'}</h2>"
    look = (
        f'<a class="look" href="{escape(table.look)}"><img src="{escape(table.look)}" alt="The place"/></a>'
        if table.look
        else ""
    )
    data = " ".join(f'<a href="{escape(url)}">{escape(name)}</a>' for name, url in table.data)
    few = len(table.shown) < table.count
    first = f"<p>These are the {len(table.shown)} nearest to the middle of the place.</p>" if few else ""
    cautions = "".join(f"<p>{escape(said)}</p>" for said in table.cautions)
    rows = "".join(_row(shown) for shown in table.shown)
    return f"""{heading}
{look}<p><a class="do" href="{escape(table.tar)}">Download {_packed(table)}</a>
<span class="small">files and a manifest in one tar stream</span></p>
{f"<p>The table for programs: {data}</p>" if data else ""}{cautions}{first}
<div class="wide"><table class="found"><tr><th></th><th>Image</th><th>Band</th><th class="number">RA, Dec</th>
<th class="number">Away</th><th class="number">Bytes</th></tr>{rows}</table></div>"""


def _packed(table: Table) -> str:
    size = f", {_bytes(table.size)}"
    if table.packed < table.count or table.more:
        return f"the {table.packed:,} nearest{size} - as many as one stream may have"
    return f"all {table.packed:,}{size}" if table.packed > 1 else f"it{size}"


def _row(shown: Shown) -> str:
    colour = f', <a href="{escape(shown.colour)}">in colour</a>' if shown.colour else ""
    size = "" if shown.size is None else _bytes(shown.size)
    return (
        f'<tr><td><a href="{escape(shown.picture)}"><img src="{escape(shown.thumbnail)}" loading="lazy"'
        f' alt="{escape(shown.title)}"/></a></td>'
        f'<td>{escape(shown.title)}<br/><a href="{escape(shown.file)}">FITS</a>,'
        f' <a href="{escape(shown.picture)}">picture</a>{colour}, <a href="{escape(shown.links)}">links</a></td>'
        f'<td>{escape(shown.band)}</td><td class="number">{shown.ra:.5f}, {shown.dec:+.5f}</td>'
        f'<td class="number">{60 * shown.away:.1f}&#8242;</td><td class="number">{size}</td></tr>'
    )


def _stocked(stock: Stock) -> str:
    counts = ", ".join(f"{band} {n:,}" for band, n in stock.counts) if len(stock.counts) > 1 else ""
    nights = " to ".join(map(str, dict.fromkeys(stock.nights or ())))
    look = _map(stock.map) if stock.map else ""
    try_it = f'<br/><a href="{escape(stock.try_it)}">Show some</a>' if stock.try_it else ""
    caution = f'<br/><span class="small">{escape(stock.caution)}</span>' if stock.caution else ""
    small = f'<br/><span class="small">{escape(counts)}</span>' if counts else ""
    return (
        f"<tr><td>{escape(stock.title)}<br/><code>{escape(stock.id)}</code>{caution}{try_it}</td>"
        f'<td class="number">{stock.count:,}{small}</td><td class="number">{_bytes(stock.size)}</td>'
        f"<td>{nights}</td><td>{look}</td></tr>"
    )


def _map(url: str) -> str:
    return f'<a href="{escape(url)}"><img class="map" src="{escape(url)}" alt="Coverage" loading="lazy"/></a>'


def _bytes(size: int) -> str:
    """With three digits and a prefix of SI."""
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{number:.3g} {unit}"

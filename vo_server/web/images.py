"""The page of images: a summary of each collection, and a search by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from vo_server.model.urls import SiteUrls
from vo_server.web.frame import render_page

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
class ImageSearchForm:
    """The search form: its current values and its choices, collections as (id, title) and bands."""

    position: str
    size: str
    collection: str
    band: str
    collections: tuple[tuple[str, str], ...]
    bands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CollectionEntry:
    """A summary of a collection: images by band, total size in bytes, first and last night.

    `map_url` is the picture of its coverage, None if that is unknown; `sample_url` a page with some of its images.
    """

    id: str
    title: str
    counts: tuple[tuple[str, int], ...]
    size: int
    nights: tuple[date, date] | None
    caution: str | None
    map_url: str | None
    sample_url: str | None

    @property
    def count(self) -> int:
        """Return the number of images in all bands."""
        return sum(n for _, n in self.counts)


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image in the table of results; `size` in bytes, position and `distance` in degrees.

    `colour_url` is a picture in all bands, None without images in several bands.
    """

    title: str
    collection: str
    band: str
    ra: float
    dec: float
    distance: float
    size: int | None
    thumbnail_url: str
    picture_url: str
    colour_url: str | None
    file_url: str
    links_url: str


@dataclass(frozen=True, slots=True)
class ImageSearchResult:
    """The images around a position: those on the page, and the number of all; if `is_truncated`, there are more.

    `tar_url` is the tar stream of the first `tar_count` images, which have `tar_bytes` bytes. `picture_url` is a
    picture of the position, `table_urls` are (format, URL) of the same table for programs.
    """

    images: tuple[ImageEntry, ...]
    count: int
    is_truncated: bool
    tar_url: str
    tar_count: int
    tar_bytes: int
    picture_url: str | None
    table_urls: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]


def render_images(
    urls: SiteUrls,
    title: str,
    form: ImageSearchForm,
    collections: Sequence[CollectionEntry],
    result: ImageSearchResult | None,
    error: str | None,
) -> str:
    """Return the page; `error` is the message about an invalid search."""
    message = f'<p class="bad">{escape(error)}</p>' if error else ""
    body = f"""<h1>{escape(title)}: images</h1>
{_render_form(urls, form)}
{message}{_render_result(result) if result is not None else ""}
<h2>Collections</h2>
<div class="wide"><table><tr><th>Collection</th><th class="number">Images</th><th class="number">Bytes</th>
<th>Nights</th><th>Coverage</th></tr>{"".join(_render_entry(s) for s in collections)}</table></div>
<p>Programs find images by SIA 1.0 at <code>{escape(urls.base)}/sia1/COLLECTION</code>, by SIA 2.0 at
<code>{escape(urls.get_url("sia2", "/query"))}</code> and as <code>ivoa.obscore</code> in TAP.
<a href="{escape(urls.base)}/">Front page</a>,
<a href="{escape(urls.get_url("docs", "/images"))}">documentation</a></p>"""
    return render_page(f"{title}: images", body, _STYLE)


def _render_form(urls: SiteUrls, form: ImageSearchForm) -> str:
    collections = _render_options([("", "all"), *form.collections], form.collection)
    bands = _render_options([("", "all"), *((b, b) for b in form.bands)], form.band)
    return f"""<form action="{escape(urls.get_url("gallery"))}" method="get">
<p><label><span>Position (ICRS)</span><input class="place" name="POS" value="{escape(form.position)}"
placeholder="129.04, 19.68 or 8 36 9.6 +19 40 48" required="required"/></label>
<label><span>Size (degrees)</span><input name="SIZE" value="{escape(form.size)}" size="8"/></label>
<label><span>Collection</span><select name="COLLECTION">{collections}</select></label>
<label><span>Band</span><select name="BAND">{bands}</select></label>
<button>Find</button></p>
<p class="small">The position may also be CIRCLE lon lat radius, RANGE lon1 lon2 lat1 lat2 or
POLYGON lon lat lon lat ..., in degrees; these ignore the size.</p>
</form>"""


def _render_options(choices: Sequence[tuple[str, str]], chosen: str) -> str:
    return "".join(
        f'<option value="{escape(value)}"{_SELECTED if value == chosen else ""}>{escape(label)}</option>'
        for value, label in choices
    )


_SELECTED = ' selected="selected"'


def _render_result(result: ImageSearchResult) -> str:
    if not result.count:
        return "<h2>Nothing found</h2><p>No image overlaps this region.</p>"
    number = f"more than {result.count:,}" if result.is_truncated else f"{result.count:,}"
    heading = f"<h2>{number} image{'' if number == '1' else 's'}</h2>"
    picture = _render_picture(result.picture_url) if result.picture_url else ""
    formats = " ".join(f'<a href="{escape(url)}">{escape(name)}</a>' for name, url in result.table_urls)
    few = len(result.images) < result.count
    first = f"<p>These are the {len(result.images)} nearest to the centre of the region.</p>" if few else ""
    cautions = "".join(f"<p>{escape(caution)}</p>" for caution in result.cautions)
    rows = "".join(map(_render_image, result.images))
    return f"""{heading}
{picture}<p><a class="do" href="{escape(result.tar_url)}">Download {_label_tar_link(result)}</a>
<span class="small">files and a manifest in one tar stream</span></p>
{f"<p>This table for programs: {formats}</p>" if formats else ""}{cautions}{first}
<div class="wide"><table class="found"><tr><th></th><th>Image</th><th>Band</th><th class="number">RA, Dec</th>
<th class="number">Distance</th><th class="number">Bytes</th></tr>{rows}</table></div>"""


def _render_picture(url: str) -> str:
    return f'<a class="look" href="{escape(url)}"><img src="{escape(url)}" alt="The region"/></a>'


def _label_tar_link(result: ImageSearchResult) -> str:
    size = f", {_format_bytes(result.tar_bytes)}"
    if result.tar_count < result.count or result.is_truncated:
        return f"the {result.tar_count:,} nearest{size} (the limit of a stream)"
    return f"all {result.tar_count:,}{size}" if result.tar_count > 1 else f"it{size}"


def _render_image(image: ImageEntry) -> str:
    colour = f', <a href="{escape(image.colour_url)}">in colour</a>' if image.colour_url else ""
    size = "" if image.size is None else _format_bytes(image.size)
    return (
        f'<tr><td><a href="{escape(image.picture_url)}"><img src="{escape(image.thumbnail_url)}" loading="lazy"'
        f' alt="{escape(image.title)}"/></a></td>'
        f'<td>{escape(image.title)}<br/><a href="{escape(image.file_url)}">FITS</a>,'
        f' <a href="{escape(image.picture_url)}">picture</a>{colour},'
        f' <a href="{escape(image.links_url)}">links</a></td>'
        f'<td>{escape(image.band)}</td><td class="number">{image.ra:.5f}, {image.dec:+.5f}</td>'
        f'<td class="number">{60 * image.distance:.1f}&#8242;</td><td class="number">{size}</td></tr>'
    )


def _render_entry(collection: CollectionEntry) -> str:
    counts = ", ".join(f"{band} {n:,}" for band, n in collection.counts) if len(collection.counts) > 1 else ""
    nights = " to ".join(map(str, dict.fromkeys(collection.nights or ())))
    coverage = _render_map(collection.map_url) if collection.map_url else ""
    sample = f'<br/><a href="{escape(collection.sample_url)}">Show some</a>' if collection.sample_url else ""
    caution = f'<br/><span class="small">{escape(collection.caution)}</span>' if collection.caution else ""
    small = f'<br/><span class="small">{escape(counts)}</span>' if counts else ""
    return (
        f"<tr><td>{escape(collection.title)}<br/><code>{escape(collection.id)}</code>{caution}{sample}</td>"
        f'<td class="number">{collection.count:,}{small}</td><td class="number">{_format_bytes(collection.size)}</td>'
        f"<td>{nights}</td><td>{coverage}</td></tr>"
    )


def _render_map(url: str) -> str:
    return f'<a href="{escape(url)}"><img class="map" src="{escape(url)}" alt="Coverage" loading="lazy"/></a>'


def _format_bytes(size: int) -> str:
    """Return a size in bytes with three digits and an SI prefix."""
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{number:.3g} {unit}"

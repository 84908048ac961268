"""The front page: it offers what is loaded, and escapes every text."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import html

from vo_server.assembly import load_site_catalogue
from vo_server.catalogue.catalogue import Catalogue
from vo_server.protocols import make_site_urls
from vo_server.settings import Settings
from vo_server.web import pages

BASE = "https://vo.example.org/sky"
IMAGES = [[f"twomass.{name}", "not loaded"] for name in ("atlas", "quicklook", "stamps")]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_site_catalogue(Settings())


def test_shows_tables_with_their_rows(catalogue: Catalogue) -> None:
    page = html.fromstring(
        pages.render_front_page(make_site_urls(BASE, catalogue), "Sky", catalogue, {"twomass.psc": 470_992_970})
    )
    rows = [[cell.text_content() for cell in row[:2]] for row in page.iter("tr")]
    assert rows == [["Table", "Rows"], ["twomass.psc", "470,992,970"], ["twomass.xsc", "not loaded"], *IMAGES]


def test_links_are_below_the_base(catalogue: Catalogue) -> None:
    page = html.fromstring(pages.render_front_page(make_site_urls(BASE, catalogue), "Sky", catalogue, {}))
    links = [a.get("href") for a in page.iter("a") if not a.get("href").startswith("https://irsa.")]
    tables = {link for link in links if link.startswith(f"{BASE}/table/")}
    assert tables == {f"{BASE}/table/{p.table.qualified_name}" for p in catalogue.collections}
    assert {link.partition("?")[0] for link in links if link not in tables} == {
        f"{BASE}/{path}"
        for path in ("docs", "tap/capabilities", "tap/tables", "tap/availability", "cone/psc", "cone/xsc", "oai")
    }
    cone = next(urlsplit(link) for link in links if "cone/psc" in link)
    assert parse_qs(cone.query) == {"RA": ["266.41683"], "DEC": ["-29.00781"], "SR": ["0.1"]}


def test_form_queries_tap(catalogue: Catalogue) -> None:
    form = html.fromstring(pages.render_front_page(make_site_urls(BASE, catalogue), "Sky", catalogue, {})).forms[0]
    assert (form.action, form.method) == (f"{BASE}/tap/sync", "GET")
    assert dict(form.fields) == {
        "QUERY": "SELECT TOP 100 *\nFROM twomass.psc\n"
        "WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(266.41683, -29.00781, 0.1))",
        "LANG": "ADQL",
        "MAXREC": "1000",
        "RESPONSEFORMAT": "html",
    }


def test_shows_image_search_only_with_images(catalogue: Catalogue) -> None:
    page = html.fromstring(
        pages.render_front_page(
            make_site_urls(BASE, catalogue), "Sky", catalogue, {"twomass.atlas": 18, "twomass.stamps": None}
        )
    )
    form = page.forms[0]
    assert (form.action, form.method, dict(form.fields)) == (f"{BASE}/images", "GET", {"POS": None, "SIZE": "0.1"})
    codes = [code.text for code in page.iter("code")]
    assert f"{BASE}/sia1/atlas?" in codes
    assert f"{BASE}/sia1/stamps?" not in codes
    assert "/images" not in pages.render_front_page(make_site_urls(BASE, catalogue), "Sky", catalogue, {})


def test_front_page_without_collections(catalogue: Catalogue) -> None:
    page = pages.render_front_page(make_site_urls(BASE, catalogue), "Sky", replace(catalogue, collections=()), {})
    assert "SELECT TOP 10 * FROM TAP_SCHEMA.tables" in page


def test_texts_are_escaped(catalogue: Catalogue) -> None:
    page = pages.render_front_page(
        make_site_urls('https://x/"><script>', catalogue), "<b>Sky</b> & more", catalogue, {}
    )
    assert "<script>" not in page
    assert "<title>&lt;b&gt;Sky&lt;/b&gt; &amp; more</title>" in page

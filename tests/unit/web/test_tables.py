"""The page of a table: every column, with what is statistics of its values."""

from __future__ import annotations

from dataclasses import replace

from lxml import html

from vo_server.assembly import load_site_catalogue
from vo_server.model.statistics import Statistic, format_range
from vo_server.model.urls import SiteUrls
from vo_server.settings import Settings
from vo_server.web import tables

BASE = "https://vo.example.org/sky"
URLS = SiteUrls(BASE, {"page": ""})


def test_shows_values_of_each_column() -> None:
    table = load_site_catalogue(Settings()).get_collection("psc").table
    statistics = {"j_m": Statistic(-5.25, 18.5, 117), "hemis": Statistic(None, None, 0, ("n", "s"))}
    page = html.fromstring(tables.render_table(URLS, table, 1_000, statistics))
    rows = {row[0][0].text: [cell.text_content() for cell in row[1:]] for row in page.iter("tr") if row[0].tag == "td"}
    assert list(rows) == [f'"{c.name}"' if c.name == "date" else c.name for c in table.columns]
    assert rows["j_m"] == [
        "REAL",
        "mag",
        "phot.mag;em.IR.J",
        table.get_column("j_m").description,
        "-5.25 to 18.5",
        "117",
    ]
    assert rows["hemis"][-2:] == ["n, s", "0"]
    assert rows["designation"][-2:] == ["", ""]
    assert "(1,000 rows)" in page.text_content()


def test_texts_are_escaped() -> None:
    table = load_site_catalogue(Settings()).get_collection("psc").table
    odd = replace(table, title="<b>&", description="<script>", columns=(table.columns[0].replace(description="<i>"),))
    page = tables.render_table(URLS, odd, None, {"ra": Statistic(None, None, 0, ("<u>",))})
    assert not any(f"<{tag}>" in page for tag in ("b", "script", "i", "u"))


def test_shows_range_of_many_values() -> None:
    assert format_range(Statistic(0, 11, 0, tuple(range(12)))) == "0 to 11"
    assert format_range(Statistic(0, 1, 0, (0, 1))) == "0, 1"
    assert format_range(Statistic(None, None, 5, ())) == ""
    assert format_range(Statistic(None, None, 0, (False, True))) == "false, true"

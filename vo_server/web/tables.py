"""The page of a table: its columns and the statistics of their values."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import quote as in_url

from vo_server.catalogue.names import quote_name, quote_table_name
from vo_server.model.column import Column, Table
from vo_server.model.statistics import Statistic, format_range
from vo_server.model.urls import SiteUrls
from vo_server.web.frame import render_page


def build_table_url(urls: SiteUrls, table: Table) -> str:
    """Return the URL of a table's page."""
    return urls.get_url("page", f"/table/{in_url(table.qualified_name)}")


def render_table(urls: SiteUrls, table: Table, rows: int | None, statistics: Mapping[str, Statistic]) -> str:
    """Return the page of a table; `rows` the number of loaded rows, None if unloaded."""
    count = "not loaded" if rows is None else f"{rows:,} rows"
    column_rows = "".join(_render_column(c, c.name == table.identifier, statistics.get(c.name)) for c in table.columns)
    body = f"""<p class="small"><a href="{escape(urls.base)}/">All tables</a></p>
<h1><code>{escape(quote_table_name(table))}</code></h1>
<p>{escape(table.title or "")} ({count})</p>
<p>{escape(table.description or "")}</p>
<div class="wide"><table><tr><th>Column</th><th>Type</th><th>Unit</th><th>UCD</th><th>Description</th>
<th>Values</th><th class="number">Missing</th></tr>{column_rows}</table></div>"""
    return render_page(table.qualified_name, body, _STYLE)


_STYLE = """
body { max-width: 80rem; }
.wide { overflow-x: auto; }
"""


def _render_column(column: Column, is_identifier: bool, statistic: Statistic | None) -> str:
    marks = [word for word, holds in (("identifier", is_identifier), ("indexed", column.indexed)) if holds]
    note = f'<br/><span class="small">{", ".join(marks)}</span>' if marks else ""
    cells = (
        escape(column.adql_type),
        escape(column.unit or ""),
        escape(column.ucd or ""),
        escape(column.description or ""),
    )
    values = escape(format_range(statistic)) if statistic else ""
    missing = "" if statistic is None else f"{statistic.nulls:,}"
    return (
        f"<tr><td><code>{escape(quote_name(column.name))}</code>{note}</td>{''.join(f'<td>{c}</td>' for c in cells)}"
        f'<td>{values}</td><td class="number">{missing}</td></tr>'
    )

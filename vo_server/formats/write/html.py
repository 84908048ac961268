"""Write a web page: the rows as a table, descriptions of the columns, and links to the result in other formats.

A page shows the first rows only. The status at its end (more rows, an error) is displayed at its top by a style.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import ServiceError
from vo_server.formats.arrays import buffer_chunks, cast_to_columns, split_blocks
from vo_server.formats.format import Format
from vo_server.formats.write.delimited import SPELLING
from vo_server.formats.write.status import code_infos, failure_infos, overflow_info
from vo_server.formats.write.tabledata import escape_texts
from vo_server.formats.write.value_text import format_columns, format_values, join_rows, text_scalar
from vo_server.model.column import Column
from vo_server.model.result import Info, Result

MEDIA_TYPE = "text/html"

MAX_ROWS = 2_000
"""Rows that a page shows."""

_BEGIN = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --back: #fff; --line: #d8dce1; --head: #f3f4f6; --small: #57606a; --bad: #b42318; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --back: #14171a; --line: #3a4047; --head: #22272c; --small: #9aa4ad; --bad: #ff8a7a; }}
}}
body {{ display: flex; flex-direction: column; margin: 1rem; background: var(--back);
  font: 15px/1.4 system-ui, sans-serif; }}
h1 {{ order: -3; margin: 0; font-size: 1.3rem; }}
.about {{ order: -2; color: var(--small); }}
.status {{ order: -1; }}
.bad {{ color: var(--bad); font-weight: bold; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0; }}
.rows {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .15rem .6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }}
td {{ max-width: 30rem; overflow: hidden; text-overflow: ellipsis; }}
th {{ position: sticky; top: 0; background: var(--head); vertical-align: top; }}
th small {{ display: block; font-weight: normal; color: var(--small); }}
.n {{ text-align: right; }}
</style>
</head>
<body>
<h1>{title}</h1>
"""

_END = "</body>\n</html>\n"


def _write(result: Result, linked: Sequence[Format]) -> Iterator[bytes]:
    yield (
        _BEGIN.format(title=escape(result.title or "result"))
        + _query_and_links(result, linked)
        + _table_head(result.columns)
    ).encode()
    yield from buffer_chunks(_write_body(result))


def _write_body(result: Result) -> Iterator[bytes]:
    rows, status = 0, None
    codes: list[Info] = []
    try:
        for batch in result.batches:
            for block in split_blocks(batch):
                shown = block.slice(0, MAX_ROWS - rows)
                rows += shown.num_rows
                yield _format_rows(shown, result.columns)
                if shown.num_rows < block.num_rows:
                    status = f"These are the first {rows:,} rows; there are more. The links lead to all of them."
                    break
            if status:
                break
    except Exception as error:  # noqa: BLE001 - border: the page has begun, its end is the place left to say so
        result.failure, (failure, *codes) = error, failure_infos(error)
        status = failure.text
    else:
        status = status or (overflow_info(rows).text if result.overflow else None)
    line = f'<p class="status bad">{escape(status)}</p>' if status else f'<p class="status">{_format_count(rows)}</p>'
    yield f"</tbody></table></div>\n{line}\n{_format_infos(codes)}{_END}".encode()


def _format_count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _format_rows(block: pa.RecordBatch, columns: tuple[Column, ...]) -> bytes:
    texts = zip(format_columns(cast_to_columns(block, columns), columns, _format_cells), columns, strict=True)
    cells = [_link_urls(text) if column.ucd in _URL_UCDS else text for text, column in texts]
    return join_rows(cells, "<tr><td>", "<td>", "\n")


def _format_cells(array: pa.Array, column: Column) -> pa.Array:
    text = format_values(array, column, SPELLING)
    return escape_texts(text) if column.type.family == "text" else text


_URL_UCDS = ("meta.ref.url", "VOX:Image_AccessReference")
"""UCDs of columns whose URLs become links."""


def _link_urls(text: pa.Array) -> pa.Array:
    """Return URLs as links; other texts stay as they are."""
    begin, middle = text_scalar('<a href="'), text_scalar('">')
    links = pc.binary_join_element_wise(begin, text, middle, text, text_scalar("</a>"), text_scalar(""))
    return pc.if_else(pc.match_substring_regex(text, r'^https?://[^\s"<>]+$'), links, text)


def _table_head(columns: tuple[Column, ...]) -> str:
    styles = "".join(f"td:nth-child({n})," for n, c in enumerate(columns, 1) if c.type.is_numeric)
    right = f"<style>{styles[:-1]} {{ text-align: right; }}</style>\n" if styles else ""
    names = "".join(map(_column_head, columns))
    return f'{right}<div class="rows"><table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n'


def _column_head(column: Column) -> str:
    title = " - ".join(filter(None, (column.description, column.ucd)))
    kind = ' class="n"' if column.type.is_numeric else ""
    return f'<th{kind} title="{escape(title)}">{escape(column.name)}<small>{escape(column.unit or "")}</small></th>'


def _query_and_links(result: Result, linked: Sequence[Format]) -> str:
    infos = {info.name: info.value for info in result.infos}
    query = f"<pre>{escape(infos['query'])}</pre>" if "query" in infos else ""
    urls = ((_url_in_format(infos, format.family[0]), format.page_label) for format in linked)
    links = [f'<a href="{escape(url)}">{label}</a>' for url, label in urls if url]
    return f'<div class="about">{query}{" ".join(links)}</div>\n'


def _url_in_format(infos: dict[str, str], responseformat: str) -> str | None:
    """Return the URL of the same result in another format; None where it is unknown."""
    url = urlsplit(infos.get("request", ""))
    parameters = parse_qsl(url.query, keep_blank_values=True)
    if url.scheme not in ("http", "https") or "upload" in infos:
        return None
    if not parameters and "query" not in infos:
        return None
    parameters = parameters or [("LANG", "ADQL"), ("QUERY", infos["query"])]
    others = [pair for pair in parameters if pair[0].upper() not in ("RESPONSEFORMAT", "FORMAT")]
    return urlunsplit(url._replace(query=urlencode([*others, ("RESPONSEFORMAT", responseformat)], quote_via=quote)))


def _error_page(error: ServiceError, infos: Sequence[Info] = ()) -> bytes:
    title = error.code.meaning
    return render_page(
        title, f'<pre class="bad">{escape(str(error))}</pre>\n{_format_infos((*infos, *code_infos(error)))}'
    )


def _format_infos(infos: Sequence[Info]) -> str:
    return "".join(f'<p class="about">{escape(info.name)}: {escape(info.value)}</p>\n' for info in infos)


def render_page(title: str, body: str) -> bytes:
    """Return a whole page in the style of results."""
    return f"{_BEGIN.format(title=escape(title))}{body}{_END}".encode()


def html_format(linked: Sequence[Format]) -> Format:
    """Return the format of web pages, which link to the same result in other formats."""
    return Format(
        name="html",
        label="HTML, a page for people",
        media_type=MEDIA_TYPE,
        extension="html",
        write=partial(_write, linked=linked),
        error_document=_error_page,
        error_media_type=MEDIA_TYPE,
        family=("html", MEDIA_TYPE),
        parameters=(("charset", ("utf-8",)),),
    )

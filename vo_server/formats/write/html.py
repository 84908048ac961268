"""A page for people: the rows as a table, what each column is, and links to the same answer as data.

A page shows the first rows only. What it has to say at its end (more rows, a fault) a style puts at its top.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import ServiceError
from vo_server.formats.arrays import blocks, conform, gather
from vo_server.formats.format import Format
from vo_server.formats.write.cells import each, joined, literal, spelled
from vo_server.formats.write.tabledata import escaped
from vo_server.formats.write.text import WORDS
from vo_server.formats.write.votable import code_infos, failed, overflow
from vo_server.model.column import Column
from vo_server.model.result import Info, Result

MEDIA_TYPE = "text/html"

MOST = 2_000
"""Rows of a page."""

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


def _write(result: Result) -> Iterator[bytes]:
    yield (_BEGIN.format(title=escape(result.title or "result")) + _about(result) + _head(result.columns)).encode()
    yield from gather(_body(result))


def _body(result: Result) -> Iterator[bytes]:
    rows, status = 0, None
    try:
        for batch in result.batches:
            for block in blocks(batch):
                shown = block.slice(0, MOST - rows)
                rows += shown.num_rows
                yield _rows(shown, result.columns)
                if shown.num_rows < block.num_rows:
                    status = f"These are the first {rows:,} rows; there are more. The links lead to all of them."
                    break
            if status:
                break
    except Exception as error:  # noqa: BLE001 - border: the page has begun, its end is the place left to say so
        result.failure, status = error, failed(error).text
    else:
        status = status or (overflow(rows).text if result.overflow else None)
    said = f'<p class="status bad">{escape(status)}</p>' if status else f'<p class="status">{_counted(rows)}</p>'
    yield f"</tbody></table></div>\n{said}\n{_END}".encode()


def _counted(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _rows(block: pa.RecordBatch, columns: tuple[Column, ...]) -> bytes:
    texts = zip(each(conform(block, columns), columns, _cells), columns, strict=True)
    cells = [_linked(text) if column.ucd in _URLS else text for text, column in texts]
    return joined(cells, "<tr><td>", "<td>", "\n")


def _cells(array: pa.Array, column: Column) -> pa.Array:
    text = spelled(array, column, WORDS)
    return escaped(text) if column.type.family == "text" else text


_URLS = ("meta.ref.url", "VOX:Image_AccessReference")
"""UCDs of what may be followed."""


def _linked(text: pa.Array) -> pa.Array:
    """URLs as links; whatever else stands there stays as it is."""
    begin, middle = literal('<a href="'), literal('">')
    links = pc.binary_join_element_wise(begin, text, middle, text, literal("</a>"), literal(""))
    return pc.if_else(pc.match_substring_regex(text, r'^https?://[^\s"<>]+$'), links, text)


def _head(columns: tuple[Column, ...]) -> str:
    styles = "".join(f"td:nth-child({n})," for n, c in enumerate(columns, 1) if c.type.numeric)
    right = f"<style>{styles[:-1]} {{ text-align: right; }}</style>\n" if styles else ""
    names = "".join(map(_column, columns))
    return f'{right}<div class="rows"><table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n'


def _column(column: Column) -> str:
    said = " - ".join(filter(None, (column.description, column.ucd)))
    kind = ' class="n"' if column.type.numeric else ""
    return f'<th{kind} title="{escape(said)}">{escape(column.name)}<small>{escape(column.unit or "")}</small></th>'


def _about(result: Result) -> str:
    said = {info.name: info.value for info in result.infos}
    query = f"<pre>{escape(said['query'])}</pre>" if "query" in said else ""
    names = {"votable": "VOTable", "csv": "CSV", "fits": "FITS", "json": "JSON", "parquet": "Parquet"}
    links = [f'<a href="{escape(url)}">{label}</a>' for name, label in names.items() if (url := _again(said, name))]
    return f'<div class="about">{query}{" ".join(links)}</div>\n'


def _again(said: dict[str, str], responseformat: str) -> str | None:
    """The URL of the same answer in another format; None where it cannot be told."""
    url = urlsplit(said.get("request", ""))
    given = parse_qsl(url.query, keep_blank_values=True)
    if url.scheme not in ("http", "https") or "upload" in said:
        return None
    if not given and "query" not in said:
        return None
    given = given or [("LANG", "ADQL"), ("QUERY", said["query"])]
    kept = [pair for pair in given if pair[0].upper() not in ("RESPONSEFORMAT", "FORMAT")]
    return urlunsplit(url._replace(query=urlencode([*kept, ("RESPONSEFORMAT", responseformat)], quote_via=quote)))


def _fault(fault: ServiceError, infos: Sequence[Info] = ()) -> bytes:
    title = fault.dali_name
    told = "".join(
        f'<p class="about">{escape(info.name)}: {escape(info.value)}</p>\n' for info in (*infos, *code_infos(fault))
    )
    return page(title, f'<pre class="bad">{escape(str(fault))}</pre>\n{told}')


def page(title: str, body: str) -> bytes:
    """A whole page in this style."""
    return f"{_BEGIN.format(title=escape(title))}{body}{_END}".encode()


HTML = Format(
    name="html",
    label="HTML, a page for people",
    media_type=MEDIA_TYPE,
    extension="html",
    write=_write,
    fault=_fault,
    fault_type=MEDIA_TYPE,
    family=("html", MEDIA_TYPE),
    parameters=(("charset", ("utf-8",)),),
)

"""The documentation that users read, served at /docs and in README.md: its commands, queries and programs run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree, html

from tests.conftest import Server
from vo_server.adql.semantics.functions import FUNCTIONS
from vo_server.adql.semantics.udfs import UDF_FORMS
from vo_server.errors import Code
from vo_server.formats import FORMATS
from vo_server.protocols.documentation import collect_values
from vo_server.settings import Settings
from vo_server.site import open_site
from vo_server.web.documentation import PAGES, find_placeholders

ROOT = Path(__file__).resolve().parents[2]
MANUALS = ("README.md", "deploy/README.md")
SHELL = 'curl() { command curl -sS --fail --retry 9 --retry-delay 1 --retry-all-errors "$@"; }\n'
"""A job may not be complete when its result is fetched: then curl repeats the request."""


def _address(page: str) -> str:
    return "/docs" if page == "index" else f"/docs/{page}"


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def _documents(url: str) -> Iterator[tuple[str, str]]:
    """Return name and Markdown of each document with the address of the server in its place."""
    for page in PAGES:
        yield page, httpx.get(f"{url}{_address(page)}?raw").raise_for_status().text
    for path in MANUALS:
        yield path, (ROOT / path).read_text(encoding="utf-8").replace("http://127.0.0.1:8000", url)


@pytest.fixture(scope="module")
def documents(server: Server) -> dict[str, str]:
    return dict(_documents(server.url))


def _document(client: httpx.Client, page: str) -> Any:
    return html.fromstring(client.get(_address(page)).raise_for_status().text)


# ------------------------------------------------------------- examples


@pytest.mark.parametrize("name", [*PAGES, *MANUALS])
def test_shell_commands_run(name: str, documents: dict[str, str], server: Server, tmp_path: Path) -> None:
    blocks = [block for block in _blocks(documents[name], "sh") if re.search(r"\b(curl|stilts) ", block)]
    for block in blocks:
        if "stilts" in block and shutil.which("stilts") is None:
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", SHELL + block], cwd=tmp_path, capture_output=True, timeout=180
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]!r}\n{done.stderr[-2000:]!r}"
        assert done.stdout or any(tmp_path.iterdir()), block


@pytest.mark.parametrize("name", [*PAGES, *MANUALS])
def test_queries_run(name: str, documents: dict[str, str], server: Server) -> None:
    for query in _blocks(documents[name], "sql"):
        sent = {"LANG": "ADQL", "QUERY": query, "MAXREC": "5"}
        response = httpx.post(f"{server.url}/tap/sync", data=sent, timeout=60)
        assert response.status_code == 200, f"{query}\n{response.text}"


@pytest.mark.parametrize("name", [*PAGES, *MANUALS])
def test_python_runs(name: str, documents: dict[str, str]) -> None:
    for program in _blocks(documents[name], "python"):
        if "astroquery" in program:
            pytest.importorskip("astroquery")
        exec(compile(program, name, "exec"), {})


def test_kinds_of_blocks_are_known(documents: dict[str, str]) -> None:
    kinds = {kind for text in documents.values() for kind in re.findall(r"^ *```(\w+)$", text, flags=re.MULTILINE)}
    assert kinds <= {"sh", "sql", "python", "toml", "js", "text"}


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize("page", PAGES)
def test_page_is_well_formed(page: str, client: httpx.Client) -> None:
    response = client.get(_address(page))
    assert response.headers["content-type"] == "text/html;charset=utf-8"
    root = etree.fromstring(response.content)
    assert root.findtext("{*}body/{*}h1")
    unchanged = client.get(_address(page), headers={"If-None-Match": response.headers["etag"]})
    assert unchanged.status_code == 304


@pytest.mark.parametrize("page", PAGES)
def test_page_is_served_as_markdown(page: str, client: httpx.Client) -> None:
    raw = client.get(_address(page), params={"raw": ""})
    assert raw.headers["content-type"] == "text/markdown;charset=utf-8"
    assert raw.text.startswith("# ")
    assert client.get(_address(page), headers={"Accept": "text/markdown"}).text == raw.text
    assert client.get(f"/docs/{page}.md").text == raw.text


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str, client: httpx.Client) -> None:
    base = str(client.base_url).rstrip("/")
    for address in {a.get("href") for a in _document(client, page).iter("a")}:
        if not address.startswith(base):
            continue
        response = client.get(address)
        assert response.status_code == 200, address
        anchor = address.partition("#")[2]
        assert not anchor or html.fromstring(response.text).get_element_by_id(anchor) is not None, address


def test_front_page_leads_to_the_documentation(client: httpx.Client) -> None:
    links = [a.get("href") for a in html.fromstring(client.get("/").text).iter("a")]
    assert f"{str(client.base_url).rstrip('/')}/docs" in links


def test_rejects_unknown_page(client: httpx.Client) -> None:
    response = client.get("/docs/adlq")
    assert response.status_code == 404
    assert response.headers["vo-error-code"] == Code.REQUEST_NOT_FOUND
    assert "adql" in response.text


def test_placeholders_are_those_that_are_filled_in(sky: Path, tmp_path: Path) -> None:
    site = open_site(Settings(data=sky, job_results=str(tmp_path)))
    values = collect_values(site, site.make_urls("http://x"))
    site.engine.close()
    assert {name for page in PAGES for name in find_placeholders(page)} == values.keys()


# ----------------------------------------------------------- generated parts


def test_all_error_codes_are_explained(client: httpx.Client) -> None:
    rows = [[cell.text_content() for cell in row] for row in _document(client, "errors").iter("tr")][1:]
    assert {row[0]: row[2] for row in rows} == {str(code): code.meaning for code in Code}


def test_all_functions_are_explained(client: httpx.Client) -> None:
    headings = [heading.text_content() for heading in _document(client, "functions").iter("h3")]
    assert headings == [function.signature for function in (*FUNCTIONS.values(), *UDF_FORMS)]
    assert [f.signature for f in (*FUNCTIONS.values(), *UDF_FORMS) if not f.example] == [
        "ivo_interval_has(val NUMERIC, iv INTERVAL) -> INTEGER"  # which needs a column of intervals
    ]


def test_all_formats_are_listed(client: httpx.Client) -> None:
    text = _document(client, "formats").text_content()
    assert [format.media_type for format in FORMATS if format.media_type not in text] == []


def test_limits_are_those_of_the_service(listening: Any, sky: Path, tmp_path: Path) -> None:
    settings = Settings(data=sky, job_results=str(tmp_path), maxrec=12_345, upload_limit=0, strict=True)
    with listening(settings) as url:
        assert "12,345" in httpx.get(f"{url}/docs/limits").text
        assert "takes no uploads" in httpx.get(f"{url}/docs/uploads").text
        assert "rejects them" in httpx.get(f"{url}/docs/adql").text

"""A protocol, a function, an output format and an engine are added in one place: a module and one line of a registry.

The test does it in a copy of the package, and runs the server from there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vo_server

PROTOCOL = '''"""A toy protocol."""

from starlette.responses import PlainTextResponse

from vo_server.documents.capability import Capability, Interface
from vo_server.http.errors import error_response
from vo_server.http.service import Resource, Service


async def say_hello(request, site):
    return PlainTextResponse(site.make_urls("http://x").get_url("toy"))


def list_capabilities(site, base):
    return (Capability("ivo://example.org/std/toy", (Interface(base),)),)


def services(catalogue):
    hello = Resource("", say_hello)
    return (Service("toy", "/toy", (hello,), error_response, list_capabilities, label="Toy protocol"),)
'''

FORMAT = '''"""A toy output format."""

from vo_server.formats.format import Format
from vo_server.formats.write.status import PLAIN_TEXT, plain_text_error


def _write(result):
    yield f"{sum(batch.num_rows for batch in result.batches)} rows of toys".encode()


TOY = Format("toy", "Toy", "application/x-toy", "toy", _write, plain_text_error, PLAIN_TEXT, aliases=("toy",))
'''

ENGINE = '''"""A toy engine: DuckDB under another name."""

from vo_server.engines.duckdb import find_loaded, open_engine, open_sink

__all__ = ["find_loaded", "open_engine", "open_sink"]
'''

FUNCTION = """    _define(
        "toy_double(x REAL) -> REAL",
        Column("", types.DOUBLE),
        lambda x: x + x,
        "Twice a number.",
        example="toy_double(21)",
    ),
"""

ADDED = {
    "protocols/toy.py": PROTOCOL,
    "formats/write/toy.py": FORMAT,
    "engines/toy.py": ENGINE,
}
"""The modules of the additions."""

REGISTERED = (
    ("protocols/__init__.py", '    "vo_server.protocols.cone",\n', '    "vo_server.protocols.toy",\n'),
    (
        "formats/__init__.py",
        "from vo_server.formats.write.votable import",
        "from vo_server.formats.write.toy import TOY\n",
    ),
    ("formats/__init__.py", "PARQUET, ARROW, ", "TOY, "),
    (
        "engines/__init__.py",
        '    EngineKind("duckdb"',
        '    EngineKind("toy", ("toy",), "vo_server.engines.toy", 2),\n',
    ),
    ("adql/semantics/udfs.py", '    _define(\n        "ivo_hms_to_degrees', FUNCTION),
)
"""The registrations: a file, the text before which a line is added, and the line."""

SCRIPT = """
import json
import sys
from pathlib import Path

from vo_server.app import create_app
from vo_server.commands.asgi_client import connect
from vo_server.settings import Settings

settings = Settings(data=Path(sys.argv[1]), engine="toy://here", authority="example.org")
query = {"LANG": "ADQL", "QUERY": "SELECT toy_double(21) AS x FROM TAP_SCHEMA.schemas WHERE toy_double(21) = 42"}
urls = {
    "toy": "/toy",
    "capabilities": "/toy/capabilities",
    "availability": "/toy/availability",
    "records": "/oai?verb=ListRecords&metadataPrefix=ivo_vor",
    "tap": "/tap/capabilities",
    "functions": "/docs/functions?raw",
    "formats": "/docs/formats?raw",
}
with connect(create_app(settings), "http://x") as client:
    texts = {name: client.get(f"http://x{url}").text for name, url in urls.items()}
    csv = client.get("http://x/tap/sync", params=query | {"RESPONSEFORMAT": "csv"})
    toy = client.get("http://x/tap/sync", params=query | {"RESPONSEFORMAT": "toy"})
print(json.dumps(texts | {"csv": csv.text, "result": toy.text, "type": toy.headers["content-type"]}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return the responses of a server with the additions, by name."""
    root = tmp_path_factory.mktemp("added")
    package = root / "vo_server"
    shutil.copytree(Path(vo_server.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    schemas = Path(vo_server.__file__).parent.parent / "schemas"
    if schemas.is_dir():
        shutil.copytree(schemas, root / "schemas")
    for path, text in ADDED.items():
        (package / path).write_text(text, encoding="utf-8")
    for path, before, line in REGISTERED:
        text = (package / path).read_text(encoding="utf-8")
        assert text.count(before) == 1, (path, before)
        (package / path).write_text(text.replace(before, line + before), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VO_SERVER_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root / "data")],
        capture_output=True,
        text=True,
        cwd=root,
        env=environment | {"PYTHONPATH": str(root)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)


def test_protocol_has_route_and_url(answers: dict[str, str]) -> None:
    assert answers["toy"] == "http://x/toy"


def test_protocol_has_capabilities_and_availability(answers: dict[str, str]) -> None:
    assert 'standardID="ivo://example.org/std/toy"' in answers["capabilities"]
    assert "http://x/toy/availability" in answers["capabilities"]
    assert "availability" in answers["availability"]


def test_protocol_has_registry_record(answers: dict[str, str]) -> None:
    assert "<identifier>ivo://example.org/toy</identifier>" in answers["records"]
    assert '<accessURL use="full">http://x/toy</accessURL>' in answers["records"]


def test_function_runs_and_is_announced(answers: dict[str, str]) -> None:
    assert set(answers["csv"].split()[1:]) == {"42"}
    assert "<form>toy_double(x REAL) -&gt; REAL</form>" in answers["tap"]
    assert "toy_double" in answers["functions"]


def test_format_writes_and_is_announced(answers: dict[str, str]) -> None:
    assert answers["type"] == "application/x-toy"
    assert answers["result"].endswith("rows of toys")
    assert "<mime>application/x-toy</mime>" in answers["tap"]
    assert "application/x-toy" in answers["formats"]


def test_engine_opens_by_its_scheme(answers: dict[str, str]) -> None:
    """All of the responses above are of the toy engine."""
    assert answers["result"]

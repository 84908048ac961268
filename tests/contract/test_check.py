"""vo-server check: no findings in healthy servers, and each injected fault is found by its own check."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tests.conftest import Listening, Server
from tests.faults import FAULTS, Fault, FaultyApp, alter_text, keep_request, keep_response
from vo_server import check
from vo_server.__main__ import main
from vo_server.app import create_app
from vo_server.assembly import load_site_catalogue
from vo_server.check import CHECKS, CheckReport, Probe
from vo_server.check.checks import jobs
from vo_server.check.response import NoResponse
from vo_server.check.schemas import load_schemas
from vo_server.commands.asgi_client import connect
from vo_server.commands.check import IN_PROCESS_URL, _service_paths, check_service
from vo_server.errors import Code
from vo_server.http.downtime import FILE_NAME
from vo_server.settings import Settings

EXTERNAL = {"URL-OTHER-1"}
"""Checks that send requests to other servers."""
NETWORK = {"TAP-UPLOAD-3", "UWS-RUN-1"}
"""Checks that are skipped in process, with tests of their own."""


@pytest.fixture(scope="module")
def xsd(shared: Path) -> Path:
    return shared / "standards" / "xsd"


@pytest.fixture(scope="module")
def schemas(xsd: Path) -> Any:
    return load_schemas(xsd)


@pytest.fixture(scope="module")
def running_app(sky: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FaultyApp, httpx.Client]]:
    """An application in this process, into which faults can be injected, and a client of it."""
    app: Starlette = create_app(Settings(data=sky, job_results=str(tmp_path_factory.mktemp("jobs"))))
    outer = FaultyApp(app)
    with connect(app, IN_PROCESS_URL, outer) as client:
        yield outer, client


@pytest.fixture
def faulty(running_app: tuple[FaultyApp, httpx.Client]) -> tuple[FaultyApp, httpx.Client]:
    """The application without a fault, and a client of it."""
    outer, _ = running_app
    outer.alter_request, outer.alter_response = keep_request, keep_response
    return running_app


def run_check(
    client: httpx.Client, schemas: Any, code: str, *, in_process: bool = True, network: bool = False
) -> CheckReport:
    paths = _service_paths(load_site_catalogue(Settings()).collections)
    probe = Probe(client, IN_PROCESS_URL, paths, schemas, in_process=in_process, network=network)
    return check.run_checks(probe, check.select_checks([code]))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.code} {f.data}")
def test_finds_each_fault(faulty: tuple[FaultyApp, httpx.Client], schemas: Any, fault: Fault) -> None:
    outer, client = faulty
    outer.alter_request, outer.alter_response = fault.alter_request, fault.alter_response
    report = run_check(client, schemas, fault.code)
    assert {finding.code for finding in report.findings} == {fault.code}, report
    assert any(fault.matches(f"{f.where}: {f.what}") for f in report.findings), report.findings
    assert report.failed == (report.findings[0].severity == "error")


@pytest.mark.parametrize("code", ["VOT-UNIT-1", "VOT-LINT-1"])
def test_only_one_check_reports_deprecated_units(
    faulty: tuple[FaultyApp, httpx.Client], schemas: Any, code: str
) -> None:
    outer, client = faulty
    outer.alter_response = alter_text(code, "", "/cone/psc", 'unit="deg"', 'unit="Angstrom"').alter_response
    assert run_check(client, schemas, code).findings == ()


def test_every_check_has_a_fault() -> None:
    """Each check has a fault that it finds, and a code of its own."""
    assert {c.code for c in CHECKS} - {f.code for f in FAULTS} == EXTERNAL | NETWORK
    assert [code for code, count in Counter(c.code for c in CHECKS).items() if count > 1] == []


@pytest.mark.slow
def test_no_findings_in_process(sky: Path, xsd: Path) -> None:
    report = check_service(Settings(data=sky), xsd=str(xsd))
    assert report.findings == ()
    assert {code for code, _ in report.skipped} == EXTERNAL | NETWORK | {"TAP-LIMIT-2"}


def test_check_does_not_change_the_data(sky: Path, tmp_path: Path) -> None:
    """The dates of records stay, although other settings than the server's give other records."""
    (tmp_path / "catalogues").symlink_to(sky / "catalogues")
    dates = tmp_path / "registry.json"
    dates.write_text("{}")
    report = check_service(Settings(data=tmp_path), check.select_checks(["OAI-", "UWS-"]))
    assert len(report.passed) > 10
    assert dates.read_text() == "{}"
    assert {file.name for file in tmp_path.iterdir()} <= {"catalogues", "registry.json", "spill"}


@pytest.mark.slow
def test_no_findings_behind_a_proxy_without_images(real: Path, xsd: Path) -> None:
    """The service has a public URL with a path, an authority, and no images."""
    public = {"public_url": "https://vo.example.org/sky", "publisher": "Example", "contact": "vo@example.org"}
    report = check_service(Settings(data=real, authority="org.example", **public), xsd=str(xsd))
    assert report.findings == ()
    assert report.url == "https://vo.example.org/sky"
    assert "no images have been loaded" in {why for _, why in report.skipped}


@pytest.mark.slow
def test_no_findings_in_a_running_server(
    server: Server, xsd: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Jobs run and the server fetches uploads; then the TAP service alone is checked."""
    assert main(["check", server.url, "--xsd", str(xsd), "--json", "--data", str(tmp_path), "--record"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["findings"] == []
    assert {each["code"] for each in report["skipped"]} == EXTERNAL | {"TAP-LIMIT-2"}
    assert {*NETWORK, "CONE-TEST-1", "OAI-SCHEMA-1"} <= set(report["passed"])
    summary = json.loads((tmp_path / "check.json").read_text())
    expected = {"checked": report["checked"], "summary": report["summary"]}
    assert summary == {"errors": 0, "warnings": 0, "codes": []} | expected
    assert main(["check", f"{server.url}/tap", "--only", "UWS,CONE-"]) == 0
    assert "no findings in 10 checks" in capsys.readouterr().out


def test_finds_upload_method_that_fails(faulty: tuple[FaultyApp, httpx.Client], schemas: Any) -> None:
    """The service in this process cannot fetch from itself, so uploads by URL fail."""
    report = run_check(faulty[1], schemas, "TAP-UPLOAD-3", in_process=False)
    assert [f.code for f in report.findings] == ["TAP-UPLOAD-3"]
    assert "http" in report.findings[0].what and "400" in report.findings[0].what


def test_finds_broken_links_to_other_servers(faulty: tuple[FaultyApp, httpx.Client], schemas: Any) -> None:
    """The application receives the requests to all other servers, and has none of their pages."""
    report = run_check(faulty[1], schemas, "URL-OTHER-1", network=True)
    assert {f.severity for f in report.findings} == {"warning"}
    assert any("https://irsa.ipac.caltech.edu/" in f.what and "404" in f.what for f in report.findings)


def test_requests_to_other_servers_use_the_network(sky: Path, tmp_path: Path) -> None:
    app = create_app(Settings(data=sky, job_results=str(tmp_path)), tmp_path / "registry.json")
    with connect(app, IN_PROCESS_URL, network=True) as client:
        assert client.get(f"{IN_PROCESS_URL}/no-such-page").status_code == 404
        with pytest.raises(httpx.ConnectError):
            client.get("http://127.0.0.1:9/")


def test_finds_jobs_that_do_not_run(
    faulty: tuple[FaultyApp, httpx.Client], schemas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "WAIT_SECONDS", 0)
    report = run_check(faulty[1], schemas, "UWS-RUN-1", in_process=False)
    assert [f.code for f in report.findings] == ["UWS-RUN-1"]
    assert "QUEUED" in report.findings[0].what


@pytest.mark.parametrize(
    ("settings", "code", "data"),
    [
        ({"upload_limit": 5_000}, "TAP-UPLOAD-4", None),
        ({"upload_limit": 0}, "TAP-UPLOAD-2", None),
        ({"maxrec": 7, "maxrec_hard": 20}, "TAP-LIMIT", None),
        ({"maxrec": 7, "maxrec_hard": 20}, "TAP-MAXREC", None),
        ({"execution": 5, "execution_hard": 9, "retention": 70, "retention_hard": 80}, "TAP-LIMIT", None),
        ({"strict": True}, "TAP-", None),
        ({"timeout": 0.001}, "EX-RUN-1", "Fault"),
    ],
)
def test_no_findings_with_other_settings(sky: Path, settings: dict[str, Any], code: str, data: str | None) -> None:
    """Declared limits follow the settings; a timeout of 1 ms makes the example queries fail."""
    report = check_service(Settings(data=sky, **settings), check.select_checks([code]))
    assert (report.findings == ()) == (data is None), report.findings
    assert data is None or data in report.findings[0].what


def test_no_findings_in_a_planned_downtime(sky: Path, tmp_path: Path) -> None:
    (tmp_path / "catalogues").symlink_to(sky / "catalogues")
    (tmp_path / FILE_NAME).write_text("down_at = 2020-01-01T00:00:00Z\nback_at = 2999-01-01T00:00:00Z\n")
    report = check_service(Settings(data=tmp_path), check.select_checks(["VOSI-AVAIL"]))
    assert (report.findings, len(report.passed)) == ((), 2)


INVALID_CATALOGUE = """
id = "wrong"
description = "A catalogue with invalid metadata"
subjects = ["stars"]
[schema]
name = "wrong"
title = "Wrong"
description = "Invalid metadata"
[table]
name = "stars"
title = "Stars"
description = "A table"
identifier = "name"
position = { ra = "ra", dec = "dec" }
[columns.name]
type = "VARCHAR(8)"
ucd = "meta.id;meta.main"
nullable = false
description = "Name"
[columns.ra]
type = "DOUBLE PRECISION"
unit = "deg"
ucd = "pos.eq.ra;meta.main"
nullable = false
description = "Right ascension"
[columns.dec]
type = "DOUBLE PRECISION"
unit = "deg"
ucd = "pos.eq.dec;meta.main"
nullable = false
description = "Declination"
[columns.brightness]
type = "REAL"
unit = "Angstrom"
ucd = "phot.mag;em.opt.V"
description = "Brightness"
[[examples]]
id = "wrong"
title = "Wrong"
description = "A query"
query = "SELECT name FROM wrong.stars WHERE brightness > 1"
[origin]
title = "Wrong"
publisher = "Nobody"
creators = ["Nobody"]
"""


def test_invalid_catalogue_file(sky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints one line for each finding, and does not fail for a warning alone."""
    (tmp_path / "wrong.toml").write_text(INVALID_CATALOGUE, encoding="utf-8")
    arguments = ["check", "--data", str(sky), "--schemas", str(tmp_path), "--only", "META-,TS-SELECT"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "wrong: wrong.stars, 4 columns, no cone search, not loaded" in lines
    (line,) = (line for line in lines if line.startswith("META-"))
    assert line.startswith("META-UNIT-2      warning  wrong.stars.brightness: ") and "'Angstrom'" in line
    assert line.endswith("[VOUnits 1.1 section 2]")
    assert lines[-1].startswith("the loaded tables: 0 errors, 1 warning in 9 checks (")
    assert main([*arguments, "--skip", "META-UNIT-2"]) == 0
    assert "META-" not in capsys.readouterr().out


def test_exit_code_of_errors(
    listening: Listening, sky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that declares another URL than its own gives exit code 1."""
    settings = Settings(data=sky, job_results=str(tmp_path), public_url="http://127.0.0.1:9/elsewhere")
    with listening(settings) as url:
        assert main(["check", url, "--only", "CAP-URL-1,CAP-URL-3"]) == 1
        *lines, more, last = capsys.readouterr().out.splitlines()
        assert main(["check", url, "--only", "CAP-URL-1", "--all"]) == 1
        all_lines = capsys.readouterr().out.splitlines()[:-1]
    assert [line[:25] for line in lines] == ["CAP-URL-1        error   "] * 5
    assert "http://127.0.0.1:9/elsewhere/tap" in lines[0] and f"{url}/tap" in lines[0]
    assert more.startswith(f"CAP-URL-1        and {len(all_lines) - 5} more") and "--all" in more
    assert last.startswith(f"{url}: {len(all_lines)} errors, 0 warnings in 2 checks (")


def test_rejects_invalid_arguments(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments, data in (
        (["--only", "NONSENSE"], "NONSENSE"),
        (["gopher://x"], "gopher://x"),
        (["--data", str(tmp_path), "--xsd", str(tmp_path), "http://127.0.0.1:9"], str(tmp_path)),
    ):
        assert main(["check", *arguments]) == 2
        error = capsys.readouterr().err
        assert data in error and Code.SETTINGS_INVALID in error
    assert main(["check", "http://127.0.0.1:9"]) == 1
    assert "http://127.0.0.1:9" in capsys.readouterr().err
    assert main(["check", "--data", str(tmp_path)]) == 0
    assert "nothing is loaded" in capsys.readouterr().err


def test_lists_the_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [c.code for c in CHECKS]
    assert all(line.endswith("]") for line in lines)


def _serve_pages(pages: dict[str, tuple[int, str, bytes]]) -> Callable[[httpx.Request], httpx.Response]:
    def respond(request: httpx.Request) -> httpx.Response:
        status, kind, body = pages.get(request.url.path, (404, "text/plain", b"nothing here"))
        return httpx.Response(status, headers={"Content-Type": kind}, content=body)

    return respond


def test_other_server_without_working_queries(shared: Path, schemas: Any) -> None:
    """Another TAP service has capabilities and tables, but each query fails: each check passes, fails or is skipped."""
    examples = shared / "standards" / "examples" / "vosi"
    pages = {
        "/a/tap/capabilities": (200, "text/xml", (examples / "capabilities-pyvo-tap.xml").read_bytes()),
        "/a/tap/tables": (200, "text/xml", (examples / "tables-pyvo.xml").read_bytes()),
        "/a/tap/availability": (200, "text/xml", (examples / "std-available.xml").read_bytes()),
        "/a/tap/sync": (500, "text/html", b"<html>broken"),
    }
    with httpx.Client(transport=httpx.MockTransport(_serve_pages(pages))) as client:
        report = check.run_checks(Probe(client, "http://tap.example.org/a/tap", ("cone/psc",), schemas))
    codes = {f.code for f in report.findings}
    assert {"ERROR-500-1", "TAP-FORMAT-1", "TAP-LANG-1", "CAP-URL-1", "VOSI-AVAIL-1"} <= codes
    skipped = dict(report.skipped)
    assert {"OAI-VERB-1", "CONE-TEST-1"} <= set(skipped)
    assert len(codes) + len(report.passed) + len(skipped) == len(CHECKS)


def test_raises_without_tap_service() -> None:
    pages = httpx.MockTransport(_serve_pages({"/": (200, "text/html", b"<p>Hello")}))
    with httpx.Client(transport=pages) as client, pytest.raises(NoResponse) as raised:
        check.run_checks(Probe(client, "http://www.example.org/"))
    assert raised.value.where == "http://www.example.org/"

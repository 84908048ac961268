"""vo-server check: nothing is found in healthy servers, and each fault that is put in, by its own code."""

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
from tests.faults import FAULTS, Altered, Fault, text
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
from vo_server.http.downtime import FILE_NAME
from vo_server.settings import Settings

ELSEWHERE = {"URL-OTHER-1"}
"""What asks other servers."""
NETWORK = {"TAP-UPLOAD-3", "UWS-RUN-1"}
"""What cannot be tried in process; it has tests of its own."""


@pytest.fixture(scope="module")
def xsd(shared: Path) -> Path:
    return shared / "standards" / "xsd"


@pytest.fixture(scope="module")
def known(xsd: Path) -> Any:
    return load_schemas(xsd)


@pytest.fixture(scope="module")
def altered(sky: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Altered, httpx.Client]]:
    """The application in this process, into which faults can be put, and a client of it."""
    app: Starlette = create_app(Settings(data=sky, job_results=str(tmp_path_factory.mktemp("jobs"))))
    outer = Altered(app)
    with connect(app, IN_PROCESS_URL, outer) as client:
        yield outer, client


def made(client: httpx.Client, known: Any, code: str, **more: Any) -> CheckReport:
    probe = Probe(
        client,
        IN_PROCESS_URL,
        _service_paths(load_site_catalogue(Settings()).collections),
        known,
        **({"in_process": True} | more),
    )
    return check.run_checks(probe, check.select_checks([code]))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.code} {f.words}")
def test_each_fault_is_found(altered: tuple[Altered, httpx.Client], known: Any, fault: Fault) -> None:
    outer, client = altered
    outer.before, outer.after = fault.before, fault.after
    report = made(client, known, fault.code)
    assert {found.code for found in report.findings} == {fault.code}, report
    assert any(fault.words in f"{f.where}: {f.what}" for f in report.findings), report.findings
    assert report.failed == (report.findings[0].severity == "error")


@pytest.mark.parametrize("code", ["VOT-UNIT-1", "VOT-LINT-1"])
def test_units_out_of_use_are_told_by_their_own_check_alone(
    altered: tuple[Altered, httpx.Client], known: Any, code: str
) -> None:
    outer, client = altered
    old = text(code, "", "/cone/psc", 'unit="deg"', 'unit="Angstrom"')
    outer.before, outer.after = old.before, old.after
    assert made(client, known, code).findings == ()


def test_every_check_has_a_fault() -> None:
    """No check that cannot find anything."""
    assert {c.code for c in CHECKS} - {f.code for f in FAULTS} == ELSEWHERE | NETWORK
    assert [code for code, count in Counter(c.code for c in CHECKS).items() if count > 1] == []


def test_nothing_is_found_in_process(sky: Path, xsd: Path) -> None:
    report = check_service(Settings(data=sky), xsd=str(xsd))
    assert report.findings == ()
    assert {code for code, _ in report.skipped} == ELSEWHERE | NETWORK | {"TAP-LIMIT-2"}


def test_a_check_leaves_the_data_as_they_are(sky: Path, tmp_path: Path) -> None:
    """The dates of records above all: with other settings than the server's these records would be others."""
    (tmp_path / "catalogues").symlink_to(sky / "catalogues")
    dates = tmp_path / "registry.json"
    dates.write_text("{}")
    report = check_service(Settings(data=tmp_path), check.select_checks(["OAI-", "UWS-"]))
    assert len(report.passed) > 10
    assert dates.read_text() == "{}"
    assert {file.name for file in tmp_path.iterdir()} <= {"catalogues", "registry.json", "spill"}


def test_nothing_is_found_behind_a_proxy_and_half_loaded(real: Path, xsd: Path) -> None:
    """Under a public URL with a path, with an authority, and without any images."""
    public = {"public_url": "https://vo.example.org/sky", "publisher": "Example", "contact": "vo@example.org"}
    report = check_service(Settings(data=real, authority="org.example", **public), xsd=str(xsd))
    assert report.findings == ()
    assert report.url == "https://vo.example.org/sky"
    assert "no images have been loaded" in {why for _, why in report.skipped}


def test_nothing_is_found_in_a_running_server(
    server: Server, xsd: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Now with jobs that run, and with uploads that the server fetches; and of its TAP service alone."""
    assert main(["check", server.url, "--xsd", str(xsd), "--json", "--data", str(tmp_path), "--record"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["findings"] == []
    assert {each["code"] for each in told["skipped"]} == ELSEWHERE | {"TAP-LIMIT-2"}
    assert {*NETWORK, "CONE-TEST-1", "OAI-SCHEMA-1"} <= set(told["passed"])
    kept = json.loads((tmp_path / "check.json").read_text())
    assert kept == {"checked": told["checked"], "errors": 0, "warnings": 0, "codes": [], "summary": told["summary"]}
    assert main(["check", f"{server.url}/tap", "--only", "UWS,CONE-"]) == 0
    assert "no findings in 10 checks" in capsys.readouterr().out


def test_a_method_of_uploads_that_does_not_work(altered: tuple[Altered, httpx.Client], known: Any) -> None:
    """In process nothing can be fetched, which is as good a fault as any."""
    outer, client = altered
    outer.before, outer.after = (lambda asked: asked), (lambda _, told: told)
    report = made(client, known, "TAP-UPLOAD-3", inside=False)
    assert [f.code for f in report.findings] == ["TAP-UPLOAD-3"]
    assert "http is announced, but gives status 400" in report.findings[0].what


def test_links_elsewhere(altered: tuple[Altered, httpx.Client], known: Any) -> None:
    """Here the application answers for all other servers, and knows none of their pages."""
    outer, client = altered
    outer.before, outer.after = (lambda asked: asked), (lambda _, told: told)
    report = made(client, known, "URL-OTHER-1", network=True)
    assert {f.severity for f in report.findings} == {"warning"}
    assert any("https://irsa.ipac.caltech.edu/" in f.what and "status 404" in f.what for f in report.findings)


def test_other_servers_are_asked_through_the_network(sky: Path, tmp_path: Path) -> None:
    app = create_app(Settings(data=sky, job_results=str(tmp_path)), tmp_path / "registry.json")
    with connect(app, IN_PROCESS_URL, network=True) as client:
        assert client.get(f"{IN_PROCESS_URL}/no-such-page").status_code == 404
        with pytest.raises(httpx.ConnectError):
            client.get("http://127.0.0.1:9/")


def test_jobs_that_nobody_runs(
    altered: tuple[Altered, httpx.Client], known: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, client = altered
    outer.before, outer.after = (lambda asked: asked), (lambda _, told: told)
    monkeypatch.setattr(jobs, "TIMEOUT_SECONDS", 0.01)
    report = made(client, known, "UWS-RUN-1", inside=False)
    assert [f.code for f in report.findings] == ["UWS-RUN-1"]
    assert "is QUEUED" in report.findings[0].what


@pytest.mark.parametrize(
    ("settings", "code", "words"),
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
def test_other_settings(sky: Path, settings: dict[str, Any], code: str, words: str | None) -> None:
    """What is announced follows the settings, and is true then, too."""
    report = check_service(Settings(data=sky, **settings), check.select_checks([code]))
    assert (report.findings == ()) == (words is None), report.findings
    assert words is None or words in report.findings[0].what


def test_a_planned_downtime_is_no_lie(sky: Path, tmp_path: Path) -> None:
    (tmp_path / "catalogues").symlink_to(sky / "catalogues")
    (tmp_path / FILE_NAME).write_text("down_at = 2020-01-01T00:00:00Z\nback_at = 2999-01-01T00:00:00Z\n")
    report = check_service(Settings(data=tmp_path), check.select_checks(["VOSI-AVAIL"]))
    assert (report.findings, len(report.passed)) == ((), 2)


WRONG = """
id = "wrong"
description = "A catalogue that says what is not so"
subjects = ["stars"]
[schema]
name = "wrong"
title = "Wrong"
description = "What is not so"
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
description = "What cannot be asked"
query = "SELECT name FROM wrong.stars WHERE brightness > 1"
[origin]
title = "Wrong"
publisher = "Nobody"
creators = ["Nobody"]
"""


def test_a_wrong_catalogue_file(sky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the command line: a line a finding, and a warning alone is no failure."""
    (tmp_path / "wrong.toml").write_text(WRONG, encoding="utf-8")
    arguments = ["check", "--data", str(sky), "--schemas", str(tmp_path), "--only", "META-,TS-SELECT"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "wrong: wrong.stars, 4 columns, no cone search, not loaded" in lines
    (found,) = (line for line in lines if line.startswith("META-"))
    assert found.startswith("META-UNIT-2      warning  wrong.stars.brightness: the unit 'Angstrom'")
    assert found.endswith("[VOUnits 1.1 section 2]")
    assert lines[-1].startswith("http://vo-server.invalid: 0 errors, 1 warning in 9 checks (")
    assert main([*arguments, "--skip", "META-UNIT-2"]) == 0
    assert "META-" not in capsys.readouterr().out


def test_a_fault_at_the_command_line(
    listening: Listening, sky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that says a wrong URL of itself: exit code 1."""
    settings = Settings(data=sky, job_results=str(tmp_path), public_url="http://127.0.0.1:9/elsewhere")
    with listening(settings) as url:
        assert main(["check", url, "--only", "CAP-URL-1,CAP-URL-3"]) == 1
        *found, more, last = capsys.readouterr().out.splitlines()
        assert main(["check", url, "--only", "CAP-URL-1", "--all"]) == 1
        whole = capsys.readouterr().out.splitlines()[:-1]
    assert [line[:25] for line in found] == ["CAP-URL-1        error   "] * 5
    assert f"is said to be at http://127.0.0.1:9/elsewhere/tap, and was asked at {url}/tap" in found[0]
    assert more == f"CAP-URL-1        and {len(whole) - 5} more, which --all shows"
    assert last.startswith(f"{url}: {len(whole)} errors, 0 warnings in 2 checks (")


def test_mistakes_at_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments, words in (
        (["--only", "NONSENSE"], "no check has a code that begins with NONSENSE"),
        (["gopher://x"], "no URL of http or https"),
        (["--data", str(tmp_path), "--xsd", str(tmp_path), "http://127.0.0.1:9"], "has no schemas"),
    ):
        assert main(["check", *arguments]) == 2
        assert words in capsys.readouterr().err
    assert main(["check", "http://127.0.0.1:9"]) == 1
    assert "no answer" in capsys.readouterr().err
    assert main(["check", "--data", str(tmp_path)]) == 0
    assert "nothing is loaded" in capsys.readouterr().err


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [c.code for c in CHECKS]
    assert all(line.endswith("]") for line in lines)


Ask = Callable[[httpx.Request], httpx.Response]


def _answering(pages: dict[str, tuple[int, str, bytes]]) -> Ask:
    def answer(request: httpx.Request) -> httpx.Response:
        status, kind, body = pages.get(request.url.path, (404, "text/plain", b"nothing here"))
        return httpx.Response(status, headers={"Content-Type": kind}, content=body)

    return answer


def test_another_kind_of_server(shared: Path, known: Any) -> None:
    """A TAP service of others, that has its capabilities and tables and answers nothing: what cannot be known of it is
    skipped or found, and nothing breaks."""
    examples = shared / "standards" / "examples" / "vosi"
    pages = {
        "/a/tap/capabilities": (200, "text/xml", (examples / "capabilities-pyvo-tap.xml").read_bytes()),
        "/a/tap/tables": (200, "text/xml", (examples / "tables-pyvo.xml").read_bytes()),
        "/a/tap/availability": (200, "text/xml", (examples / "std-available.xml").read_bytes()),
        "/a/tap/sync": (500, "text/html", b"<html>broken"),
    }
    with httpx.Client(transport=httpx.MockTransport(_answering(pages))) as client:
        report = check.run_checks(Probe(client, "http://tap.example.org/a/tap", ("cone/psc",), known))
    found = {f.code for f in report.findings}
    assert {"ERROR-500-1", "TAP-FORMAT-1", "TAP-LANG-1", "CAP-URL-1", "VOSI-AVAIL-1"} <= found
    skipped = dict(report.skipped)
    assert skipped["OAI-VERB-1"] == "only the TAP service was asked for"
    assert "CONE-TEST-1" in skipped
    assert len(found) + len(report.passed) + len(skipped) == len(CHECKS)


def test_no_server_of_the_vo() -> None:
    pages = httpx.MockTransport(_answering({"/": (200, "text/html", b"<p>Hello")}))
    with httpx.Client(transport=pages) as client, pytest.raises(NoResponse, match="there is no TAP service"):
        check.run_checks(Probe(client, "http://www.example.org/"))

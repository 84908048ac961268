"""The commands vo-server adql and vo-server adql check, on a terminal and in scripts."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from vo_server.__main__ import main
from vo_server.commands.queries import read_entries

ROOT = Path(__file__).resolve().parents[3]

GOOD = '{"adql": "SELECT TOP 5 ra FROM psc", "id": "ä", "deep": {"a": [1, null]}}'
WRONG = '{"id": 2, "adql": "SELECT ra,\\n  decx FROM psc"}'
WARNED = '{"adql": "SELECT ra FROM psc WHERE 1 = CONTAINS(POINT(\'FK5\', ra, dec), CIRCLE(1, 2, 3))"}'


@dataclass
class CommandResult:
    """The exit code and the output of a command."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., CommandResult]


def make_environment(**more: str) -> dict[str, str]:
    """Return the environment without settings of vo-server, and with these variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VO_SERVER_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **more}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Return a function that runs vo-server in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VO_SERVER_")]:
        monkeypatch.delenv(name)
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str, given: str | bytes = "") -> CommandResult:
        read = io.BytesIO(given.encode() if isinstance(given, str) else given)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(read))
        code = main(words)
        output = capsys.readouterr()
        return CommandResult(code, output.out, output.err)

    yield run
    signal.signal(signal.SIGTERM, before)


def read_rows(result: CommandResult) -> list[dict[str, Any]]:
    """Return the JSON lines of the output."""
    return [json.loads(line) for line in result.stdout.splitlines()]


# ------------------------------------------------------------------ check


def test_check_adds_the_verdict_to_each_line(run: Run) -> None:
    result = run("adql", "check", given=f"{GOOD}\n\n{WRONG}\n{WARNED}\n")
    assert (result.returncode, result.stderr) == (1, "3 queries, 1 invalid\n")
    good, wrong, warned = read_rows(result)
    assert good == json.loads(GOOD) | {"ok": True}
    verdict = {"ok": False, "error": wrong["error"], "code": "ADQL.UNKNOWN_COLUMN", "line": 2, "column": 3}
    assert wrong == json.loads(WRONG) | verdict | {"hint": "did you mean dec?"}
    assert warned["ok"] and len(warned["warnings"]) == 1 and "FK5" in warned["warnings"][0]


def test_exit_code_is_0_without_errors(run: Run, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(f"{GOOD}\n{WARNED}")
    assert run("adql", "check", "q.jsonl").returncode == 0
    assert run("adql", "check", "--syntax-only", "-", given=WRONG).returncode == 0


def test_syntax_only_reports_syntax_errors(run: Run) -> None:
    result = run("adql", "check", "--syntax-only", given='{"adql": "SELECT a b c FROM nowhere.t"}')
    assert result.returncode == 1
    (row,) = read_rows(result)
    assert (row["ok"], row["code"], row["line"], row["column"]) == (False, "ADQL.SYNTAX", 1, 12)


def test_empty_query_has_line_and_column(run: Run) -> None:
    (row,) = read_rows(run("adql", "check", given='{"adql": ""}'))
    assert (row["ok"], row["code"], row["line"], row["column"]) == (False, "ADQL.SYNTAX", 1, 1)


def test_internal_error_concerns_its_query_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_query(text: str, catalogue: object, **_: object) -> NoReturn:
        raise RecursionError

    monkeypatch.setattr("vo_server.commands.adql_check.compile_query", compile_query)
    answers = read_rows(run("adql", "check", given=f"{GOOD}\n{GOOD}"))
    assert [row["error"] for row in answers] == ["internal error (RecursionError)"] * 2


def test_reports_lines_without_a_query(run: Run) -> None:
    given = b'nonsense \xff\n[1]\n{"sql": "x"}\n{"adql": 5}\n\n' + GOOD.encode() + b"\n" + b"[" * 5000
    result = run("adql", "check", given=given)
    assert result.returncode == 1
    answers = read_rows(result)
    assert [row["ok"] for row in answers] == [False] * 4 + [True, False]
    assert [row.get("file_line") for row in answers] == [1, 2, 3, 4, None, 7]
    assert {row.get("file") for row in answers if not row["ok"]} == {"standard input"}
    assert answers[0]["input"] == "nonsense \ufffd" and answers[1]["input"] == "[1]"
    assert answers[2]["sql"] == "x" and "'adql'" in answers[2]["error"]
    assert answers[3]["adql"] == 5


def test_output_can_be_checked_again(run: Run) -> None:
    first = run("adql", "check", given=f"{WRONG}\n{GOOD}\n")
    assert run("adql", "check", given=first.stdout).stdout == first.stdout
    loose = run("adql", "check", "--syntax-only", given=first.stdout)
    assert read_rows(loose)[0] == json.loads(WRONG) | {"ok": True}
    line = '{"adql": "SELECT ra FROM psc", "line": 17, "error": "mine"}'
    assert read_rows(run("adql", "check", given=line)) == [json.loads(line) | {"ok": True}]


def test_answers_each_line_before_reading_the_next(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vo_server", "adql", "check"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=make_environment(), **pipes) as process:
        assert process.stdin and process.stdout
        for line, ok in ((GOOD, True), (WRONG, False), (GOOD, True)):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["ok"] is ok
        process.stdin.close()
        assert process.wait(30) == 1


def test_checks_statements_of_a_file(run: Run, tmp_path: Path) -> None:
    text = "-- the first\nSELECT ra FROM psc;\n\n\nSELECT 'a;b' AS x,\n decx\nFROM psc ;\nSELECT dec FROM psc\n"
    (tmp_path / "q.sql").write_text(text)
    answers = read_rows(run("adql", "check", "q.sql"))
    assert [row["ok"] for row in answers] == [True, False, True]
    assert answers[0]["adql"] == "-- the first\nSELECT ra FROM psc"
    assert (answers[1]["line"], answers[1]["column"]) == (2, 2)
    with (tmp_path / "q.sql").open("rb") as file:
        assert [entry.line for entry in read_entries("q.sql", file)] == [1, 5, 8]


def test_text_format(run: Run) -> None:
    result = run("adql", "check", "--format", "text", given=f"{GOOD}\n{WRONG}\nnonsense\n{WARNED}\n")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        "standard input:2: line 2, column 3: no column decx [ADQL.UNKNOWN_COLUMN]",
        "    decx FROM psc",
        "    ^^^^",
        "  did you mean dec?",
    ]
    assert lines[4].startswith("standard input:3: the line is not JSON")
    assert lines[5].startswith("standard input:4: warning: ")
    assert "\x1b" not in result.stdout


def test_missing_file(run: Run) -> None:
    result = run("adql", "check", "none.jsonl")
    assert (result.returncode, result.stderr) == (1, "vo-server: none.jsonl: No such file or directory\n")


def test_cases_of_the_standard_get_their_verdict(run: Run, shared: Path) -> None:
    file = shared / "standards" / "adql" / "adql_cases.jsonl"
    answers = read_rows(run("adql", "check", "--syntax-only", str(file)))
    before = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(answers) == len(before) > 900
    for was, now in zip(before, answers, strict=True):
        assert was.items() <= now.items()
        assert now["ok"] or (now["error"] and now["line"] >= 1 and now["column"] >= 1)
    assert all(now["ok"] for was, now in zip(before, answers, strict=True) if was["valid"])


# ---------------------------------------------------------------- explain

CONE = "SELECT TOP 5 ra FROM psc AS p WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(266.4, -29, 1))"


def test_explains_a_query(run: Run, sky: Path) -> None:
    result = run("adql", "--data", str(sky), CONE)
    assert (result.returncode, result.stderr) == (0, "")
    headings = [line for line in result.stdout.splitlines() if line and not line.startswith(" ")]
    assert headings == ["Estimate", "Tables", "Columns (1)", "SQL of DuckDB", "Plan of DuckDB"]


def test_explains_standard_input_as_json(run: Run, sky: Path) -> None:
    result = run("adql", "-", "--data", str(sky), "--format", "json", "--maxrec", "3", given=CONE)
    output = json.loads(result.stdout)
    assert (output["query"], output["maxrec"], output["estimate"]["most"]) == (CONE, 3, 3)


@pytest.mark.parametrize(
    ("words", "exit_code", "parts"),
    [
        (["SELECT\n decx FROM psc"], 1, ("line 2, column 2: ", "\n   decx FROM psc\n   ^^^^\n")),
        (["SELECT ra FROM psc"], 1, ("twomass.psc",)),
        (["SELECT 1", "--maxrec", "x"], 2, ("--maxrec", "'x'", "[SETTINGS.INVALID]")),
        ([], 2, ("QUERY", "[SETTINGS.INVALID]")),
    ],
)
def test_reports_errors(run: Run, words: list[str], exit_code: int, parts: tuple[str, ...]) -> None:
    result = run("adql", *words)
    assert (result.returncode, result.stdout) == (exit_code, "")
    assert result.stderr.startswith("vo-server: ")
    assert [part for part in parts if part not in result.stderr] == []


@pytest.mark.parametrize("plain", [False, True])
def test_colours_only_on_terminals_without_no_color(plain: bool, tmp_path: Path, sky: Path) -> None:
    more = {"TERM": "xterm", "COLUMNS": "80"} | ({"NO_COLOR": "1"} if plain else {})
    outer, inner = pty.openpty()
    result = subprocess.run(
        [sys.executable, "-m", "vo_server", "adql", "--data", str(sky), "SELECT " + "ra, " * 40 + "decx FROM psc"],
        cwd=tmp_path, stdout=inner, stderr=inner, stdin=subprocess.DEVNULL, env=make_environment(**more),
    )  # fmt: skip
    os.close(inner)
    output = os.read(outer, 10_000).decode()
    os.close(outer)
    assert result.returncode == 1
    assert ("\x1b[31m" in output) is not plain
    if plain:
        first, line, carets, hint, *_ = output.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
        assert first == "vo-server: line 1, column 168: no column decx [ADQL.UNKNOWN_COLUMN]"
        assert len(line) <= 80
        assert line[carets.index("^") : carets.rindex("^") + 1] == "decx"
        assert hint == "  did you mean dec?"

"""vo-server adql and vo-server adql check, as a person and as a script use them."""

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
from vo_server.commands.queries import entries

ROOT = Path(__file__).resolve().parents[2]

GOOD = '{"adql": "SELECT TOP 5 ra FROM psc", "id": "ä", "deep": {"a": [1, null]}}'
WRONG = '{"id": 2, "adql": "SELECT ra,\\n  decx FROM psc"}'
WARNED = '{"adql": "SELECT ra FROM psc WHERE 1 = CONTAINS(POINT(\'FK5\', ra, dec), CIRCLE(1, 2, 3))"}'


@dataclass
class Done:
    """A command that has run."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VO_SERVER_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs vo-server in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VO_SERVER_")]:
        monkeypatch.delenv(name)
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str, given: str | bytes = "") -> Done:
        read = io.BytesIO(given.encode() if isinstance(given, str) else given)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(read))
        code = main(words)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    yield run
    signal.signal(signal.SIGTERM, before)


def rows(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


# ------------------------------------------------------------------ check


def test_each_line_comes_back_with_its_verdict(run: Run) -> None:
    done = run("adql", "check", given=f"{GOOD}\n\n{WRONG}\n{WARNED}\n")
    assert (done.returncode, done.stderr) == (1, "3 queries, 1 not ok\n")
    good, wrong, warned = rows(done)
    assert good == json.loads(GOOD) | {"ok": True}
    assert wrong == json.loads(WRONG) | {
        "ok": False, "error": "no column decx", "line": 2, "column": 3, "hint": "did you mean dec?", "code": "QUERY",
    }  # fmt: skip
    assert warned["ok"] and len(warned["warnings"]) == 1 and "FK5" in warned["warnings"][0]


def test_all_ok_is_exit_code_0(run: Run, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(f"{GOOD}\n{WARNED}")
    assert run("adql", "check", "q.jsonl").returncode == 0
    assert run("adql", "check", "--syntax-only", "-", given=WRONG).returncode == 0


def test_syntax_only_still_finds_syntax_errors(run: Run) -> None:
    done = run("adql", "check", "--syntax-only", given='{"adql": "SELECT a b c FROM nowhere.t"}')
    assert done.returncode == 1
    (row,) = rows(done)
    assert (row["ok"], row["line"], row["column"]) == (False, 1, 12)


def test_an_empty_query_has_a_place(run: Run) -> None:
    (row,) = rows(run("adql", "check", given='{"adql": ""}'))
    assert (row["ok"], row["line"], row["column"]) == (False, 1, 1)


def test_a_mistake_of_ours_is_told_of_its_query_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def meaning(text: str, catalogue: object, **_: object) -> NoReturn:
        raise RecursionError

    monkeypatch.setattr("vo_server.commands.adql_check.meaning", meaning)
    told = rows(run("adql", "check", given=f"{GOOD}\n{GOOD}"))
    assert [row["error"] for row in told] == ["internal error (RecursionError)"] * 2


def test_lines_that_hold_no_query_are_not_lost(run: Run) -> None:
    given = b'nonsense \xff\n[1]\n{"sql": "x"}\n{"adql": 5}\n\n' + GOOD.encode() + b"\n" + b"[" * 5000
    done = run("adql", "check", given=given)
    assert done.returncode == 1
    told = rows(done)
    assert [row["ok"] for row in told] == [False] * 4 + [True, False]
    assert [row.get("file_line") for row in told] == [1, 2, 3, 4, None, 7]
    assert {row.get("file") for row in told if not row["ok"]} == {"standard input"}
    assert told[0]["input"] == "nonsense \ufffd" and told[1]["input"] == "[1]"
    assert told[2]["sql"] == "x" and told[2]["error"] == "the line has no key adql"
    assert told[3]["adql"] == 5


def test_what_was_checked_before_can_be_checked_again(run: Run) -> None:
    first = run("adql", "check", given=f"{WRONG}\n{GOOD}\n")
    assert run("adql", "check", given=first.stdout).stdout == first.stdout
    loose = run("adql", "check", "--syntax-only", given=first.stdout)
    assert rows(loose)[0] == json.loads(WRONG) | {"ok": True}
    kept = '{"adql": "SELECT ra FROM psc", "line": 17, "error": "mine"}'
    assert rows(run("adql", "check", given=kept)) == [json.loads(kept) | {"ok": True}]


def test_a_line_is_answered_before_the_next_is_read(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vo_server", "adql", "check"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdin and process.stdout
        for line, ok in ((GOOD, True), (WRONG, False), (GOOD, True)):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["ok"] is ok
        process.stdin.close()
        assert process.wait(30) == 1


def test_statements_of_a_file(run: Run, tmp_path: Path) -> None:
    text = "-- the first\nSELECT ra FROM psc;\n\n\nSELECT 'a;b' AS x,\n decx\nFROM psc ;\nSELECT dec FROM psc\n"
    (tmp_path / "q.sql").write_text(text)
    told = rows(run("adql", "check", "q.sql"))
    assert [row["ok"] for row in told] == [True, False, True]
    assert told[0]["adql"] == "-- the first\nSELECT ra FROM psc"
    assert (told[1]["line"], told[1]["column"]) == (2, 2)
    with (tmp_path / "q.sql").open("rb") as file:
        assert [entry.line for entry in entries("q.sql", file)] == [1, 5, 8]


def test_text_is_for_people(run: Run) -> None:
    done = run("adql", "check", "--format", "text", given=f"{GOOD}\n{WRONG}\nnonsense\n{WARNED}\n")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "standard input:2: line 2, column 3: no column decx",
        "    decx FROM psc",
        "    ^^^^",
        "  did you mean dec?",
    ]
    assert lines[4].startswith("standard input:3: the line is not JSON")
    assert lines[5].startswith("standard input:4: warning: ")
    assert "\x1b" not in done.stdout


def test_a_file_that_is_not_there(run: Run) -> None:
    done = run("adql", "check", "none.jsonl")
    assert (done.returncode, done.stderr) == (1, "vo-server: none.jsonl: No such file or directory\n")


def test_the_cases_of_the_standards_files_get_their_verdict(run: Run, shared: Path) -> None:
    file = shared / "standards" / "adql" / "adql_cases.jsonl"
    told = rows(run("adql", "check", "--syntax-only", str(file)))
    before = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(told) == len(before) > 900
    for was, now in zip(before, told, strict=True):
        assert was.items() <= now.items()
        assert now["ok"] or (now["error"] and now["line"] >= 1 and now["column"] >= 1)
    assert all(now["ok"] for was, now in zip(before, told, strict=True) if was["valid"])


# ---------------------------------------------------------------- explain

CONE = "SELECT TOP 5 ra FROM psc AS p WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(266.4, -29, 1))"


def test_a_query_is_explained(run: Run, sky: Path) -> None:
    done = run("adql", "--data", str(sky), CONE)
    assert (done.returncode, done.stderr) == (0, "")
    headings = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert headings == ["Estimate", "Tables", "Columns (1)", "SQL of DuckDB", "Plan of DuckDB"]


def test_as_json_and_from_standard_input(run: Run, sky: Path) -> None:
    done = run("adql", "-", "--data", str(sky), "--format", "json", "--maxrec", "3", given=CONE)
    said = json.loads(done.stdout)
    assert (said["query"], said["maxrec"], said["estimate"]["most"]) == (CONE, 3, 3)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["SELECT\n decx FROM psc"], 1, "vo-server: line 2, column 2: no column decx\n   decx FROM psc\n   ^^^^\n"),
        (
            ["SELECT ra FROM psc"],
            1,
            "vo-server: twomass.psc is published here, but its rows have not been",
        ),
        (["SELECT 1", "--maxrec", "x"], 2, "vo-server: --maxrec is 'x', where a whole number is needed\n"),
        ([], 2, "vo-server: the following arguments are required: QUERY (vo-server adql --help tells more)\n"),
    ],
)
def test_mistakes(run: Run, words: list[str], code: int, said: str) -> None:
    done = run("adql", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)


@pytest.mark.parametrize("plain", [False, True])
def test_colours_are_for_terminals_that_want_them(plain: bool, tmp_path: Path, sky: Path) -> None:
    more = {"TERM": "xterm", "COLUMNS": "80"} | ({"NO_COLOR": "1"} if plain else {})
    shown, inner = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "vo_server", "adql", "--data", str(sky), "SELECT " + "ra, " * 40 + "decx FROM psc"],
        cwd=tmp_path, stdout=inner, stderr=inner, stdin=subprocess.DEVNULL, env=environment(**more),
    )  # fmt: skip
    os.close(inner)
    said = os.read(shown, 10_000).decode()
    os.close(shown)
    assert done.returncode == 1
    assert ("\x1b[31m" in said) is not plain
    if plain:
        first, line, carets, hint, *_ = said.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
        assert first == "vo-server: line 1, column 168: no column decx"
        assert len(line) <= 80
        assert line[carets.index("^") : carets.rindex("^") + 1] == "decx"
        assert hint == "  did you mean dec?"

"""The command line: its messages and its exit codes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vo_server.__main__ import main
from vo_server.commands import COMMANDS
from vo_server.errors import Code

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Run a command in an empty folder; return its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VO_SERVER_")]:
        monkeypatch.delenv(name)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        output = capsys.readouterr()
        return code, output.out, output.err

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "subject"),
    [
        ("", 2, Code.SETTINGS_INVALID, "COMMAND"),
        ("lod psc x", 2, Code.SETTINGS_INVALID, "'lod'"),
        ("serve --bogus", 2, Code.SETTINGS_INVALID, "--bogus"),
        ("serve --port abc", 2, Code.SETTINGS_INVALID, "--port"),
        ("serve --config none.toml", 2, Code.SETTINGS_INVALID, "none.toml"),
        ("demo --rows 0", 2, Code.SETTINGS_INVALID, "'0'"),
        ("load psc", 2, Code.SETTINGS_INVALID, "vo-server load --help"),
        ("load psx stars.csv", 2, Code.SETTINGS_INVALID, "did you mean psc?"),
        ("load nothing stars.csv", 2, Code.SETTINGS_INVALID, "psc, xsc, atlas, quicklook, stamps"),
        ("load psc stars.csv", 1, Code.LOAD_UNREADABLE, "stars.csv"),
        ("load psc stars_*.csv", 1, Code.LOAD_UNREADABLE, "stars_*.csv"),
        ("check http://127.0.0.1:1/tap", 1, Code.SERVICE_UNAVAILABLE, "http://127.0.0.1:1/tap"),
        ("serve --port 0 --host nowhere.invalid", 1, Code.SERVICE_UNAVAILABLE, "nowhere.invalid:0"),
        ("serve --schemas nowhere", 1, Code.SETTINGS_INVALID, "nowhere"),
        ("demo --no-serve --data /proc/nowhere", 1, None, "/proc/nowhere: "),
    ],
)
def test_reports_an_error_in_one_line(
    run: Run, arguments: str, exit_code: int, code: Code | None, subject: str
) -> None:
    got, out, err = run(*arguments.split())
    lines = [line for line in err.splitlines() if not line.startswith("warning:")]
    assert (got, out, len(lines)) == (exit_code, "", 1)
    assert lines[0].startswith("vo-server: ")
    assert subject in lines[0]
    assert code is None or lines[0].endswith(f" [{code}]")


def test_rejects_a_data_folder_that_is_a_file(run: Run) -> None:
    Path("data").touch()
    assert run("demo", "--no-serve")[0::2] == (1, "vo-server: data/catalogues/psc/current: Not a directory\n")


def test_reports_a_port_in_use_before_making_a_sky(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code, _, err = run("demo", "--port", str(listener.getsockname()[1]))
    assert code == 1
    assert f"[{Code.SERVICE_UNAVAILABLE}]" in err
    assert not Path("data").exists()


@pytest.mark.parametrize("command", ["", *(command.name for command in COMMANDS)])
def test_help_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, command: str, capsys: object) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    assert isinstance(capsys, pytest.CaptureFixture)
    shown = capsys.readouterr().out
    assert shown.startswith("usage: vo-server")
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_check_lists_the_collections(run: Run) -> None:
    code, out, err = run("check")
    assert (code, err) == (0, "nothing is loaded, so there is no service to check (vo-server load)\n")
    assert out.splitlines() == [
        "psc: twomass.psc, 60 columns, cone search, not loaded",
        "xsc: twomass.xsc, 389 columns, cone search, not loaded",
        "atlas: twomass.atlas, 46 columns, no cone search, not loaded",
        "quicklook: twomass.quicklook, 36 columns, no cone search, not loaded",
        "stamps: twomass.stamps, 45 columns, no cone search, not loaded",
    ]


def test_load_prints_a_summary(run: Run) -> None:
    made = [str(file) for file in _sky(Path(), 1_000)]
    code, out, err = run("load", "psc", *made)
    assert (code, out) == (0, "")
    assert err.startswith("twomass.psc: 1,000 rows loaded in ")
    assert err.endswith(" rows/s), 1,000 rows in all\n")
    assert run("load", "psc", *made, "--append")[2].endswith(", 2,000 rows in all\n")


def test_load_reports_rejected_rows(run: Run) -> None:
    made, *others = _sky(Path(), 1_000)
    lines = made.read_text().splitlines()
    made.write_text("\n".join([*lines[:10], "1|2|3", *lines[10:]]) + "\n")
    code, _, err = run("load", "psc", str(made), *map(str, others))
    assert code == 1
    assert f"[{Code.LOAD_BAD_ROW}]" in err
    code, _, err = run("load", "twomass.psc", str(made), *map(str, others), "--on-error", "skip")
    assert code == 3
    assert "1,000 rows loaded" in err
    assert "rejected 1 row: see data/rejects/psc-" in err


def _sky(folder: Path, rows: int) -> list[Path]:
    from vo_server import demo

    return list(demo.write_psc(folder, rows, compress=False))


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("scipy", ["demo", "--no-serve"], "demo"),
        ("scipy", ["stamps"], "stamps"),
        ("adbc_driver_postgresql", ["serve", "--engine", "postgresql://nobody@127.0.0.1/none"], "postgresql"),
    ],
)
def test_missing_package_names_its_extra(tmp_path: Path, package: str, arguments: list[str], extra: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None; from vo_server.__main__ import main; sys.exit(main({arguments}))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VO_SERVER_")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"pip install 'vo-server[{extra}]'" in done.stderr
    assert f"[{Code.SETTINGS_INVALID}]" in done.stderr

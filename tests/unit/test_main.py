"""The command line: what a person sees, and the exit codes that a script sees."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vo_server.__main__ import main
from vo_server.engines.store import Store

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Runs a command in an empty folder: its exit code, and what it said on its two streams."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VO_SERVER_")]:
        monkeypatch.delenv(name)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("", 2, "the following arguments are required: COMMAND (vo-server --help tells more)"),
        ("lod psc x", 2, "invalid choice: 'lod'"),
        ("serve --bogus", 2, "unrecognized arguments: --bogus"),
        ("serve --port abc", 2, "--port is 'abc', where a whole number is needed"),
        ("serve --config none.toml", 2, "none.toml cannot be read"),
        ("demo --rows 0", 2, "'0' is not a whole number from 1"),
        ("load psc", 2, "no file to load is named (vo-server load --help tells more)"),
        ("load psx stars.csv", 2, "no catalogue psx (did you mean psc?)"),
        ("load nothing stars.csv", 2, "no catalogue nothing (there are psc, xsc, atlas, quicklook, stamps)"),
        ("load psc stars.csv", 1, "there is no file stars.csv"),
        ("load psc stars_*.csv", 1, "no file matches stars_*.csv"),
        ("serve --port 0 --host nowhere.invalid", 1, "cannot listen on nowhere.invalid:0"),
        ("serve --schemas nowhere", 1, "nowhere: there is no such folder of catalogues"),
        ("demo --no-serve --data /proc/nowhere", 1, "/proc/nowhere: "),
    ],
)
def test_mistakes_are_told_in_one_line(run: Run, arguments: str, code: int, said: str) -> None:
    got, out, err = run(*arguments.split())
    lines = [line for line in err.splitlines() if not line.startswith("warning:")]
    assert (got, out, len(lines)) == (code, "", 1)
    assert lines[0].startswith("vo-server: ")
    assert said in lines[0]


def test_a_data_folder_that_is_a_file(run: Run) -> None:
    Path("data").touch()
    assert run("demo", "--no-serve")[0::2] == (1, "vo-server: data/catalogues/psc/current: Not a directory\n")


def test_a_port_in_use_is_told_before_a_sky_is_made(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = run("demo", "--port", str(taken.getsockname()[1]))
    assert code == 1
    assert "Address already in use (--port takes another, 0 any free one)" in err
    assert not Path("data").exists()


@pytest.mark.parametrize("command", ["", "demo", "load", "serve", "check", "adql", "adql check"])
def test_help_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, command: str, capsys: object) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    assert isinstance(capsys, pytest.CaptureFixture)
    shown = capsys.readouterr().out
    assert shown.startswith("usage: vo-server")
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_check_lists_the_catalogues(run: Run) -> None:
    code, out, err = run("check")
    assert (code, err) == (0, "nothing is loaded, so there is no service to check (vo-server load)\n")
    assert out.splitlines() == [
        "psc: twomass.psc, 60 columns, cone search, not loaded",
        "xsc: twomass.xsc, 389 columns, cone search, not loaded",
        "atlas: twomass.atlas, 46 columns, no cone search, not loaded",
        "quicklook: twomass.quicklook, 36 columns, no cone search, not loaded",
        "stamps: twomass.stamps, 45 columns, no cone search, not loaded",
    ]


def test_load_says_what_it_did(run: Run) -> None:
    made = [str(file) for file in _sky(Path(), 1_000)]
    code, out, err = run("load", "psc", *made)
    assert (code, out) == (0, "")
    assert err.startswith("twomass.psc: 1,000 rows loaded in ")
    assert err.endswith(" rows/s), 1,000 rows serve\n")
    assert run("load", "psc", *made, "--append")[2].endswith(", 2,000 rows serve\n")


def test_load_with_rejected_lines(run: Run) -> None:
    made, *others = _sky(Path(), 1_000)
    lines = made.read_text().splitlines()
    made.write_text("\n".join([*lines[:10], "1|2|3", *lines[10:]]) + "\n")
    code, _, err = run("load", "psc", str(made), *map(str, others))
    assert code == 1
    assert "--on-error skip" in err
    code, _, err = run("load", "twomass.psc", str(made), *map(str, others), "--on-error", "skip")
    assert code == 3
    assert "1,000 rows loaded" in err
    assert "1 lines were rejected: see data/rejects/psc-" in err


def _sky(folder: Path, rows: int) -> list[Path]:
    from vo_server import demo

    return list(demo.write_psc(folder, rows, compress=False))


def test_demo_takes_up_a_sky_that_was_broken_off(run: Run) -> None:
    (Path("data") / "sky").mkdir(parents=True)
    (Path("data") / "sky" / "litter").touch()
    assert run("demo", "--no-serve", "--rows", "1000")[0] == 0
    assert all(Store(Path("data")).current(id) for id in ("psc", "xsc", "atlas"))
    assert not (Path("data") / "sky").exists()


def test_demo_leaves_what_was_loaded_alone(run: Run) -> None:
    run("load", "psc", *(str(file) for file in _sky(Path(), 1_000)))
    before = Store(Path("data")).current("psc")
    assert run("demo", "--no-serve")[2] == "The catalogues in data are served as they are.\n"
    assert Store(Path("data")).current("psc") == before
    assert Store(Path("data")).current("xsc") is None


def test_demo_from_nothing_to_a_clean_stop(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VO_SERVER_")}
    command = [sys.executable, "-m", "vo_server", "demo", "--rows", "1000", "--port", "0"]
    environment = kept | {"PYTHONPATH": str(ROOT)}
    for stop in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stderr is not None
            said: list[str] = []
            while not (said and said[-1].startswith("Serving at ")):
                said.append(process.stderr.readline())
                assert said[-1], said
            url = said[-1].split()[-1]
            with urllib.request.urlopen(f"{url}/cone/psc?RA=266.4&DEC=-29&SR=5&RESPONSEFORMAT=csv") as answer:
                assert answer.readline().startswith(b"ra,dec,")
            process.send_signal(stop)
            rest = process.stderr.read()
            assert process.wait(30) == 0
        assert "Stop with Ctrl-C." in rest
        assert "Traceback" not in rest
        assert "\x1b" not in "".join(said)
    assert "The catalogues in data are served as they are.\n" in said

"""vo-server demo: from an empty folder to a server that stops cleanly."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import clean_environment
from vo_server import demo
from vo_server.__main__ import main
from vo_server.engines.data_directory import DataDirectory


@pytest.mark.slow
def test_resumes_an_interrupted_sky(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "sky").mkdir(parents=True)
    (data / "sky" / "leftover").touch()
    assert main(["demo", "--no-serve", "--rows", "1000", "--data", str(data)]) == 0
    assert all(DataDirectory(data).find_current_file(id) for id in ("psc", "xsc", "atlas"))
    assert not (data / "sky").exists()


def test_keeps_loaded_catalogues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    files = [str(file) for file in demo.write_psc(tmp_path, 1_000, compress=False)]
    assert main(["load", "psc", *files, "--data", str(data)]) == 0
    before = DataDirectory(data).find_current_file("psc")
    capsys.readouterr()
    assert main(["demo", "--no-serve", "--data", str(data)]) == 0
    assert capsys.readouterr().err.splitlines() == [f"The collections in {data} are already loaded."]
    assert DataDirectory(data).find_current_file("psc") == before
    assert DataDirectory(data).find_current_file("xsc") is None


@pytest.mark.slow
def test_from_nothing_to_a_clean_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vo_server", "demo", "--rows", "1000", "--port", "0"]
    for stop in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=clean_environment()
        ) as process:
            assert process.stderr is not None
            lines: list[str] = []
            while not (lines and lines[-1].startswith("Serving at ")):
                lines.append(process.stderr.readline())
                assert lines[-1], lines
            url = lines[-1].split()[-1]
            with urllib.request.urlopen(f"{url}/cone/psc?RA=266.4&DEC=-29&SR=5&RESPONSEFORMAT=csv") as response:
                assert response.readline().startswith(b"ra,dec,")
            process.send_signal(stop)
            rest = process.stderr.read()
            assert process.wait(30) == 0
        assert "Stop with Ctrl-C." in rest
        assert "Traceback" not in rest
        assert "\x1b" not in "".join(lines)
    assert "The collections in data are already loaded.\n" in lines

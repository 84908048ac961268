"""kill -9 at moments all over a job's life: no accepted job is lost, and no result is partial.

The processes are really killed (kills.py), each at another line of vo_server/jobs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_moments(folder: Path, url: str, step: int, part: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.system.kills", str(folder), url, str(step), part]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *killed, whole = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(moment["died"] for moment in killed)
    assert not whole["died"]
    assert whole["answered"]
    return [*killed, whole]


@pytest.mark.slow
def test_recovers_job_of_killed_worker(tmp_path: Path, url: str) -> None:
    moments = run_moments(tmp_path, url, 1 if not url else 6, "run")
    assert len(moments) > (60 if not url else 8)
    for moment in moments:
        told = moment["told"]
        assert told["before"] in ("EXECUTING", "COMPLETED"), moment
        assert told["after"] == "COMPLETED", moment
        assert told["whole"], moment
        assert told["same"], moment
        assert told["attempts"] == (2 if told["before"] == "EXECUTING" else 1), moment
        assert told["files"] == ["result", "upload"], moment


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_job_of_killed_server_is_complete_or_absent(tmp_path: Path, url: str) -> None:
    """The job is stored with all its files, or it is not stored and the client got no answer."""
    moments = run_moments(tmp_path, url, 1, "accept")
    assert len(moments) > 20
    for moment in moments:
        told = moment["told"]
        if told["before"] is None:
            assert not moment["answered"], moment
        else:
            assert (told["before"], told["after"], told["whole"]) == ("QUEUED", "COMPLETED", True), moment

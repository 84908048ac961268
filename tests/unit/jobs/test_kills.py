"""kill -9 at moments all over a job's life: no accepted job is lost, and no result is partial.

The processes are really killed (kills.py), at every second line executed in vo_server/jobs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def run_moments(folder: Path, url: str, step: int, part: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.unit.jobs.kills", str(folder), url, str(step), part]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert not told[-1]["died"], "the last process is not killed"
    return told


def test_recovers_job_of_killed_worker(tmp_path: Path, url: str) -> None:
    moments = run_moments(tmp_path, url, 2 if not url else 12, "run")
    assert len(moments) > (50 if not url else 8)
    for moment in moments:
        told = moment["told"]
        assert told["before"] in ("EXECUTING", "COMPLETED"), moment
        assert told["after"] == "COMPLETED", moment
        assert told["whole"], moment
        assert told["same"], moment
        assert told["attempts"] == (2 if told["before"] == "EXECUTING" else 1), moment
        assert told["files"] == ["result", "upload"], moment


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_job_of_killed_server_is_complete_or_absent(tmp_path: Path, url: str) -> None:
    """The job is stored with all its files, or it is not stored and the client got no answer."""
    moments = run_moments(tmp_path, url, 4, "accept")
    assert len(moments) > 20
    for moment in moments:
        told = moment["told"]
        if told["before"] is None:
            assert moment["said"] is None, moment
        else:
            assert (told["before"], told["after"], told["whole"]) == ("QUEUED", "COMPLETED", True), moment
    assert moments[-1]["said"] == "accepted"

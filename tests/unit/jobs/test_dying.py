"""kill -9 at moments all over a job's life: no job that was accepted is lost, none has half a result.

The processes die for good (dying.py), at every second line that the room of jobs runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def lives(folder: Path, url: str, step: int, part: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.unit.jobs.dying", str(folder), url, str(step), part]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert not told[-1]["died"], "the last one lives to the end"
    return told


def test_a_worker_dies(tmp_path: Path, url: str) -> None:
    moments = lives(tmp_path, url, 2 if not url else 12, "run")
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
def test_a_server_dies_while_it_takes_a_job_in(tmp_path: Path, url: str) -> None:
    """The job is there with all that belongs to it, or it is not there and its client knows that nobody said so."""
    moments = lives(tmp_path, url, 4, "accept")
    assert len(moments) > 20
    for moment in moments:
        told = moment["told"]
        if told["before"] is None:
            assert moment["said"] is None, moment
        else:
            assert (told["before"], told["after"], told["whole"]) == ("QUEUED", "COMPLETED", True), moment
    assert moments[-1]["said"] == "accepted"

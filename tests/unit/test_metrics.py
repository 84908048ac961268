"""The figures: what a process that is gone leaves behind, and jobs by phase."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from vo_server.metrics import FOLDER, Metrics

COUNTS = """
from vo_server.metrics import Metrics, Served, State
metrics = Metrics()
metrics.count(Served("tap", "/sync", 200, 0.1, 10, 7, "long", 2.0))
metrics.sample(State({"long": 2}, {"long": 3}, 1000))
"""

READS = COUNTS + "print(metrics.text({}).decode())"


def samples(text: str) -> dict[str, float]:
    return {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}


def run(code: str, folder: Path) -> str:
    """In a process of its own, since the library looks once where figures go."""
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {FOLDER: str(folder), "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_what_is_counted_outlives_a_process_and_what_runs_does_not(tmp_path: Path) -> None:
    for _ in range(2):
        run(COUNTS, tmp_path)
    found = samples(run(READS, tmp_path))
    assert found["vo_requests_total"] == 3
    assert found["vo_rows_total"] == 21
    assert found["vo_queue_seconds_sum"] == 6.0
    assert found["vo_queries_running"] == 2
    assert found["vo_queries_waiting"] == 3
    assert found["vo_engine_memory_bytes"] == 1000


def test_jobs_by_phase() -> None:
    told = Metrics().text({"QUEUED": 4, "EXECUTING": 2}).decode()
    assert 'vo_jobs{phase="QUEUED"} 4.0' in told
    assert 'vo_jobs{phase="EXECUTING"} 2.0' in told
    assert "vo_requests" in told

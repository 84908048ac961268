"""Metrics: counters of processes that have exited, and jobs by phase."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from vo_server.metrics import FOLDER_VARIABLE, Metrics

COUNTS = """
from vo_server.metrics import Metrics, RequestMetrics, ServerState
metrics = Metrics()
metrics.count(RequestMetrics("tap", "/sync", 200, 0.1, 10, 7, "long", 2.0))
metrics.sample(ServerState({"long": 2}, {"long": 3}, 1000))
"""

READS = COUNTS + "print(metrics.render({}).decode())"


def samples(text: str) -> dict[str, float]:
    return {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}


def run(code: str, folder: Path) -> str:
    """Run code in a process of its own, since the library reads its folder once; return the output."""
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {FOLDER_VARIABLE: str(folder), "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_counters_outlive_process_and_gauges_do_not(tmp_path: Path) -> None:
    for _ in range(2):
        run(COUNTS, tmp_path)
    found = samples(run(READS, tmp_path))
    assert found["vo_requests_total"] == 3
    assert found["vo_rows_total"] == 21
    assert found["vo_queue_seconds_sum"] == 6.0
    assert found["vo_queries_running"] == 2
    assert found["vo_queries_waiting"] == 3
    assert found["vo_engine_memory_bytes"] == 1000


def test_counts_jobs_by_phase() -> None:
    text = Metrics().render({"QUEUED": 4, "EXECUTING": 2}).decode()
    assert 'vo_jobs{phase="QUEUED"} 4.0' in text
    assert 'vo_jobs{phase="EXECUTING"} 2.0' in text
    assert "vo_requests" in text

"""The documents of UWS: valid in every phase, and their content."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from vo_server.documents import uws
from vo_server.model.job import Failure, Job, JobResult, Phase

SCHEMA = Path(__file__).resolve().parents[4] / "shared" / "standards" / "xsd" / "local" / "UWS-v1.1.xsd"
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
AT = datetime(2026, 1, 2, 3, 4, 5, 67_000, tzinfo=UTC)
PENDING = Job("a-b_c", "tap", AT, AT.replace(microsecond=0), 60)
PARAMETERS = (("QUERY", "SELECT '<&>\x00\ud800' \n]]>"), ("UPLOAD", "a,param:é"), ("\x01", ""), ("RUNID", "<mine>"))
RESULT = JobResult("x.result", 'text/csv;header="present"', "x.csv", 12, "abc", 3)
JOBS = {
    "pending": PENDING,
    "with parameters": PENDING.replace(parameters=PARAMETERS),
    "queued": PENDING.replace(phase=Phase.QUEUED, queued=AT),
    "executing": PENDING.replace(phase=Phase.EXECUTING, started=AT, progress=0.25, rows=10, attempts=2),
    "completed": PENDING.replace(phase=Phase.COMPLETED, started=AT, ended=AT, results=(RESULT,), rows=3, progress=1.0),
    "failed": PENDING.replace(phase=Phase.ERROR, started=AT, ended=AT, failure=Failure("QUERY", "a\x02 <b>\n  ^")),
    "aborted": PENDING.replace(phase=Phase.ABORTED, ended=AT, failure=Failure("BUSY", "late", transient=True)),
}


@cache
def load_schema() -> etree.XMLSchema:
    if not SCHEMA.exists():
        pytest.skip("the standards are not beside this checkout")
    return etree.XMLSchema(etree.parse(SCHEMA))


@pytest.mark.parametrize("name", JOBS)
def test_documents_are_valid(name: str) -> None:
    job = JOBS[name]
    documents = (
        uws.write_job(job, "http://x/y?a&b", ["é", "part"], 3 if job.phase is Phase.QUEUED else None),
        uws.write_jobs([job, PENDING], "http://x/y"),
        uws.write_parameters(job, "http://x/y", ["part"]),
        uws.write_results(job, "http://x/y"),
    )
    for document in documents:
        load_schema().assertValid(etree.fromstring(document))


def test_content_of_documents() -> None:
    waiting = etree.fromstring(uws.write_job(JOBS["queued"], "http://x/a", (), 3))
    assert waiting.findtext(f"{UWS}jobInfo/position") == "3"
    assert waiting.findtext(f"{UWS}creationTime") == "2026-01-02T03:04:05.067Z"
    assert waiting.findtext(f"{UWS}destruction") == "2026-01-02T03:04:05Z"
    running = etree.fromstring(uws.write_job(JOBS["executing"], "http://x/a"))
    assert {e.tag: e.text for e in running.find(f"{UWS}jobInfo")} == {"progress": "0.25", "rows": "10", "attempts": "2"}
    assert etree.fromstring(uws.write_job(PENDING, "http://x/a")).find(f"{UWS}jobInfo") is None
    failed = etree.fromstring(uws.write_job(JOBS["failed"], "http://x/a"))
    assert failed.findtext(f"{UWS}errorSummary/{UWS}message") == "a <b>\n  ^"
    parameters = etree.fromstring(uws.write_parameters(JOBS["with parameters"], "http://x/a", ["part"]))
    assert parameters[0].text == "SELECT '<&>' \n]]>"
    assert (parameters[-1].text, parameters[-1].get("byReference")) == ("http://x/a/parameters/part", "true")

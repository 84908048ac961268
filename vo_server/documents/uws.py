"""The documents of UWS 1.1: job list, job, parameters, results (appendix B)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from lxml import etree

from vo_server.documents.elements import XSI, Element, Value, format_value, serialise
from vo_server.model.job import Job, Phase

UWS = "http://www.ivoa.net/xml/UWS/v1.0"
XLINK = "http://www.w3.org/1999/xlink"
VERSION = "1.1"

_NAMESPACES = {"uws": UWS, "xlink": XLINK, "xsi": XSI}
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_jobs(listed: Iterable[Job], base: str) -> bytes:
    """Return the list of jobs under a URL."""
    document = _make_root("jobs", version=VERSION)
    for job in listed:
        entry = _add(document, "jobref", id=job.id)
        entry.set(f"{{{XLINK}}}href", f"{base}/{job.id}")
        _add(entry, "phase", job.phase)
        if job.run_id is not None:
            _add(entry, "runId", job.run_id)
        _add(entry, "ownerId")
        _add(entry, "creationTime", format_instant(job.created))
    return serialise(document)


def write_job(job: Job, url: str, parts: Iterable[str] = (), position: int | None = None) -> bytes:
    """Return a job in full. `parts` are the parameters that came as files; `position` is its position in the queue."""
    document = _make_root("job", version=VERSION)
    _add(document, "jobId", job.id)
    if job.run_id is not None:
        _add(document, "runId", job.run_id)
    _add(document, "ownerId")
    _add(document, "phase", job.phase)
    _add(document, "quote")
    _add(document, "creationTime", format_instant(job.created))
    _add(document, "startTime", job.started and format_instant(job.started))
    _add(document, "endTime", job.ended and format_instant(job.ended))
    _add(document, "executionDuration", job.duration)
    _add(document, "destruction", format_instant(job.destruction))
    _fill_parameters(_add(document, "parameters", ""), job, url, parts)
    _fill_results(_add(document, "results", ""), job, url)
    if job.failure is not None:
        summary = _add(
            document,
            "errorSummary",
            "",
            type="transient" if job.failure.transient else "fatal",
            hasDetail=True,
        )
        _add(summary, "message", job.failure.message)
    overflow = True if any(result.overflow for result in job.results) else None
    details = {"position": position, "progress": job.progress, "rows": job.rows, "overflow": overflow}
    _add_info(document, details | {"attempts": _count_repeated_attempts(job)})
    return serialise(document)


def write_parameters(job: Job, url: str, parts: Iterable[str] = ()) -> bytes:
    """Return the parameters of a job."""
    document = _make_root("parameters")
    _fill_parameters(document, job, url, parts)
    return serialise(document)


def write_results(job: Job, url: str) -> bytes:
    """Return the results of a job."""
    document = _make_root("results")
    _fill_results(document, job, url)
    return serialise(document)


def format_instant(at: datetime) -> str:
    """Return an instant in UTC, with milliseconds where there are any."""
    at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def _count_repeated_attempts(job: Job) -> int | None:
    """Return the number of attempts if there was more than one."""
    return job.attempts if job.attempts > 1 else None


def _fill_parameters(element: Element, job: Job, url: str, parts: Iterable[str]) -> None:
    """Add the parameters: files by reference, others by value (UWS 1.1 section 2.2.3.1.1)."""
    for name, value in job.parameters:
        _add(element, "parameter", value, id=name)
    for name in parts:
        _add(element, "parameter", f"{url}/parameters/{name}", id=name, byReference=True)


def _fill_results(element: Element, job: Job, url: str) -> None:
    for result in job.results if job.phase is Phase.COMPLETED else ():
        attributes: dict[str, Value] = {"id": result.id, "size": result.size, "mime-type": result.media_type}
        entry = _add(element, "result", "", **attributes)
        entry.set(f"{{{XLINK}}}href", f"{url}/results/{result.id}")


def _add_info(document: Element, values: Mapping[str, Value]) -> None:
    """Add the progress of the job, an extension of this server."""
    details = {name: value for name, value in values.items() if value is not None}
    if details:
        info = _add(document, "jobInfo", "")
        for name, value in details.items():
            etree.SubElement(info, name).text = format_value(value)


def _make_root(name: str, **attributes: Value) -> Element:
    document = etree.Element(f"{{{UWS}}}{name}", nsmap=_NAMESPACES)
    return _set_attributes(document, attributes)


def _add(parent: Element, name: str, value: Value = None, **attributes: Value) -> Element:
    """Add a child at the end and return it; without a value it is nil."""
    child = etree.SubElement(parent, f"{{{UWS}}}{name}")
    if value is None and not attributes:
        child.set(f"{{{XSI}}}nil", "true")
    elif value is not None and value != "":
        child.text = _NOT_XML.sub("", format_value(value))
    return _set_attributes(child, attributes)


def _set_attributes(element: Element, attributes: Mapping[str, Value]) -> Element:
    for name, value in attributes.items():
        element.set(name, _NOT_XML.sub("", format_value(value)))
    return element

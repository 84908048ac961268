"""UWS 1.1: the resources of a service's job list. The service defines the task of a job.

Every change returns 303 with the URL of the job, a deletion that of the list (section 2.2.3).
"""

from __future__ import annotations

from functools import partial

from vo_server.http.errors import error_response
from vo_server.http.service import Resource
from vo_server.protocols.uws import job, parameters, results
from vo_server.protocols.uws.joblist import JobList
from vo_server.protocols.uws.listing import handle_joblist

__all__ = ["JobList", "make_resources"]

_RESOURCES = (
    ("", handle_joblist, ("GET", "POST")),
    ("/{id}", job.handle_job, ("GET", "POST", "DELETE")),
    ("/{id}/phase", job.handle_phase, ("GET", "POST")),
    ("/{id}/executionduration", job.handle_duration, ("GET", "POST")),
    ("/{id}/destruction", job.handle_destruction, ("GET", "POST")),
    ("/{id}/quote", job.send_empty, ("GET",)),
    ("/{id}/owner", job.send_empty, ("GET",)),
    ("/{id}/error", results.send_error, ("GET",)),
    ("/{id}/parameters", parameters.handle_parameters, ("GET", "POST")),
    ("/{id}/parameters/{name}", parameters.handle_parameter, ("GET", "PUT")),
    ("/{id}/results", results.list_results, ("GET",)),
    ("/{id}/results/{result}", results.send_result, ("GET",)),
)


def make_resources(jobs: JobList) -> tuple[Resource, ...]:
    """Return the resources of a job list: the list, its jobs, and their parameters and results."""
    return tuple(
        Resource(jobs.path + path, partial(endpoint, jobs), methods, error_response)
        for path, endpoint, methods in _RESOURCES
    )

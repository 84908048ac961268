"""UWS 1.1: the tree of a service's jobs. What a job does is the service's own affair.

Every change answers 303 with the URL of the job, its deletion with that of the list (section 2.2.3).
"""

from __future__ import annotations

from functools import partial

from vo_server.http.errors import error_response
from vo_server.http.service import Resource
from vo_server.protocols.uws import job, parameters, results
from vo_server.protocols.uws.joblist import Place
from vo_server.protocols.uws.listing import listing

__all__ = ["Place", "resources"]

_TREE = (
    ("", listing, ("GET", "POST")),
    ("/{id}", job.job, ("GET", "POST", "DELETE")),
    ("/{id}/phase", job.phase, ("GET", "POST")),
    ("/{id}/executionduration", job.duration, ("GET", "POST")),
    ("/{id}/destruction", job.destruction, ("GET", "POST")),
    ("/{id}/quote", job.unknown, ("GET",)),
    ("/{id}/owner", job.unknown, ("GET",)),
    ("/{id}/error", results.error, ("GET",)),
    ("/{id}/parameters", parameters.parameters, ("GET", "POST")),
    ("/{id}/parameters/{name}", parameters.parameter, ("GET", "PUT")),
    ("/{id}/results", results.results, ("GET",)),
    ("/{id}/results/{result}", results.result, ("GET",)),
)


def resources(place: Place, below: str) -> tuple[Resource, ...]:
    """The tree; `below` is the list's path below the service's."""
    return tuple(
        Resource(below + path, partial(endpoint, place), methods, error_response) for path, endpoint, methods in _TREE
    )

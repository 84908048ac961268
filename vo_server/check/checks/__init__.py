"""The checks, a module for each subject; those that inspect all responses come last."""

from __future__ import annotations

from vo_server.check.checks import (
    capabilities,
    cones,
    datalink,
    documents,
    examples,
    formats,
    functions,
    http,
    images,
    jobs,
    limits,
    links,
    metadata,
    obscore,
    registry,
    tap_schema,
    uploads,
    votables,
)
from vo_server.check.finding import Check

CHECKS: tuple[Check, ...] = (
    *documents.CHECKS,
    *capabilities.CHECKS,
    *tap_schema.CHECKS,
    *metadata.CHECKS,
    *obscore.CHECKS,
    *http.CHECKS,
    *formats.CHECKS,
    *limits.CHECKS,
    *uploads.CHECKS,
    *functions.CHECKS,
    *jobs.CHECKS,
    *examples.CHECKS,
    *cones.CHECKS,
    *images.CHECKS,
    *datalink.CHECKS,
    *votables.CHECKS,
    *registry.CHECKS,
    *links.CHECKS,
    *http.LAST_CHECKS,
)

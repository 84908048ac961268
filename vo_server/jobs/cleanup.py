"""Cleanup for all jobs: expired leases, expired jobs, the size limit of results, and orphaned files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vo_server.jobs.files import JobFiles
from vo_server.jobs.store import JobStore
from vo_server.model.job import ACTIVE


@dataclass(frozen=True, slots=True)
class StorageQuota:
    """Size limits in bytes: of the results of one job, and of all results; 0 for no limit."""

    max_result_bytes: int = 0
    max_total_bytes: int = 0


class Cleanup:
    """The cleanup that every worker runs; running it twice does no harm."""

    def __init__(self, store: JobStore, files: JobFiles, quota: StorageQuota) -> None:
        self._store = store
        self._files = files
        self._quota = quota

    def clean_jobs(self) -> None:
        """Requeue jobs whose lease has expired, and delete jobs past their destruction time."""
        self._store.reclaim_expired()
        self._delete_jobs(self._store.find_expired())

    def clean_storage(self) -> None:
        """Delete the jobs that ended first while all results exceed the quota, and remove orphaned folders."""
        if self._quota.max_total_bytes:
            self._delete_jobs(self._store.find_oldest_results(self._quota.max_total_bytes))
        self._delete_jobs(self._orphans())

    def _delete_jobs(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._store.delete(id)
            self._files.remove(id)

    def _orphans(self) -> Iterator[str]:
        """Yield the folders that belong to no job.

        In the folder of a job that has ended, remove what killed attempts have left.
        """
        for id in self._files.orphaned_folders():
            job = self._store.get(id)
            if job is None:
                yield id
            elif job.phase not in ACTIVE:
                self._files.remove_partial_results(id, [result.file for result in job.results])

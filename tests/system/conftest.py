"""Fixtures of the tests of whole systems."""

from tests.unit.jobs.conftest import url

__all__ = ["url"]

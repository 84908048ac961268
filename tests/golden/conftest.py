"""The option that rewrites the expected output: pytest tests/golden --update-golden."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files with the actual output")

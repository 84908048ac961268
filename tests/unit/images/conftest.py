"""A synthetic image, and the real ones where they are available."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.atlas import atlas_file


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    return atlas_file(tmp_path / "atlas.fits")


@pytest.fixture(scope="session")
def real(shared: Path) -> Path:
    """Return the folder of real images."""
    folder = shared / "data" / "images"
    if not folder.is_dir():
        pytest.skip("the real images are not available")
    return folder

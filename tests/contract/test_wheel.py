"""The wheel contains what the server needs, and complete metadata."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import vo_server
from vo_server.assembly import load_site_catalogue
from vo_server.settings import Settings
print(vo_server.__file__)
print(*sorted(p.table.qualified_name for p in load_site_catalogue(Settings()).collections))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def test_contains_catalogue_files_and_documentation(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for file in (ROOT / "schemas").rglob("*.toml"):
        assert f"vo_server/schemas/{file.relative_to(ROOT / 'schemas').as_posix()}" in names
    for file in (ROOT / "vo_server").rglob("*.md"):
        assert file.relative_to(ROOT).as_posix() in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "schemas/", "deploy/"))]


def test_metadata_is_complete(metadata: Message) -> None:
    assert metadata["Name"] == "vo-server"
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Author"] == "the vo_server developers"
    assert metadata["Requires-Python"] == ">=3.11"
    for field in ("Version", "Summary", "Keywords"):
        assert metadata[field]
    classifiers = metadata.get_all("Classifier", [])
    assert "Topic :: Scientific/Engineering :: Astronomy" in classifiers
    assert not [classifier for classifier in classifiers if classifier.startswith("License ::")]
    assert "## Try it" in metadata.get_payload()
    assert {"demo", "http", "postgresql", "s3", "stamps", "test"} <= set(metadata.get_all("Provides-Extra", []))


def test_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    where, tables = done.stdout.splitlines()
    assert where.startswith(str(tmp_path))
    assert {"twomass.psc", "twomass.xsc"} <= set(tables.split())

"""The wheel holds all that the server needs: the catalogue files go with the code."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

READ = """
import vo_server
from vo_server.app import catalogue_of
from vo_server.settings import Settings
print(vo_server.__file__)
print(*sorted(p.table.qualified for p in catalogue_of(Settings()).collections))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_the_catalogue_files_are_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    for file in (ROOT / "schemas").rglob("*.toml"):
        assert f"vo_server/schemas/{file.relative_to(ROOT / 'schemas').as_posix()}" in names
    assert not [name for name in names if name.startswith(("tests/", "schemas/", "deploy/"))]


def test_what_is_unpacked_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    where, tables = done.stdout.splitlines()
    assert where.startswith(str(tmp_path))
    assert {"twomass.psc", "twomass.xsc"} <= set(tables.split())
